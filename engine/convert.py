"""Any recorded market into another form: events, ITCH, Parquet (`stormdesk convert`).

Stop on the data path: beside it. Feeds of single orders are converted as they are (engine/feeds/convert.py);
captures of levels and recorded runs have no single public event of their own, so a session plays them, and
its public events are what is written. Invariant: a run's events are those that were recorded, or nothing is
written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from engine.book.interface import EventArray
from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import DataError, UsageError
from engine.core.types import Instrument
from engine.feeds.convert import FeedCounts, convert_events, convert_itch, copy_itch
from engine.feeds.files import STDIN, file_sha256
from engine.feeds.formats import FileFormat, detect_format
from engine.feeds.itch.feed import LIVE_SCHEMES, ItchFeed, open_itch_feed, open_live_feed
from engine.feeds.sinks import Origin, Sink, Target, open_sink, open_whole, target_of
from engine.feeds.source import open_source
from engine.journal.reader import read_journal
from engine.rebuild import rebuild_session
from engine.recording.recompute import replay_inputs, take_checkpoint
from engine.recording.run_directory import resolve_run
from engine.scenarios.loader import history_scenario
from engine.session import Session, SessionConfig

__all__ = ["Conversion", "Progress", "convert"]

SLICE_NS = NS_PER_S
"""Session time between two reports of progress."""

Progress = Callable[[int, int], object]
"""progress(done, total): bytes of a file or ns of a session; a total of 0 is not known."""


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What was converted."""

    source: str
    source_format: str
    out: str
    target: str
    symbol: str | None
    """None: all there are."""
    read: int
    """Messages or events of the source."""
    written: int
    """Messages (ITCH from ITCH) or events."""
    damaged: int
    cut_off_bytes: int
    unknown_orders: int
    book_digest: str | None
    """Of the book at the end, in ticks, where a session was played."""
    out_bytes: int
    out_sha256: str
    seconds: float
    problem: str | None
    """Why there is less than the source promised; what there is has been written."""


