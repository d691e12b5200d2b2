"""Opens what the command line asks for: the desk, a headless run, a replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

from desk.keys import Doors, announced, venue_options
from engine.arena import machine
from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.durations import parse_duration_ns
from engine.core.errors import UsageError
from engine.host.live import LiveOptions, SessionHost
from engine.host.paced import check_speed
from engine.host.service import LiveService, surroundings
from engine.journal.writer import FsyncPolicy
from engine.recording.run_directory import resolve_run, runs_root
from engine.scenarios.loader import history_scenario, load_scenario
from engine.session import SessionConfig
from engine.storms.request import StormRequest, parse_storm
from engine.storms.script import load_script

if TYPE_CHECKING:
    from engine.host.lockstep import LockstepHost

__all__ = ["Launch", "open_desk", "open_replay", "run_headless"]

TARGET_PATIENCE_S = 10.0
"""How long a headless run waits for its target's first answer."""
LOCKSTEP_PATIENCE_S = 60.0
"""How long a lockstep client may take to come, and to think."""


class Launch(NamedTuple):
    """What the command line said, checked."""

    config: SessionConfig
    speed: float | None
    target: str
    """What the verdict is about."""
    more_targets: tuple[str, ...]
    runs_root: Path
    storms: tuple[StormRequest, ...]
    """In the order of the command line, then those of the script."""
    until_ns: int | None
    fsync: FsyncPolicy = "group"
    publish: str | None = None
    publish_anywhere: bool = False
    lockstep_ns: int | None = None
    """Session time between the decisions of a client that moves the session; None: time moves by itself."""
    storm_script: str | None = None
    """Text of the script that some of the storms come from."""

    @classmethod
    def of(
        cls,
        *,
        scenario: str | None,
        source: str,
        symbol: str | None = None,
        seed: int,
        speed: str,
        targets: Sequence[str],
        out: Path | None,
        storms: Sequence[str] = (),
        storm_script: Path | None = None,
        duration: str | None = None,
        publish: str | None = None,
        publish_anywhere: bool = False,
        lockstep: str | None = None,
        fsync: FsyncPolicy = "group",
    ) -> Launch:
        """Raises UsageError that says what is wrong."""
        from engine.target.spec import parse_targets

        first, *others = parse_targets(targets)
        script = None if storm_script is None else load_script(storm_script)
        if publish is not None:
            from engine.host.publication import check_destination

            check_destination(publish)
        return cls(
            config=SessionConfig(
                scenario=_scenario(scenario, source),
                seed=seed,
                source=_source(source),
                symbol=_symbol(symbol, source),
                target_agent="agent" in targets,
            ),
            speed=_speed(speed),
            target=first.text,
            more_targets=tuple(spec.text for spec in others),
            runs_root=runs_root(out),
            storms=(
                *(parse_storm(text) for text in storms),
                *(() if script is None else script.storms),
            ),
            storm_script=None if script is None else script.text,
            until_ns=None if duration is None else _duration("--for", duration),
            fsync=fsync,
            publish=publish,
            publish_anywhere=publish_anywhere,
            lockstep_ns=None if lockstep is None else _duration("--lockstep", lockstep),
        )

    def options(self, *, record: bool, doors: Doors) -> LiveOptions:
        """For the host."""
        return LiveOptions(
            runs_root=self.runs_root,
            speed=self.speed,
            target=self.target if self.lockstep_ns is None else "agent",
            more_targets=self.more_targets,
            storms=self.storms,
            storm_script=self.storm_script,
            record=record,
            until_ns=self.until_ns,
            fsync=self.fsync,
            publish=self.publish,
            publish_anywhere=self.publish_anywhere,
            keep_itch=doors.itch is not None,
        )


def open_desk(launch: Launch, *, record: bool, doors: Doors) -> int:
    """The desk on this terminal, until its user leaves. Returns the exit code."""
    from desk.app import run_desk
    from desk.config import load_config
    from desk.recent import recent_path
    from desk.scripts import scripts_path
    from desk.sessions import Sessions

    config = load_config()
    drawn = Event()
    machine.start(compile_after=drawn)
    venue = venue_options(doors)
    host = SessionHost(launch.config, launch.options(record=record, doors=doors))
    with (
        LiveService(host, launch.target, api_port=doors.port, after=drawn, venue=venue) as service,
        announced(service.api.address, doors),
    ):
        host.run_thread()
        return run_desk(
            host,
            fps=config.fps,
            theme=config.theme,
            coach=config.coach,
            keys=config.keys,
            on_ready=drawn.set,
            sessions=Sessions(service),
            data_dir=config.data,
            recent_file=recent_path(),
            scripts_dir=scripts_path(config.scripts),
        )


def open_replay(run: str, *, out: Path | None, source: str | None) -> int:
    """A recorded run on the desk."""
    from desk.app import run_desk
    from desk.config import load_config
    from engine.host.replay import ReplayHost

    config = load_config()
    drawn = Event()
    machine.start(compile_after=drawn)
    host = ReplayHost(resolve_run(run, runs_root(out)).path, source_override=source)
    host.run_thread()
    return run_desk(
        host,
        fps=config.fps,
        theme=config.theme,
        coach=False,
        keys=config.keys,
        on_ready=drawn.set,
    )


