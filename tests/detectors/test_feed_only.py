"""Detectors see the public feed, and nothing else: by what they import, by their types, and by experiment."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

import engine.detectors
from engine.arena.functions import KERNELS
from engine.arena.layout import Record
from engine.book.kernels import Book
from engine.core.types import StormKind
from engine.detectors import AlarmKind
from engine.detectors.watch import Detectors
from tests.detectors.markets import kinds, record, watched

ROOM = Path(engine.detectors.__file__).parent
MAY_IMPORT = {"arena", "book", "core", "detectors"}


def test_the_room_imports_nothing_that_knows_who_trades():
    rooms = set()
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("engine."):
                rooms.add((node.module or "").split(".")[1])
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("engine") for alias in node.names), path
    assert rooms <= MAY_IMPORT


def records_reached(record: type[Record], seen: set[type[Record]]) -> set[type[Record]]:
    """All record types to which fields lead."""
    if record not in seen:
        seen.add(record)
        for field in record.fields.values():
            if field.record is not None:
                records_reached(field.record, seen)
    return seen


def test_no_record_of_a_detector_leads_to_an_account():
    reached = records_reached(Detectors, set())
    assert len(reached) > 15
    assert {record.__module__.rpartition(".")[0] for record in reached} == {"engine.detectors"}
    names = {name for record in reached for name in record.fields}
    assert not any("account" in name or "agent" in name or "owner" in name for name in names)


def test_kernels_of_the_room_take_only_its_records_the_public_book_events_and_numbers():
    known = {record.__name__ for record in records_reached(Detectors, set())}
    known |= {"int", "float", "bool", "Book", "Event", "Table[Event]"}
    ours = [kernel for kernel in KERNELS if kernel.__module__.startswith("engine.detectors")]
    assert len(ours) > 40
    for kernel in ours:
        taken = {kind for name, kind in kernel.__annotations__.items() if name != "return"}
        assert taken <= known, kernel.__qualname__


def test_what_the_public_book_holds_names_nobody():
    names = {name for record in records_reached(Book, set()) for name in record.fields}
    assert not any("account" in name or "agent" in name or "owner" in name for name in names)


def test_shuffling_who_is_behind_an_account_changes_no_alarm():
    plain = record(3, StormKind.PHANTOM)
    shuffled = record(3, StormKind.PHANTOM, shuffled=True)
    names = [info.name for info in plain.session.accounts.values()]
    assert names != [info.name for info in shuffled.session.accounts.values()]
    assert shuffled.alarms == plain.alarms
    assert AlarmKind.PHANTOM_LIQUIDITY in kinds(plain.alarms)


def test_alarms_follow_from_the_forty_byte_events_alone():
    market = record(4, StormKind.IGNITION)
    assert not any("account" in name or "agent" in name for name in market.events.dtype.names)
    assert watched(market.events) == market.alarms
    assert AlarmKind.MOMENTUM_IGNITION in kinds(market.alarms)


def test_order_ids_are_names_and_say_nothing_by_their_size():
    market = record(4, StormKind.IGNITION)
    events = market.events.copy()
    events["order_id"] += np.uint64(1_000_003)
    nameless = [alarm._replace(order_id=0) for alarm in market.alarms]
    assert [alarm._replace(order_id=0) for alarm in watched(events)] == nameless
