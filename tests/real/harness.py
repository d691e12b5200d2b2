"""Real clients against a real headless desk: `tests/real/run.sh [CLIENT ...]`, one table at the end.

For each client: an environment of its own (environments.py), a desk of its own (`stormdesk run --headless`
on a free port of loopback, fresh keys, nothing of the user's), its script (clients/CLIENT.py) in its
environment; afterwards the desk's recording is verified. Exit code 1 when a step fails.

To add a client:
  1. Its packages to ENVIRONMENTS and its script to CLIENTS in environments.py.
  2. clients/NAME.py, named otherwise than any module that it imports. It uses the client's public API only;
     what it changes are base URLs and keys, from `steps.settings()`: url, ws (the same as ws://), host,
     port, symbol, base, quote; key, secret (HMAC); ed25519_key, ed25519_pem (path of the private key);
     read_key, read_secret (may not trade); other_key, other_secret (a second account); fix_port;
     folder (empty, its own).
  3. Steps as steps.py says; those that the client cannot do are told as `absent` with the reason.
The script has `patience_s` to end. Whatever it prints beside its steps is shown when it fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from engine.cage.kernel import cage_obstacle
from tests.real.environments import CLIENTS, Client, NoInterpreter, make_environment, python_of, versions_in
from tests.real.steps import CAGE, POLL_S, STEPS

__all__ = ["Desk", "Told", "obstacle", "run_client", "table"]

ROOT = Path(__file__).parents[2]
CLIENT_FOLDER = Path(__file__).parent / "clients"
START_PATIENCE_S = 90.0
"""How long a desk may take to listen; after a change of the engine its core is compiled first."""
STOP_PATIENCE_S = 15.0
OUTPUT_LINES = 40
"""Of a client that failed."""


class DeskFailed(Exception):
    """The desk does not listen; what it said."""


class Told(NamedTuple):
    """One step of one client."""

    client: str
    step: str
    ok: bool | None
    """None: the client has no such thing."""
    detail: str


class Desk:
    """A headless desk with a venue, in a folder of its own. A context."""

    def __init__(self, folder: Path, client: Client) -> None:
        self._folder = folder
        self._client = client
        self._process: subprocess.Popen[bytes] | None = None
        self._keys: dict[str, str] = {}
        self._fix_port = _free_port() if client.fix else None
        private = {name: str(folder / name) for name in ("config", "runtime", "state", "data")}
        for path in private.values():
            Path(path).mkdir(mode=0o700)
        self._environ = os.environ | {
            "XDG_CONFIG_HOME": private["config"],
            "XDG_RUNTIME_DIR": private["runtime"],
            "XDG_STATE_HOME": private["state"],
            "XDG_DATA_HOME": private["data"],
        }
        self.url = ""

    def __enter__(self) -> Desk:
        self._make_keys()
        log = (self._folder / "desk.log").open("wb")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "desk", "run", "--headless", "--speed", "1", "--for", "1h"),
                *("--scenario", self._client.scenario, "--seed", "7", "--out", str(self._folder / "runs")),
                *self._client.desk_options,
                *([] if self._fix_port is None else ["--fix-port", str(self._fix_port)]),
            ],
            cwd=ROOT,
            env=self._environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        try:
            self.url = self._await_address()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()  # as an interrupt, but shells let background processes ignore those
        try:
            process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def settings(self) -> dict[str, Any]:
        """What a client's script is told."""
        (symbol,) = self._get("/api/v3/exchangeInfo")["symbols"]
        host, _, port = self.url.removeprefix("http://").partition(":")
        folder = self._folder / "client"
        folder.mkdir()
        return self._keys | {
            "url": self.url,
            "ws": self.url.replace("http://", "ws://"),
            "host": host,
            "port": int(port),
            "symbol": symbol["symbol"],
            "base": symbol["baseAsset"],
            "quote": symbol["quoteAsset"],
            "folder": str(folder),
            "fix_port": self._fix_port,
        }

    def verify(self) -> Told:
        """The stopped desk's recording, recomputed."""
        (run,) = (self._folder / "runs").iterdir()
        result = self._stormdesk("verify", str(run), "--format", "json")
        ok = result.returncode == 0
        found = json.loads(result.stdout) if ok else {}
        counts = ", ".join(f"{found[name]} {name}" for name in ("inputs", "events") if name in found)
        return Told("", "replay", ok, counts if ok else (result.stderr or result.stdout)[:300])

    def log(self) -> str:
        """What the desk said."""
        return (self._folder / "desk.log").read_text(errors="replace").strip()

    def _make_keys(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        pem, public_pem = self._folder / "ed25519.pem", self._folder / "ed25519_public.pem"
        pem.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        public_pem.write_bytes(
            private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        for name, *options in (
            ("bot",),
            ("other",),
            ("reader", "--read-only"),
            ("signer", "--public-key", str(public_pem)),
        ):
            made = self._stormdesk("key", "new", name, "--format", "json", *options)
            if made.returncode != 0:
                raise DeskFailed(f"no key {name}: {made.stderr}")
            fields = json.loads(made.stdout)
            kind = {"bot": "", "other": "other_", "reader": "read_", "signer": "ed25519_"}[name]
            self._keys[f"{kind}key"] = fields["api_key"]
            self._keys[f"{kind}secret"] = fields.get("secret", "")
        self._keys["ed25519_pem"] = str(pem)

    def _stormdesk(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "desk", *words],
            cwd=ROOT,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )

    def _await_address(self) -> str:
        assert self._process is not None
        end_s = time.monotonic() + START_PATIENCE_S
        while time.monotonic() < end_s and self._process.poll() is None:
            known = self._announced()
            if known.get("pid") == self._process.pid:
                self.url = str(known["venue"])
                with contextlib.suppress(OSError):
                    self._get("/api/v3/ping")
                    return self.url
            time.sleep(POLL_S)
        raise DeskFailed(f"the desk did not come up: {self.log()[-300:]}")

    def _announced(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self._folder / "runtime" / "stormdesk" / "desk.json").read_text()))
        except (OSError, ValueError):
            return {}

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)


