"""The kernel's heap: what will happen, by (time_ns, sequence) (stop 2 on the data path).

A four-ary heap in one table: the children of entry i are 4i+1 .. 4i+4. Equal times come out in the order
in which they were scheduled, so the result never depends on how time is sliced.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.arena.layout import Table
from engine.arena.leaves import check
from engine.market.records import HeapEntry, Market

__all__ = ["drop_first", "schedule"]


@routine
def schedule(market: Market, time_ns: int, kind: int, target: int) -> None:
    """Enters something that will happen at time_ns, which may not lie in the past."""
    heap = market.heap
    check(time_ns >= market.now_ns)
    check(market.waiting < len(heap))
    market.sequence += 1
    sequence = market.sequence
    at = market.waiting
    market.waiting = at + 1
    while at > 0:
        parent = (at - 1) >> 2
        # A later sequence never goes before an equal time.
        if heap[parent].time_ns <= time_ns:
            break
        _move(heap, parent, at)
        at = parent
    entry = heap[at]
    entry.time_ns = time_ns
    entry.sequence = sequence
    entry.kind = kind
    entry.target = target


@routine
def drop_first(market: Market) -> None:
    """Takes the earliest entry out."""
    heap = market.heap
    last = market.waiting - 1
    market.waiting = last
    at = 0
    child = 1
    while child < last:
        until = min(child + 4, last)
        earliest = child
        child += 1
        while child < until:
            if _before(heap[child], heap[earliest]):
                earliest = child
            child += 1
        if not _before(heap[earliest], heap[last]):
            break
        _move(heap, earliest, at)
        at = earliest
        child = 4 * at + 1
    _move(heap, last, at)


@inlined
def _before(a: HeapEntry, b: HeapEntry) -> bool:
    return a.time_ns < b.time_ns or (a.time_ns == b.time_ns and a.sequence < b.sequence)


@inlined
def _move(heap: Table[HeapEntry], source: int, to: int) -> None:
    heap[to].time_ns = heap[source].time_ns
    heap[to].sequence = heap[source].sequence
    heap[to].kind = heap[source].kind
    heap[to].target = heap[source].target
