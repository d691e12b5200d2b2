"""Events and commands as bytes."""

from __future__ import annotations

import struct
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import (
    COMMAND_BYTES,
    EVENT_BYTES,
    EVENT_DTYPE,
    Command,
    CommandKind,
    EventType,
    Instrument,
    StormKind,
    pack_event,
)

U8, U16 = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
U32, U64 = st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)
I64 = st.integers(-(1 << 63), (1 << 63) - 1)
COMMANDS = st.builds(
    Command,
    kind=st.sampled_from(CommandKind),
    time_ns=I64,
    sequence=U64,
    account=U16,
    side=U8,
    time_in_force=U8,
    storm=U8,
    flags=U16,
    order_id=U64,
    price_ticks=I64,
    qty_lots=I64,
    a=I64,
    b=I64,
)


@given(COMMANDS)
def test_a_command_comes_back_from_its_bytes(command):
    data = command.pack()
    assert len(data) == COMMAND_BYTES == 64
    assert Command.unpack(data) == command


@given(COMMANDS, COMMANDS)
def test_different_commands_have_different_bytes(one, other):
    assert (one.pack() == other.pack()) == (one == other)


def test_every_unknown_kind_of_command_is_refused():
    data = bytearray(Command(kind=CommandKind.SUBMIT).pack())
    for kind in set(range(256)) - set(CommandKind):
        data[16] = kind
        with pytest.raises(ValueError, match=str(kind)):
            Command.unpack(bytes(data))


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_command_of_another_length_is_refused(length):
    with pytest.raises(ValueError, match="64 bytes"):
        Command.unpack(bytes(length))


@given(U64, U64, U64, U64, U32, U8, U8)
def test_an_event_has_its_fields_at_the_offsets_of_the_contract(ts, price, qty, order_id, inst, kind, side):
    data = pack_event(ts, price, qty, order_id, inst, kind, side)
    assert len(data) == EVENT_BYTES == EVENT_DTYPE.itemsize == 40
    assert struct.unpack_from("<QQQQ", data, 0) == (ts, price, qty, order_id)
    assert struct.unpack_from("<I", data, 32) == (inst,)
    assert (data[36], data[37], data[38:]) == (kind, side, b"\0\0")
    assert np.frombuffer(data, EVENT_DTYPE)[0].item() == (ts, price, qty, order_id, inst, kind, side)


def test_numbers_of_the_contract_do_not_move():
    assert {kind.name: kind.value for kind in EventType} == {
        "ADD": 1, "CANCEL": 2, "MODIFY": 3, "TRADE": 4, "SNAPSHOT": 5, "PRINT": 16
    }  # fmt: skip
    assert {kind.name: kind.value for kind in CommandKind} == {
        "SUBMIT": 1, "CANCEL": 2, "CANCEL_ALL": 3, "REPLACE": 4, "STORM_START": 5, "STORM_STOP": 6,
        "TARGET_SAMPLE": 7, "RECORD_START": 8, "RECORD_STOP": 9, "TEXT": 10, "BROKER": 11,
        "GATE": 12, "CHECKPOINT": 128,
    }  # fmt: skip
    assert [kind.name for kind in sorted(StormKind)] == [
        "PHANTOM", "CANCEL", "IGNITION", "CRASH", "LATARB", "STUFFING", "SPOOFING", "DRAIN", "STOPRUN",
        "FATFINGER", "ICEBERG", "NEWS", "BLEED", "CHURN", "BURST", "REPRICE", "BLOCK", "SLICES", "REFILL",
    ]  # fmt: skip
    assert [int(kind) for kind in sorted(StormKind)] == list(range(1, 20))


@pytest.mark.parametrize(
    ("tick", "lot", "price_decimals", "lot_decimals"),
    [("0.01", "1", 2, 0), ("0.10", "0.00100", 1, 3), ("5", "10", 0, 0), ("1E-8", "1E+2", 8, 0)],
)
def test_an_instrument_shows_the_decimals_it_needs(tick, lot, price_decimals, lot_decimals):
    instrument = Instrument("X", Decimal(tick), Decimal(lot), "USD", 1)
    assert (instrument.price_decimals, instrument.lot_decimals) == (price_decimals, lot_decimals)
    assert instrument.tick_lot_value == float(Decimal(tick) * Decimal(lot))
