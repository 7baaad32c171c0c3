"""Converters and reader of the series kind."""

from . import gramian, markov, patches, recurrence, scalogram

__all__ = ["gramian", "markov", "patches", "recurrence", "scalogram"]
