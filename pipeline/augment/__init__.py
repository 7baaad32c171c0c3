"""Changed copies of signals."""
