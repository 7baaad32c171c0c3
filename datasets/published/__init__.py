"""Published data sets with their protocols."""
