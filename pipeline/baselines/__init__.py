"""Models of tables, and strong methods for series, that images are compared with."""
