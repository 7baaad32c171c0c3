"""Compiled loops of the series converters."""
