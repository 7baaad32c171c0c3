"""What every signal shares: a kind, and a check of itself when it is made."""

from abc import ABC, abstractmethod
from typing import ClassVar

Kind = str
"""The name of a kind of signals: `audio`, `series`, `mouse`, `binary`, or one that another package brings."""


class Signal(ABC):
    """A raw recording in memory, with its units.

    Subclasses are frozen dataclasses (`eq=False`: arrays have no single truth) that check themselves in
    `__post_init__`, raise SignalError for what they cannot be, and keep their arrays read-only.
    """

    kind: ClassVar[Kind]

    @abstractmethod
    def describe(self) -> str:
        """Say in one line what this is: `5.0 s of mono sound at 44100 Hz`."""
