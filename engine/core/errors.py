"""The one error tree. Every message says what happened, where, and what to do next.

    StormdeskError
    ├── UsageError            the caller asked for something that cannot be (exit code 2)
    │   ├── ScenarioError     a scenario file does not describe a market
    │   ├── StormError        a storm outside its legal range
    │   └── RunNotFound       no such run
    ├── DataError             outside data is not what its format promises
    │   ├── FeedGap           a feed's sequence numbers have a hole
    │   └── JournalDamaged    a journal record fails its check (position given)
    ├── RecordingFailed       a run's files cannot be written (disk full, no permission); the desk lives on
    └── VerificationFailed    recomputing gave another result than the one recorded (exit code 1)

Assertions state invariants of our own code; these exceptions report the outside world.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "FeedGap",
    "JournalDamaged",
    "RecordingFailed",
    "RunNotFound",
    "ScenarioError",
    "SnapshotDamaged",
    "StormError",
    "StormdeskError",
    "UsageError",
    "VerificationFailed",
]


class StormdeskError(Exception):
    """Root of everything that Stormdesk raises on purpose."""


class UsageError(StormdeskError):
    """A request that cannot be carried out as asked; the message says what would work."""


class ScenarioError(UsageError):
    """A scenario that cannot be loaded; the message names the file and the key."""


class StormError(UsageError):
    """A storm request outside its range; nothing was started."""


class RunNotFound(UsageError):
    """No run has this id or path."""


class DataError(StormdeskError):
    """A data file or stream that breaks its own format's rules."""


class FeedGap(DataError):
    """A hole in a feed's sequence numbers: the book after it would be a guess."""

    def __init__(self, where: str, *, expected: int, got: int) -> None:
        super().__init__(
            f"{where}: sequence gap, expected {expected}, got {got}. "
            "The book cannot be continued past it: resume from a later snapshot."
        )
        self.expected = expected
        self.got = got


class JournalDamaged(DataError):
    """A journal whose bytes fail their check at `offset`."""

    def __init__(self, path: str, *, offset: int, reason: str) -> None:
        super().__init__(f"{path}: damaged at byte {offset}: {reason}")
        self.path = path
        self.offset = offset
        self.reason = reason


class SnapshotDamaged(DataError):
    """A snapshot whose bytes fail their check, or of another engine; the run can be recomputed without."""


class RecordingFailed(StormdeskError):
    """A run's files cannot be written; what is on disk stays readable, and the market goes on."""


class VerificationFailed(StormdeskError):
    """A recomputed run that differs from its record; the message names the first difference."""