def run_headless(
    launch: Launch,
    *,
    record: bool,
    doors: Doors,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Run to the end without a screen; what came out, by name, with what went wrong under "problems".
    `tell` hears what the user has to know meanwhile."""
    if launch.until_ns is None and launch.config.source is None:
        raise UsageError("a headless run needs its length: --for 60s")
    machine.start()
    if launch.lockstep_ns is not None:
        doors = _lockstep_doors(doors)
    venue = venue_options(doors)
    host = _headless_host(launch, launch.options(record=record, doors=doors))
    with (
        surroundings(host, launch.target, api_port=doors.port, venue=venue) as api,
        announced(api.address, doors),
    ):
        if launch.lockstep_ns is not None:
            tell(f"waiting for a lockstep client at {api.address} (engine.client.Desk finds it by itself)")
        else:
            host.await_target(TARGET_PATIENCE_S)
        started = monotonic_ns()
        host.run_to_end(progress=progress)
        wall_s = (monotonic_ns() - started) / NS_PER_S
    return _outcome(host, wall_s)


def _headless_host(launch: Launch, options: LiveOptions) -> SessionHost:
    if launch.lockstep_ns is None:
        return SessionHost(launch.config, options)
    from engine.host.lockstep import LockstepHost

    return LockstepHost(
        launch.config, options, interval_ns=launch.lockstep_ns, patience_s=LOCKSTEP_PATIENCE_S
    )


def _lockstep_doors(doors: Doors) -> Doors:
    """Only the client's answers come in: the venue's own clock and queues have no place in such a run."""
    if doors.has_wires:
        raise UsageError("--lockstep: only the lockstep client trades; leave --fix-port and its like out")
    return doors._replace(venue=False)


def _outcome(host: SessionHost, wall_s: float) -> dict[str, Any]:
    session, recorder, verdict = host.session, host.recorder, host.verdict
    outcome: dict[str, Any] = {
        "run": None if recorder is None else recorder.run_id,
        "path": None if recorder is None else recorder.path,
        "report": None if recorder is None else recorder.report_path,
        "session_s": session.now_ns / NS_PER_S,
        "event_digest": f"{session.event_digest:#018x}",
        "book_digest": f"{session.book_digest():#018x}",
        "events": session.event_count,
        "events_per_s": round(session.event_count / wall_s) if wall_s else None,
        "core": machine.status().path,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
    }
    if session.history is not None and session.source is not None:
        player = session.history
        outcome |= {
            "gaps": player.gaps,
            "dropped": session.source.dropped_count,
            "divergence_lots": player.divergence_lots,
            "divergence_count": player.divergence_count,
        }
    lockstep = _as_lockstep(host)
    if lockstep is not None:
        outcome |= {"decisions": lockstep.meeting.steps}
    if host.publication is not None:
        outcome |= {"published": host.publication.statistics()["messages"]}
    return outcome | {"problems": _problems(host)}


def _as_lockstep(host: SessionHost) -> LockstepHost | None:
    from engine.host.lockstep import LockstepHost

    return host if isinstance(host, LockstepHost) else None


def _problems(host: SessionHost) -> list[str]:
    """What makes the run less than what was asked for: it went to its end all the same."""
    problems = []
    lockstep = _as_lockstep(host)
    if lockstep is not None and lockstep.broken is not None:
        problems.append(lockstep.broken)
    if host.recorder is not None and host.recorder.error is not None:
        problems.append(f"the run could not be recorded: {host.recorder.error}")
    if host.feed_error is not None:
        problems.append(host.feed_error)
    if host.publication is not None and host.publication.error is not None:
        problems.append(f"not all was published: {host.publication.error}")
    if host.session.history is not None and host.session.history.halted is not None:
        problems.append(f"HISTORY halted: {host.session.history.halted}")
    return problems


def _scenario(name: str | None, source: str) -> Any:
    if source != "sim":
        if name is not None:
            raise UsageError("a recorded source brings its own market: leave --scenario out")
        return history_scenario()
    return load_scenario(name or "balanced")


def _source(text: str) -> str | None:
    if text == "sim":
        return None
    if text == "sample":
        from engine.feeds.source import sample_path

        return str(sample_path())
    if not Path(text).is_file():
        raise UsageError(f"no data file {text!r}: name one, or use sim or sample")
    return str(Path(text).absolute())  # a run finds it again from any folder


def _symbol(symbol: str | None, source: str) -> str | None:
    if symbol is not None and source == "sim":
        raise UsageError("--symbol chooses an instrument of --source, and there is none")
    return symbol


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError as error:
        raise UsageError(f"speed {text!r} is not a number: use 0.1 to 1000, or max") from error
    check_speed(speed)
    return speed


def _duration(option: str, text: str) -> int:
    try:
        ns = parse_duration_ns(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    if ns <= 0:
        raise UsageError(f"{option}: it must be longer than nothing")
    return ns
