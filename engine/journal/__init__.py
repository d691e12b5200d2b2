"""Write-ahead log of inputs: what was asked of a session, in order, before it had an effect.

A session is recomputed from it bit for bit. Reading order: records (format), writer, reader, durable.
"""

from engine.journal.reader import (
    JournalContents,
    JournalReader,
    JournalRecord,
    TornTail,
    find_torn_tail,
    read_journal,
)
from engine.journal.records import Checkpoint, RecordType, RunHeader
from engine.journal.writer import FsyncPolicy, JournalExtent, JournalWriter

__all__ = [
    "Checkpoint",
    "FsyncPolicy",
    "JournalContents",
    "JournalExtent",
    "JournalReader",
    "JournalRecord",
    "JournalWriter",
    "RecordType",
    "RunHeader",
    "TornTail",
    "find_torn_tail",
    "read_journal",
]
