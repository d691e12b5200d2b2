"""Goldens of whole sessions, and the determinism matrix: whatever runs a market, it is the same market.

{compiled, interpreted, checked} x {two hash seeds} x {slices} x {with a silent agent more} -> one digest,
which is the one that the market had before it was compiled.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import xxhash

from engine.arena.machine import load, status
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Account, Command, CommandKind, StormKind
from engine.feeds.source import sample_path
from engine.inputs import storm_command
from engine.scenarios import history_scenario, load_scenario
from engine.session import Session, SessionConfig
from engine.storms import parse_storm, storm_account
from engine.storms.accounts import crowd_account
from tests.paths import PATHS
from tests.traders import Silent, silent_group

pytestmark = pytest.mark.usefixtures("machine_code")


class Golden(NamedTuple):
    """What came of a session before the market was compiled."""

    events: int
    event_digest: int
    book_digest: int
    equities: str
    """XXH3 over the list of everybody's, as text."""


FIVE = (
    "crash@1s:0.8x5s",
    "phantom@1500ms:0.7x5s",
    "cancel@2s:0.6x5s",
    "latarb@6s:0.9x9s",
    "ignition@9s:0.9x8s",
)
STORMS = {("balanced", 60): ("crash@20s:0.8x15s",), ("history", 40): ("crash@5s:0.8x5s", "latarb@12s:0.9x9s")}
"""By (scenario, seconds); FIVE for all others."""
GOLDEN = {
    ("minimal", 42, 3): Golden(1175, 0x8F372B0E94D468D1, 0x9DD1FC8C1DEF6FC0, "c108adbef2c5c2bb"),
    ("balanced", 42, 3): Golden(1641, 0x74DCB271D08EECEF, 0x31CFE8494A1DE3ED, "28599e12153aa744"),
    ("institutional", 42, 3): Golden(1942, 0x7F6C409B99632AB3, 0xC6569CF59B2109E6, "71c9b410031468ed"),
    ("stress_test", 42, 3): Golden(5083, 0x1CB95DBA335EB57C, 0x24338C29CFA42F30, "9f8ca5cd779f56fe"),
    ("minimal", 42, 20): Golden(6931, 0x777DC51CBD4BCA13, 0x9BBBBADEEF8F566A, "fb67f47a1656d385"),
    ("minimal", 7, 20): Golden(7108, 0x9C2D6239BF994723, 0x94591B81003A75DA, "cd24af592c179fc1"),
    ("balanced", 42, 20): Golden(10826, 0x8964AB415E4343DF, 0xA49C738413EDA9ED, "ce1dcb3b395689b8"),
    ("balanced", 7, 20): Golden(11235, 0xAA4FD5CD946AE359, 0xC380CF2B0708CD28, "75347c93efcc32bc"),
    ("institutional", 42, 20): Golden(13875, 0x9277FF5A6FB5E30E, 0xCEA37E00FE146290, "f01e6fb6506a9d4e"),
    ("institutional", 7, 20): Golden(14045, 0x4F7E2AC044A7BA4A, 0x249FA6FB8994CC87, "53dbe4e151bead50"),
    ("stress_test", 42, 20): Golden(39232, 0x4D29B304D086B4A6, 0xFBE52A111E6FABC1, "dd7c042ff887d70e"),
    ("stress_test", 7, 20): Golden(39050, 0xE2D8B7BA671E8DFF, 0x6A94B4F8FA466E64, "bc5bd6bbd4df2d51"),
    ("balanced", 42, 60): Golden(13835, 0x51BBABB2AD0D857D, 0x021583D99E30FDE4, "7906dc26662f94b1"),
    ("history", 42, 40): Golden(14040, 0x333EEBC4FBF33A2F, 0x3B27B27B068E168D, "d3cf8705a1172a20"),
}
"""By (scenario, seed, seconds). They were written by the engine that this one replaced, in pure Python: a
market that gives others behaves differently. Only `history` is newer: since storms measure a book with fine
ticks by its depth near the touch, they are stronger there."""


def golden_config(scenario: str, seed: int, seconds: int) -> SessionConfig:
    if scenario == "history":
        return SessionConfig(history_scenario(), seed=seed, source=str(sample_path()), target_agent=True)
    return SessionConfig(load_scenario(scenario), seed=seed, target_agent=seconds != 60)


def golden_inputs(scenario: str, seconds: int) -> list[tuple[int, Command]]:
    """Storms, and orders, cancels and replaces of desk and bot."""
    accounts = (Account.DESK, Account.TARGET)
    inputs = []
    for number in range(1, 20):
        account, side = accounts[number % 2], number % 2
        price_ticks = 0 if number % 3 else (10_010 if side else 9_990)
        sent = Command(CommandKind.SUBMIT, account=account, side=side, qty_lots=5, price_ticks=price_ticks)
        inputs.append((700_000_000 * number, sent._replace(order_id=number)))
        if number < 12:
            cancel = Command(CommandKind.CANCEL, account=account, order_id=number)
            inputs.append((900_000_000 * number, cancel))
            replace = cancel._replace(kind=CommandKind.REPLACE, price_ticks=9_995, qty_lots=3)
            inputs.append((800_000_000 * number + 5, replace))
    storms = map(parse_storm, STORMS.get((scenario, seconds), FIVE))
    inputs += [(request.start_ns, storm_command(request)) for request in storms]
    inputs.sort(key=lambda timed: timed[0])
    return [timed for timed in inputs if timed[0] <= seconds * NS_PER_S]