def _free_port() -> int:
    """A port of loopback that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def obstacle(name: str) -> str | None:
    """Why this system cannot run a client; None when it can."""
    return cage_obstacle(uid=os.getuid(), gid=os.getgid()) if CLIENTS[name].caged else None


def run_client(name: str) -> list[Told]:
    """One client's full cycle, and the verification of its desk's run. Its environment must be there."""
    client = CLIENTS[name]
    with tempfile.TemporaryDirectory(prefix="stormdesk-real-") as folder:
        desk = Desk(Path(folder), client)
        try:
            with desk:
                told = _run_script(name, client, desk.settings())
        except DeskFailed as error:
            return [Told(name, "markets", False, str(error))]
        replay = desk.verify()
        if "Traceback" in desk.log():
            told.append(Told(told[0].client, "replay", False, f"the desk failed: {desk.log()[-300:]}"))
    return [*told, replay._replace(client=told[0].client)]


def _run_script(name: str, client: Client, settings: dict[str, Any]) -> list[Told]:
    environ = os.environ | {
        "STORMDESK_REAL": json.dumps(_without_address(settings) if client.caged else settings),
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [str(python_of(client.environment)), str(CLIENT_FOLDER / f"{name}.py")]
    if client.caged:
        command = [sys.executable, "-m", "desk", "cage", "--venue", settings["url"], "--", *command]
    process = subprocess.Popen(
        command,
        cwd=ROOT if client.caged else settings["folder"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    problem = ""
    try:
        output, _ = process.communicate(timeout=client.patience_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with what it started itself
        output, _ = process.communicate()
        problem = f"did not end within {client.patience_s:g} s"
    told = list(_steps_in(output))
    if process.returncode != int(any(one.ok is False for one in told)) and not problem:
        problem = f"ended with code {process.returncode}"
    if problem or not told:
        column = told[0].client if told else name
        told.append(Told(column, "errors", False, problem or "told no step"))
    if any(one.ok is False for one in told):
        others = [line for line in output.splitlines() if not line.startswith('{"client"')]
        print("\n".join([f"--- {name} also printed:", *others[-OUTPUT_LINES:]]), file=sys.stderr)
    return told


def _without_address(settings: dict[str, Any]) -> dict[str, Any]:
    """For a cage: where the desk is does only say what must be out of reach."""
    return {name: value for name, value in settings.items() if name not in ("url", "ws", "host")}


def _steps_in(output: str) -> Iterator[Told]:
    for line in output.splitlines():
        if line.startswith('{"client"'):
            yield Told(**json.loads(line))


def table(told: Iterable[Told]) -> str:
    """Client x step as Markdown: ok, FAIL, or – for what a client has not; reasons below."""
    cells: dict[str, dict[str, list[bool | None]]] = {}
    notes = []
    for one in told:
        step = one.step.partition(": ")[0]
        cells.setdefault(one.client, {}).setdefault(step, []).append(one.ok)
        if one.ok is not True:
            sign = "–" if one.ok is None else "FAIL"
            notes.append(f"- {one.client}, {one.step}: {sign} {' '.join(one.detail.split())}")
    steps = [*STEPS, *([CAGE] if any(CAGE in row for row in cells.values()) else [])]
    lines = [f"| client | {' | '.join(steps)} |", f"|---|{'---|' * len(steps)}"]
    for client, row in cells.items():
        row.setdefault(CAGE, [None])
        lines.append(f"| {client} | {' | '.join(_cell(row.get(step)) for step in steps)} |")
    return "\n".join([*lines, "", *notes])


def _cell(results: list[bool | None] | None) -> str:
    if results is None:
        return "?"  # not told: the script ended before
    if False in results:
        return "FAIL"
    return "ok" if True in results else "–"


def main(names: list[str]) -> int:
    """Runs these clients, or all; prints each step as it comes, and the table."""
    unknown = [name for name in names if name not in CLIENTS]
    if unknown:
        print(f"no client {', '.join(unknown)}: use {', '.join(CLIENTS)}", file=sys.stderr)
        return 2
    told: list[Told] = []
    for name in names or CLIENTS:
        try:
            reason = obstacle(name)
            make_environment(CLIENTS[name].environment)
        except NoInterpreter as error:
            reason = str(error)
        if reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
            continue
        for one in run_client(name):
            told.append(one)
            print(json.dumps(one._asdict(), ensure_ascii=False), flush=True)
    print(f"\n{table(told)}")
    used = dict.fromkeys(CLIENTS[name].environment for name in names or CLIENTS)
    print("\nVersions:", "; ".join(versions_in(environment) for environment in used))
    whole = all(_cell(_results(told, one.client, step)) != "?" for one in told for step in STEPS)
    return 0 if whole and all(one.ok is not False for one in told) else 1


def _results(told: list[Told], client: str, step: str) -> list[bool | None] | None:
    found = [one.ok for one in told if one.client == client and one.step.partition(":")[0] == step]
    return found or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
