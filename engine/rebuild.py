"""Between a session and its run header: what a recording writes down, and building the session again.

`header_for` and `rebuild_session` are inverse: a rebuilt session, given the same inputs, goes through the
same states. Used by the host when recording begins, by replay and by verify.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

import engine
from engine.core.errors import UsageError
from engine.core.identity import engine_source_hash, file_sha256
from engine.journal.records import RunHeader
from engine.scenarios.loader import Thresholds, parse_scenario
from engine.session import Session, SessionConfig

__all__ = ["STORM_SCRIPT", "header_for", "rebuild_session"]

SAMPLES = Path(__file__).parent / "feeds" / "samples"
"""Data files that come with the package; found by name when the recorded path is gone."""
SYMBOL = "symbol"
"""The option that names the source's instrument; None where it was the source's first choice."""
STORM_SCRIPT = "storm_script"
"""Key in the header's options: the text of the script that storms were started by. What it started is in the
journal; nothing is computed from the text."""
TARGET_AGENT = "target_agent"
"""Key in the header's options: whether the demo bot's strategy runs inside the session."""


def header_for(
    config: SessionConfig,
    *,
    target: str,
    targets: list[str] | None = None,
    record_from_ns: int,
    thresholds: Thresholds | None = None,
    source_sha256: str | None = None,
    options: dict[str, Any] | None = None,
) -> RunHeader:
    """The header of a run recorded from a session of this config.

    `source_sha256` saves reading a large source again (file_sha256 of it, e.g. taken when it was opened).
    Raises UsageError when the source file cannot be read.
    """
    if config.agents:
        raise UsageError("a session with Python agents of its own cannot be recorded: a run holds no code")
    scenario = config.scenario
    source = None if config.source is None else Path(config.source)
    if source is not None and source_sha256 is None:
        source_sha256 = _sha256(source)
    return RunHeader(
        engine_version=engine.__version__,
        source_hash=engine_source_hash(),
        scenario_name=scenario.name,
        scenario_toml=scenario.toml,
        seed=config.seed,
        source="sim" if source is None else source.name,
        source_path=config.source,
        source_sha256=source_sha256,
        target=target,
        targets=targets or [target],
        options={**(options or {}), TARGET_AGENT: config.target_agent, SYMBOL: config.symbol},
        record_from_ns=record_from_ns,
        thresholds=msgspec.to_builtins(thresholds or scenario.thresholds),
    )


def rebuild_session(header: RunHeader, source_override: str | None = None) -> Session:
    """A session at time 0 that, with the run's inputs, becomes the recorded one.

    Raises UsageError when the source file is missing or not the recorded one, ScenarioError when this
    engine does not understand the recorded scenario.
    """
    config = SessionConfig(
        scenario=parse_scenario(header.scenario_toml, where=f"scenario of run {header.run_id}"),
        seed=header.seed,
        source=None if header.source_sha256 is None else str(_find_source(header, source_override)),
        symbol=header.options.get(SYMBOL),
        target_agent=header.options.get(TARGET_AGENT) is True,
    )
    return Session(config)


def _find_source(header: RunHeader, override: str | None) -> Path:
    if override is not None:
        candidates = [Path(override)]
    else:
        candidates = [Path(header.source_path or header.source), SAMPLES / header.source]
    found = [path for path in candidates if path.is_file()]
    for path in found:
        if _sha256(path) == header.source_sha256:
            return path
    if found:
        raise UsageError(
            f"{found[0]}: not the source of run {header.run_id}, whose SHA-256 is {header.source_sha256}; "
            "name the right file with --source"
        )
    raise UsageError(f"{candidates[0]}: the run's source is not there; name the file with --source")


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
