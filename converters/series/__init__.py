"""Converters and reader of the series kind."""

from . import gramian, line, markov, patches, recurrence, scalogram

__all__ = ["gramian", "line", "markov", "patches", "recurrence", "scalogram"]