def convert(
    source: str,
    out: Path,
    *,
    to: str | None = None,
    symbol: str | None = None,
    duration_ns: int | None = None,
    force: bool = False,
    allow_remote: bool = False,
    runs_root: Path = Path("runs"),
    source_override: str | None = None,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Conversion:
    """Convert `source` (a file, `-` for ITCH on standard input, a run's directory or id, a mold:// or soup://
    address) into the file `out`.

    `symbol` chooses one instrument; `duration_ns` is time of the source, and of a live one the time that
    passes; `stopped` ends a live one. Raises UsageError for what cannot be converted so, DataError when the
    source is not what its format promises.
    """
    started_ns = monotonic_ns()
    target = target_of(out, to)
    job = _Job(source, target, symbol, duration_ns, progress or (lambda done, total: None))
    if (
        not source.startswith(LIVE_SCHEMES)
        and out.exists()
        and Path(source).exists()
        and out.samefile(source)
    ):
        raise UsageError(f"{out}: cannot be converted into itself")
    with open_whole(out, force=force) as stream:
        job.stream = stream
        if source.startswith(LIVE_SCHEMES):
            live = open_live_feed(source, duration_ns=duration_ns, allow_remote=allow_remote, stopped=stopped)
            job.source_format = "live ITCH 5.0"
            with live as feed:
                counts = job.take_feed(feed, duration_ns=None)
        elif source == str(STDIN):
            job.source_format = FileFormat.ITCH
            with open_itch_feed(STDIN) as feed:
                counts = job.take_feed(feed, duration_ns=duration_ns)
        elif Path(source).is_file():
            counts = job.take_file(Path(source))
        else:
            counts = job.take_run(runs_root, source_override)
    return Conversion(
        source=source,
        source_format=str(job.source_format),
        out=str(out),
        target=str(target),
        symbol=job.symbol,
        read=counts.messages,
        written=counts.written,
        damaged=counts.damaged,
        cut_off_bytes=counts.cut_off_bytes,
        unknown_orders=counts.unknown_orders,
        book_digest=job.book_digest,
        out_bytes=out.stat().st_size,
        out_sha256=file_sha256(out),
        seconds=(monotonic_ns() - started_ns) / NS_PER_S,
        problem=counts.problem,
    )


class _Job:
    """One conversion."""

    stream: IO[bytes]

    def __init__(
        self, source: str, target: Target, symbol: str | None, duration_ns: int | None, progress: Progress
    ) -> None:
        self.source = source
        self.target = target
        self.symbol = symbol
        self.source_format = ""
        self.book_digest: str | None = None
        self._duration_ns = duration_ns
        self._progress = progress

    def take_file(self, path: Path) -> FeedCounts:
        """A data file of any known format."""
        self.source_format = detect_format(path)
        size = path.stat().st_size

        def report(done: int) -> None:
            self._progress(done, size)

        match self.source_format:
            case FileFormat.ITCH | FileFormat.CAPTURE:
                with open_itch_feed(path, report=report) as feed:
                    return self.take_feed(feed, duration_ns=self._duration_ns)
            case FileFormat.EVENTS:
                return convert_events(
                    path, self._sink, symbol=self.symbol, duration_ns=self._duration_ns, report=report
                )
            case FileFormat.VENUE:
                return self._take_capture(path)
        raise DataError(f"{path}: of no known format; `stormdesk inspect` says what was found")

    def take_feed(self, feed: ItchFeed, *, duration_ns: int | None) -> FeedCounts:
        """ITCH messages."""
        if self.target is Target.ITCH:
            return copy_itch(feed, self.stream, symbol=self.symbol, duration_ns=duration_ns)
        return convert_itch(feed, self._sink, symbol=self.symbol, duration_ns=duration_ns)

    def take_run(self, root: Path, source_override: str | None) -> FeedCounts:
        """A recorded run, computed again up to its last checkpoint."""
        try:
            run = resolve_run(self.source, root)
        except UsageError as error:
            raise UsageError(f"{self.source}: no such file, and no such run in {root}") from error
        if self.symbol is not None or self._duration_ns is not None:
            raise UsageError("a run is converted as it is: leave --symbol and --for out")
        self.source_format = "recorded run"
        journal = read_journal(run.journal_path)
        if not journal.checkpoints:
            raise DataError(f"{run.path}: the recording ended before its first checkpoint: it has no events")
        inputs, last = journal.checkpoints[-1]
        session = rebuild_session(journal.header, source_override)
        events = _Events(session, self._sink, name=run.run_id, sha256=None)
        replay_inputs(session, journal.commands[:inputs], last.time_ns)
        counts = events.finish()
        if take_checkpoint(session) != last:
            raise DataError(
                f"{run.path}: computed again it is another market than the recorded one; "
                f"`stormdesk verify {run.run_id}` says where they part"
            )
        self._settle(session)
        return counts

    def _take_capture(self, path: Path) -> FeedCounts:
        """What a venue sent, as HISTORY's orders alone in a market."""
        source = open_source(path, symbol=self.symbol)
        config = SessionConfig(
            history_scenario(), source=str(path), symbol=source.instrument.symbol, analytics=False
        )
        session = Session(config, source=source)
        events = _Events(
            session, self._sink, name=source.name, sha256=source.sha256, epoch_ns=source.epoch_ns
        )
        until_ns = source.duration_ns
        if self._duration_ns is not None:
            until_ns = min(until_ns, self._duration_ns)
        for reached_ns in range(0, until_ns, SLICE_NS):
            session.advance(reached_ns)
            self._progress(reached_ns, until_ns)
        session.advance(until_ns)
        counts = events.finish()
        self._settle(session)
        history = session.history
        return counts._replace(problem=None if history is None else history.halted)

    def _sink(self, origin: Origin) -> Sink:
        return open_sink(self.target, self.stream, origin)

    def _settle(self, session: Session) -> None:
        self.symbol = session.exchange.instrument.symbol
        self.book_digest = f"{session.book_digest():#018x}"


class _Events:
    """The public events of a session from now on, into a sink."""

    def __init__(
        self,
        session: Session,
        sink_for: Callable[[Origin], Sink],
        *,
        name: str,
        sha256: str | None,
        epoch_ns: int | None = None,
    ) -> None:
        instrument: Instrument = session.exchange.instrument
        names = {instrument.instrument_id: instrument.symbol}
        self._exchange = session.exchange
        self._sink = sink_for(Origin(name, sha256, instrument, names, epoch_ns=epoch_ns))
        self._written = 0
        session.exchange.watch_events(self._take)

    def finish(self) -> FeedCounts:
        """The last events, and the end."""
        self._exchange.hand_over_events()
        self._exchange.watch_events(None)
        self._sink.finish()
        return FeedCounts(self._written, self._written)

    def _take(self, events: EventArray) -> None:
        self._written += len(events)
        self._sink.take(events)
