"""Headers, commands and files for the journal's tests."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from engine.core.types import Command, CommandKind
from engine.journal import Checkpoint, JournalWriter, RunHeader

HEADER = RunHeader(
    engine_version="0.1.0",
    source_hash="0123456789abcdef",
    scenario_name="tiny",
    scenario_toml='name = "tiny"\n',
    seed=7,
)
FINAL = Checkpoint(time_ns=1 << 62, event_count=3, event_digest=(1 << 64) - 1, book_digest=1 << 63)

_U8 = st.integers(0, 255)
_U16 = st.integers(0, 65_535)
_U64 = st.integers(0, (1 << 64) - 1)
_I64 = st.integers(-(1 << 63), (1 << 63) - 1)
_INPUT_KINDS = st.sampled_from([kind for kind in CommandKind if kind < 128])

_commands = st.builds(
    Command,
    kind=_INPUT_KINDS,
    time_ns=st.integers(0, 1 << 40),
    account=_U16,
    side=_U8,
    time_in_force=_U8,
    storm=_U8,
    flags=_U16,
    order_id=_U64,
    price_ticks=_I64,
    qty_lots=_I64,
    a=_I64,
    b=_I64,
)
_checkpoints = st.builds(
    Checkpoint,
    time_ns=st.integers(0, 1 << 40),
    event_count=st.integers(0, 1 << 50),
    event_digest=_U64,
    book_digest=_U64,
    told_digest=_U64,
)
entries = st.lists(st.one_of(_commands, _checkpoints), max_size=30).map(lambda items: in_order(items))
"""Inputs with gap-free sequences and checkpoints between them, in order of time."""


def in_order(items: list[Command | Checkpoint]) -> list[Command | Checkpoint]:
    """The items sorted by time, the commands among them numbered from 1."""
    ordered: list[Command | Checkpoint] = []
    sequence = 0
    for item in sorted(items, key=lambda item: item.time_ns):
        if isinstance(item, Command):
            sequence += 1
            item = item._replace(sequence=sequence)
        ordered.append(item)
    return ordered


def sample_commands(count: int) -> list[Command]:
    """`count` inputs, one a millisecond."""
    return [
        Command(
            CommandKind.SUBMIT, time_ns=n * 1_000_000, sequence=n, account=1, price_ticks=100 + n, qty_lots=n
        )
        for n in range(1, count + 1)
    ]


def write_journal(
    path: Path, items: list[Command | Checkpoint], *, finished: bool = True, segment_bytes: int = 1 << 20
) -> None:
    """A journal with these entries."""
    writer = JournalWriter(path, HEADER, fsync="os", segment_bytes=segment_bytes)
    write_entries(writer, items)
    if finished:
        writer.finish(FINAL)
    else:
        writer.commit()
        writer.close()


def write_entries(writer: JournalWriter, items: list[Command | Checkpoint]) -> None:
    """Append them all."""
    for item in items:
        if isinstance(item, Command):
            writer.append(item)
        else:
            writer.checkpoint(item)
