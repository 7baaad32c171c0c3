"""What every signal shares: a kind, and a check of itself when it is made."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

Kind = str
"""The name of a kind of signals: `audio`, `series`, `mouse`, `binary`, or one that another package brings."""


@dataclass(frozen=True, eq=False)
class Signal(ABC):
    """A raw recording in memory, with its units.

    Subclasses are frozen dataclasses (`eq=False`: arrays have no single truth) that check themselves in
    `__post_init__`, raise SignalError for what they cannot be, and keep their arrays read-only.

    Parameters
    ----------
    notes
        What the reader of its file found and made of it, a sentence each; none for a signal from memory.
    """

    notes: tuple[str, ...] = field(default=(), kw_only=True, repr=False)
    kind: ClassVar[Kind]

    @abstractmethod
    def describe(self) -> str:
        """Say in one line what this is: `5.0 s of mono sound at 44100 Hz`."""
