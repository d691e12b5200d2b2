"""`stormdesk run --headless --lockstep`: the session waits for its client, and twice the same comes out."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desk import cli
from desk.keys import Doors
from desk.launch import Launch, run_headless
from engine.client import Desk, Step
from engine.core.errors import UsageError
from engine.rebuild import rebuild_session
from engine.recording.verify import verify_run

Bot = Callable[[str], object]


def quote(desk: Desk, step: Step) -> None:
    if step.book.is_two_sided:
        desk.cancel_all()
        desk.buy(step.book.best_bid, 5)
        desk.sell(step.book.best_ask, 5)


def quoting(url: str) -> None:
    with Desk(url) as desk:
        for step in desk.steps():
            quote(desk, step)


def leaving(url: str) -> None:
    with Desk(url) as desk:
        for step in desk.steps():
            quote(desk, step)
            if step.step == 3:
                raise ZeroDivisionError


def launch(folder: Path, **more: Any) -> Launch:
    words: dict[str, Any] = {
        "scenario": "minimal", "source": "sim", "seed": 4, "speed": "max", "targets": ["none"], "out": folder,
        "duration": "4s", "lockstep": "100ms", "storms": ["crash@1s:0.8x5s"],
    }  # fmt: skip
    return Launch.of(**words | more)


def run_with(bot: Bot, launch: Launch, *, record: bool = True) -> dict[str, Any]:
    """The headless run, with this bot started as soon as the address is told."""
    threads: list[threading.Thread] = []

    def live(url: str) -> None:
        with contextlib.suppress(ZeroDivisionError):
            bot(url)

    def tell(text: str) -> None:
        url = next(word for word in text.split() if word.startswith("http://"))
        threads.append(threading.Thread(target=live, args=(url,)))
        threads[-1].start()

    outcome = run_headless(launch, record=record, doors=Doors(), tell=tell)
    for thread in threads:
        thread.join(20)
    assert len(threads) == 1
    return outcome


def test_a_client_of_the_library_trades_twice_the_same_and_the_run_verifies(tmp_path: Path) -> None:
    first, second = (run_with(quoting, launch(tmp_path)) for _ in range(2))
    assert first["problems"] == []
    assert first["decisions"] == 39
    assert first["verdict"] != "UNKNOWN"
    same = ("event_digest", "book_digest", "events", "verdict", "reason", "decisions")
    assert [first[name] for name in same] == [second[name] for name in same]
    verification = verify_run(Path(second["path"]), build=rebuild_session)
    assert verification.ok, verification.first_difference


def test_a_client_that_leaves_is_a_problem_of_the_run(tmp_path: Path) -> None:
    outcome = run_with(leaving, launch(tmp_path), record=False)
    assert outcome["session_s"] < 4
    (problem,) = outcome["problems"]
    assert problem.startswith("lockstep: the client")
    assert "step 3" in problem


def test_a_problem_is_exit_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "--headless", "--lockstep", "100ms", "--for", "1s", "--scenario", "minimal"]
    monkeypatch.setattr("sys.argv", ["stormdesk", *words])
    monkeypatch.setattr("desk.launch.LOCKSTEP_PATIENCE_S", 0.05)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--lockstep", "100ms"], "add --headless"),
        (["--headless", "--lockstep", "100ms", "--speed", "2"], "leave --speed out"),
        (["--headless", "--lockstep", "100ms", "--target", "demo"], "leave --target out"),
        (["--headless", "--lockstep", "soon"], "--lockstep: "),
        (["--headless", "--lockstep", "0s"], "longer than nothing"),
        (["--headless", "--lockstep", "0.0001ms"], "too short"),
        (["--headless", "--lockstep", "1s", "--fix-port", "0"], "leave --fix-port"),
        (["--headless", "--no-venue", "--ouch-port", "0"], "leave --no-venue out"),
    ],
)
def test_what_does_not_go_together_is_told(
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["stormdesk", "run", "--for", "1s", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert says in capfd.readouterr().err


def test_what_cannot_be_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="lockstep"):
        launch(Path(), lockstep="-1s")
