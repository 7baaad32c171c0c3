"""Small made-up data sets of every kind."""