def run_golden(config: SessionConfig, scenario: str, seconds: int, slice_ns: int = 1 << 62) -> Session:
    session, end_ns = Session(config), seconds * NS_PER_S
    for time_ns, command in [*golden_inputs(scenario, seconds), (end_ns, None)]:
        while session.now_ns < time_ns:
            session.advance(min(time_ns, session.now_ns + slice_ns))
        if command is not None:
            session.accept(session.stamp(command))
    return session


def first_accounts(session: Session) -> list[int]:
    """Those that the first engine knew: of the storms, the first five."""
    later = {storm_account(kind, session.exchange) for kind in StormKind if kind > StormKind.LATARB}
    return sorted(set(session.accounts) - later - {crowd_account(session.exchange)})


def as_golden(session: Session, accounts: list[int]) -> Golden:
    exchange = session.exchange
    exchange._check()
    mark = exchange.mark_twice_ticks
    equities = [exchange.ledger.equity(account, mark) for account in accounts]
    digest = xxhash.xxh3_64_hexdigest(repr(equities).encode())
    return Golden(session.event_count, session.event_digest, session.book_digest(), digest)


@pytest.mark.parametrize(("scenario", "seed", "seconds"), [key for key in GOLDEN if key[2] == 3])
def test_the_market_is_what_it_always_was_on_every_path(scenario, seed, seconds, kernel_path):
    session = run_golden(golden_config(scenario, seed, seconds), scenario, seconds)
    assert as_golden(session, first_accounts(session)) == GOLDEN[scenario, seed, seconds]


@pytest.mark.skipif(len(PATHS) == 1, reason="STORMDESK_JIT=0: takes minutes")
@pytest.mark.parametrize(("scenario", "seed", "seconds"), [key for key in GOLDEN if key[2] > 3])
def test_the_market_is_what_it_always_was_for_longer(scenario, seed, seconds):
    session = run_golden(golden_config(scenario, seed, seconds), scenario, seconds)
    assert as_golden(session, first_accounts(session)) == GOLDEN[scenario, seed, seconds]


# -- the matrix: paths x hash seeds x slices x a silent agent ------------------------------------------

MATRIX = ("balanced", 42, 3)
SLICES_NS = {"1 ms": NS_PER_MS, "50 ms": 50 * NS_PER_MS, "whole": 1 << 62}
CROWDS = ("nobody more", "one more in Python", "one more built in")
PROCESSES = [(mode, seed) for mode in ("0", "1", "checked") for seed in ("0", "4294967295")]


def run_matrix() -> dict[str, Any]:
    """One process of the matrix: the path that it runs, and what came of each of its sessions."""
    load()
    scenario, _, seconds = MATRIX
    plain = golden_config(*MATRIX)
    crowds = {
        CROWDS[0]: plain,
        CROWDS[1]: plain._replace(agents=(Silent,)),
        CROWDS[2]: plain._replace(scenario=silent_group(plain.scenario)),
    }
    everybody = first_accounts(Session(plain))
    cells = {
        f"{slice_name}, {crowd}": as_golden(run_golden(config, scenario, seconds, slice_ns), everybody)
        for slice_name, slice_ns in SLICES_NS.items()
        for crowd, config in crowds.items()
    }
    return {"path": status().path, "warning": status().warning, "cells": cells}


@pytest.fixture(scope="module")
def matrix() -> dict[tuple[str, str], Any]:
    """What all processes of the matrix say; two at a time."""
    root = Path(__file__).parents[1]
    code = "import json; from tests.test_matrix import run_matrix; print(json.dumps(run_matrix()))"

    def run_process(process: tuple[str, str]) -> Any:
        mode, hash_seed = process
        environment = os.environ | {"STORMDESK_JIT": mode, "PYTHONHASHSEED": hash_seed}
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=root
        )
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(PROCESSES, pool.map(run_process, PROCESSES), strict=True))


@pytest.mark.skipif(len(PATHS) == 1, reason="STORMDESK_JIT=0: nothing is compiled")
@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize("slice_name", SLICES_NS)
@pytest.mark.parametrize(("mode", "hash_seed"), PROCESSES)
def test_every_cell_of_the_matrix_is_the_same(matrix, mode, hash_seed, slice_name, crowd):
    answer = matrix[mode, hash_seed]
    path = {"0": "interpreted", "1": "compiled", "checked": "checked"}[mode]
    assert answer["path"] == path, answer["warning"]
    assert answer["cells"][f"{slice_name}, {crowd}"] == list(GOLDEN[MATRIX])
