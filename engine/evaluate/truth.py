"""Which storm each detector is for: the labels of the evaluation.

    finds   storms in which the detector has to raise an alarm
    kin     storms that do, among other things, what the detector looks for; an alarm in them is neither right
            nor wrong (a cancellation storm stuffs the feed, a crash holds the price down with a phantom wall)

An alarm anywhere else is false: in calm, in another storm, in a decoy.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.core.types import StormKind
from engine.detectors import AlarmKind

__all__ = ["TRUTH", "Truth"]

_PUSHES = (
    StormKind.IGNITION,
    StormKind.CRASH,
    StormKind.STOPRUN,
    StormKind.FATFINGER,
    StormKind.DRAIN,
)
"""All move the price with orders of their own."""


class Truth(NamedTuple):
    """The labels of one detector."""

    finds: tuple[StormKind, ...]
    kin: tuple[StormKind, ...] = ()


TRUTH: dict[AlarmKind, Truth] = {
    AlarmKind.QUOTE_STUFFING: Truth((StormKind.STUFFING,), (StormKind.CANCEL,)),
    AlarmKind.LIQUIDITY_SHOCK: Truth((StormKind.DRAIN,), (*_PUSHES, StormKind.NEWS, StormKind.REPRICE)),
    AlarmKind.SPOOFING: Truth((StormKind.SPOOFING,), (StormKind.PHANTOM, StormKind.CRASH)),
    AlarmKind.PHANTOM_LIQUIDITY: Truth((StormKind.PHANTOM,), (StormKind.SPOOFING, StormKind.CRASH)),
    AlarmKind.CANCELLATION_STORM: Truth((StormKind.CANCEL,), (StormKind.STUFFING,)),
    AlarmKind.MOMENTUM_IGNITION: Truth((StormKind.IGNITION,), _PUSHES),
    AlarmKind.FLASH_CRASH_WARNING: Truth((StormKind.CRASH,), _PUSHES),
    AlarmKind.LATENCY_ARBITRAGE: Truth((StormKind.LATARB,), (StormKind.NEWS, StormKind.REPRICE)),
    AlarmKind.NATIVE_ICEBERG: Truth((StormKind.ICEBERG,)),
    AlarmKind.SYNTHETIC_ICEBERG: Truth((StormKind.REFILL,)),
    AlarmKind.TWAP_CHILDREN: Truth((StormKind.SLICES,)),
}
"""TWAP children of the scenario's own institutions are right too: see cases.py."""
