"""A BinaryFILE read as a stream: any length in bounded memory, from files, pipes and packet captures alike.

Stop on the data path: between the disk's edge (files.py) and the decoder. Invariant: every byte is decoded
once, in order; a frame that the stream's end cuts off is counted, never read past.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.feeds.itch.decoder import Decoded, ItchDecoder, Noted

__all__ = ["BUFFER_BYTES", "ItchPart", "ItchStream"]

BUFFER_BYTES = 1 << 22
"""Of the stream that is in memory at a time; longer than any frame (64 KiB)."""


class ItchPart(NamedTuple):
    """What one call of the decoder gave. Its rows and notes are valid until the next part."""

    decoded: Decoded
    octets: npt.NDArray[np.uint8]
    offset: int
    """Of octets[0] in the stream."""


class ItchStream:
    """The parts of a stream, in order: iterate once, then look at the counts.

    Input    iterate, notes
    Counts   decoder (by type, by stock), damage, cut_off_bytes, bytes_read
    """

    def __init__(self, stream: BinaryIO, *, by_stock: bool = False) -> None:
        """`by_stock`: count the messages of each stock, for `decoder.stocks`."""
        self.decoder = ItchDecoder()
        self.first_damage: int | None = None
        """Offset of the first frame that was not understood."""
        self.cut_off_bytes = 0
        """Of an unfinished frame at the end."""
        self.bytes_read = 0
        self._stream = stream
        self._by_stock = by_stock

    def __iter__(self) -> Iterator[ItchPart]:
        octets = np.empty(BUFFER_BYTES, np.uint8)
        view = octets.data
        offset = start = stop = 0
        while True:
            got = self._stream.readinto(view[stop:]) or 0  # type: ignore[attr-defined]
            stop += got
            self.bytes_read += got
            while True:
                part = self.decoder.decode(octets, start, stop)
                if part.first_damage is not None and self.first_damage is None:
                    self.first_damage = offset + part.first_damage
                if part.end == start:
                    break
                if self._by_stock:
                    self.decoder.count_stocks(octets, start, part.end)
                yield ItchPart(part, octets, offset)
                start = part.end
            if not got:
                self.cut_off_bytes = stop - start
                return
            view[: stop - start] = bytes(view[start:stop])
            offset += start
            start, stop = 0, stop - start

    def notes(self, part: ItchPart, letters: str | None = None) -> Iterator[Noted]:
        """The messages of the latest part that are not rows: all, or of these types."""
        return self.decoder.notes(part.octets, letters)
