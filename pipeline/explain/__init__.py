"""Where in the raw signal a prediction came from, and whether that is true."""
