"""Events as a Parquet table, written by pyarrow, which only this file needs (extra `parquet`).

Stop on the data path: the way out to disk. Invariant: no more than a row group and one batch of events are in
memory.
"""

from __future__ import annotations

from decimal import Decimal
from typing import IO, Any

import numpy as np
import numpy.typing as npt

import engine
from engine.book.interface import EventArray
from engine.core.errors import UsageError
from engine.core.types import NO_SIDE, EventType, Side
from engine.feeds.sinks import Origin

__all__ = ["ROW_GROUP", "ParquetSink"]

ROW_GROUP = 1 << 18
"""Events of one row group: what is in memory at a time."""

_NEEDS_PYARROW = "Parquet is written by pyarrow, which is not installed: pip install 'stormdesk[parquet]'"


class ParquetSink:
    """A table, one row an event:

    time_ns        int64        time of the source: its session's, or since the exchange's midnight
    instrument_id  uint32
    symbol         dictionary
    event_type     dictionary   ADD, CANCEL, MODIFY, TRADE, SNAPSHOT, PRINT
    side           dictionary   BID, ASK, or null where the source does not say
    price_ticks    int64        exact; 0 where an event has no price
    price          float64      price_ticks x tick_size, rounded once: every reader calculates with it. The
                                exact value is the product with `tick_size` of the metadata
    qty_lots       int64
    order_id       uint64
    printed        bool         an execution that is in the tape and in the volume
    """

    def __init__(self, stream: IO[bytes], origin: Origin) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise UsageError(_NEEDS_PYARROW) from error
        self._pa = pa
        self._origin = origin
        text = pa.dictionary(pa.int32(), pa.string())
        self._schema = pa.schema(
            [
                pa.field("time_ns", pa.int64(), nullable=False),
                pa.field("instrument_id", pa.uint32(), nullable=False),
                pa.field("symbol", text, nullable=False),
                pa.field("event_type", text, nullable=False),
                pa.field("side", text),
                pa.field("price_ticks", pa.int64(), nullable=False),
                pa.field("price", pa.float64(), nullable=False),
                pa.field("qty_lots", pa.int64(), nullable=False),
                pa.field("order_id", pa.uint64(), nullable=False),
                pa.field("printed", pa.bool_(), nullable=False),
            ],
            metadata=_parquet_facts(origin),
        )
        self._writer = pq.ParquetWriter(stream, self._schema, compression="zstd")
        self._waiting: list[tuple[EventArray, npt.NDArray[np.bool_]]] = []
        self._count = 0

    def take(self, events: EventArray, unprinted: npt.NDArray[np.bool_] | None = None) -> None:
        executions = np.isin(events["event_type"], (int(EventType.TRADE), int(EventType.PRINT)))
        printed = executions if unprinted is None else executions & ~unprinted
        self._waiting.append((events, printed))
        self._count += len(events)
        if self._count >= ROW_GROUP:
            self._write()

    def finish(self) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        if not self._waiting:
            return
        events = np.concatenate([events for events, _ in self._waiting])
        printed = np.concatenate([printed for _, printed in self._waiting])
        self._waiting.clear()
        self._count = 0
        pa = self._pa
        numbers, which = np.unique(events["instrument_id"], return_inverse=True)
        symbols = [self._origin.symbol_of(number) for number in numbers.tolist()]
        kinds, kind = np.unique(events["event_type"], return_inverse=True)
        kind_names = [_KIND_NAMES.get(number, f"type {number}") for number in kinds.tolist()]
        side = events["side"].astype(np.int32)
        columns = [
            events["ts"].astype(np.int64),
            events["instrument_id"],
            pa.DictionaryArray.from_arrays(which.astype(np.int32), pa.array(symbols, pa.string())),
            pa.DictionaryArray.from_arrays(kind.astype(np.int32), pa.array(kind_names, pa.string())),
            pa.DictionaryArray.from_arrays(
                pa.array(side, mask=side >= NO_SIDE), pa.array([side.name for side in Side], pa.string())
            ),
            events["price"].astype(np.int64),
            _prices(events["price"], self._origin.instrument.tick_size),
            events["qty"].astype(np.int64),
            events["order_id"],
            printed,
        ]
        arrays = [pa.array(column) if isinstance(column, np.ndarray) else column for column in columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=ROW_GROUP)


_KIND_NAMES = {int(kind): kind.name for kind in EventType}


def _prices(ticks: npt.NDArray[np.uint64], tick_size: Decimal) -> npt.NDArray[np.float64]:
    """ticks x tick_size; one rounding, as the power of ten and products below 2^53 are exact."""
    sign, digits, exponent = tick_size.as_tuple()
    assert sign == 0
    assert isinstance(exponent, int)
    mantissa = ticks * np.uint64(int("".join(map(str, digits))))
    scale = float(10 ** abs(exponent))
    values: Any = mantissa.astype(np.float64)
    return values / scale if exponent < 0 else values * scale  # type: ignore[no-any-return]


def _parquet_facts(origin: Origin) -> dict[str, str]:
    facts = {
        "source": origin.name,
        "source_sha256": origin.sha256,
        "tick_size": f"{origin.instrument.tick_size:f}",
        "lot_size": f"{origin.instrument.lot_size:f}",
        "currency": origin.instrument.currency,
        "time_zero_unix_ns": origin.epoch_ns,
        "engine_version": engine.__version__,
    }
    return {f"stormdesk.{name}": str(value) for name, value in facts.items() if value is not None}
