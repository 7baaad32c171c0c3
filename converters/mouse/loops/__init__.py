"""Compiled loops of the mouse converters."""
