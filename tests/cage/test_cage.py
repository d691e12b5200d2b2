"""The whole cage, with real namespaces; skipped by the kernel's own reason where there can be none."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cage.kernel import cage_obstacle
from engine.cage.session import cage_command
from engine.core.errors import UsageError

ROOT = Path(__file__).parents[2]
OBSTACLE = cage_obstacle(uid=os.getuid(), gid=os.getgid())
in_namespaces = pytest.mark.skipif(OBSTACLE is not None, reason=f"no cage here: {OBSTACLE}")
PATIENCE_S = 60

REST = """
import urllib.request
for url in ("https://api.binance.com/api/v3/ping", "https://api.other.exchange/api/v3/ping",
            "http://api.binance.com/api/v3/ping"):
    with urllib.request.urlopen(url, timeout=10) as answer:
        print(answer.status, answer.read().decode(), answer.headers["X-Host"])
"""
PACKAGED = """
import httpx, os, ssl, certifi
print(httpx.get("https://api.binance.com/api/v3/time").json())
for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
    del os.environ[name]
context = ssl.create_default_context(cafile=certifi.where())
print(httpx.get("https://data-api.binance.vision/api/v3/time", verify=context).json())
"""
# Not the synchronous client: over TLS its reading thread now and then loses what the other thread sends.
SOCKET = """
import asyncio
from websockets.asyncio.client import connect
async def main():
    for url in ("wss://stream.binance.com:9443/ws", "wss://ws-api.binance.com:443/ws-api/v3"):
        async with connect(url) as stream:
            await stream.send("hello")
            print(await stream.recv())
asyncio.run(main())
"""
ELSEWHERE = """
import socket, sys
port = int(sys.argv[1])
for address in (("127.0.0.1", port), ("::1", port), ("192.0.2.1", 443), ("2001:db8::1", 443),
                ("169.254.169.254", 80), ("www.example.com", 443), ("testnet.binancefuture.com", 443)):
    try:
        socket.create_connection(address, 5)
        print(address, "REACHED")
    except TimeoutError:
        print(address, "WAITED")
    except OSError as error:
        print(address, "no")
"""
STATE = """
import os, subprocess
print("ids", os.getuid(), os.getgid())
print("descriptors", [n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}")])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print("capabilities", int(status["CapEff"], 16) if os.getuid() else 0, "gain", status["NoNewPrivs"].strip())
print("uncovered", subprocess.run(["umount", "/etc/hosts"], stderr=subprocess.DEVNULL).returncode == 0)
print("interfaces", [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]])
print("key", os.environ["API_KEY"], "proxy", os.environ.get("HTTPS_PROXY"))
"""
SIGNALLED = """
import signal, sys
seen = []
def handle(number, frame):
    seen.append(signal.Signals(number).name)
    print("got", seen[-1], flush=True)
    if number == signal.SIGTERM:
        print(*seen, flush=True)
        sys.exit(5)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, handle)
print("running", flush=True)
while True:
    signal.pause()
"""


class Cage:
    """Starts drivers, each with a folder for temporary files that the test can look into."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self.environment = os.environ | {
            "TMPDIR": str(folder),
            "PYTHONPATH": str(ROOT),
            "HTTPS_PROXY": "http://127.0.0.1:3128",
        }

    def start(self, *command: str, **more: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.cage.driver", self.url, *command],
            text=True,
            **{
                "env": self.environment,
                "stdin": subprocess.PIPE,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
            }
            | more,  # type: ignore[arg-type]
        )

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        with self.start(*command) as process:
            out, err = process.communicate(stdin, timeout=PATIENCE_S)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def python(self, code: str, *words: str) -> str:
        done = self.run(sys.executable, "-c", code, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def cage(exchange_port: int, tmp_path: Path) -> Iterator[Cage]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    yield Cage(exchange_port, folder)
    assert list(folder.iterdir()) == [], "something remained"


@in_namespaces
def test_stock_python_finds_the_exchange_behind_a_verified_certificate(cage):
    assert cage.python(REST).splitlines() == [
        "200 {} api.binance.com",
        "200 {} api.other.exchange",
        "200 {} api.binance.com",
    ]


@in_namespaces
def test_a_client_that_trusts_certifi_alone_finds_it_too(cage):
    assert cage.python(PACKAGED).splitlines() == ["{'serverTime': 1700000000000}"] * 2


@in_namespaces
def test_websockets_work_on_both_ports(cage):
    assert cage.python(SOCKET).splitlines() == ["hello", "hello"]


@in_namespaces
def test_nothing_else_can_be_reached_and_says_so_at_once(cage, exchange_port):
    answers = cage.python(ELSEWHERE, str(exchange_port)).splitlines()
    assert len(answers) == 7
    assert all(answer.endswith(" no") for answer in answers), answers


@in_namespaces
@pytest.mark.skipif(shutil.which("ip") is None, reason="no ip here to make an interface with")
def test_other_interfaces_of_the_machine_and_ways_out_are_gone_inside(tmp_path):
    """On a machine that has them, which is a namespace of the test's own."""
    machine = ["unshare", "--user", "--map-root-user", "--net", "--"]
    done = subprocess.run(
        [*machine, sys.executable, "-m", "tests.cage.other_interface"],
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    if "Unknown device type" in done.stderr:
        pytest.skip("this kernel has no veth interfaces")
    assert done.returncode == 0, done.stderr
    outside, _, inside = done.stdout.removeprefix("outside\n").partition("inside\n")
    assert {line.split()[1] for line in outside.splitlines()} == {"reached"}
    assert inside.splitlines() == [
        "127.0.0.1 ECONNREFUSED",
        "::1 ECONNREFUSED",
        *("192.0.2.7 ENETUNREACH", "2001:db8::7 ENETUNREACH"),
        *("192.0.2.7 ENETUNREACH", "203.0.113.9 ENETUNREACH"),
        *("2001:db8::7 ENETUNREACH", "2001:db8:1::9 ENETUNREACH"),
    ]
    assert len(outside.splitlines()) == len(inside.splitlines())


@in_namespaces
def test_the_bot_is_its_caller_without_power_over_the_cage(cage):
    assert cage.python(STATE).splitlines() == [
        f"ids {os.getuid()} {os.getgid()}",
        "descriptors []",
        "capabilities 0 gain 1",
        "uncovered False",
        "interfaces ['lo']",
        "key a=b proxy None",
    ]


@in_namespaces
def test_streams_and_exit_code_pass(cage):
    done = cage.run("sh", "-c", "cat; echo wrong >&2; exit 7", stdin="from outside")
    assert (done.stdout, done.stderr, done.returncode) == ("from outside", "wrong\n", 7)


@in_namespaces
def test_a_bot_that_dies_of_a_signal_says_which(cage):
    assert cage.run("sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL


@in_namespaces
def test_what_a_bot_leaves_running_ends_with_it(cage):
    """Its standard output stays open as long as anybody has it: `run` would wait for the child."""
    done = cage.run("sh", "-c", "cat /dev/zero > /dev/null & echo started")
    assert (done.stdout, done.returncode) == ("started\n", 0)


@in_namespaces
def test_signals_reach_the_bot_and_its_answer_counts(cage):
    with cage.start(sys.executable, "-c", SIGNALLED) as process:
        assert process.stdout.readline() == "running\n"
        for number in (signal.SIGUSR1, signal.SIGINT):
            process.send_signal(number)
            assert process.stdout.readline() == f"got {number.name}\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert out.splitlines()[-1] == "SIGUSR1 SIGINT SIGTERM"
    assert process.returncode == 5


@in_namespaces
@pytest.mark.terminal
def test_a_key_of_the_terminal_interrupts_once(cage):
    """The terminal signals the whole foreground group; passing that on would interrupt the bot twice."""
    ours, theirs = pty.openpty()
    cage.environment["STORMDESK_TEST_TERMINAL"] = "1"
    command = (sys.executable, "-c", SIGNALLED)
    with cage.start(*command, stdin=theirs, start_new_session=True) as process:
        assert process.stdout.readline() == "running\n"
        os.write(ours, b"\x03")
        assert process.stdout.readline() == "got SIGINT\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    os.close(theirs)
    assert out.splitlines()[-1] == "SIGINT SIGTERM"
    assert process.returncode == 5


@in_namespaces
def test_the_cage_ends_when_its_outside_is_killed(cage):
    with cage.start(sys.executable, "-c", SIGNALLED) as process:
        assert process.stdout.readline() == "running\n"
        process.kill()
        assert process.stdout.read() == "", "the bot has the other end: it is gone when this returns"
        process.wait(PATIENCE_S)
    (left,) = cage.folder.iterdir()
    assert b"PRIVATE" not in b"".join(path.read_bytes() for path in left.iterdir() if path.is_file())
    for path in (*sorted(left.rglob("*"), reverse=True), left):
        path.rmdir() if path.is_dir() else path.unlink()


@in_namespaces
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_set_up_leaves_nothing_and_starts_nothing(cage, tmp_path, number):
    """The cage asks the bot's Python where it looks for authorities; this one never answers."""
    asked, never = tmp_path / "asked", tmp_path / "never"
    os.mkfifo(asked)
    os.mkfifo(never)
    started = tmp_path / "started"
    bot = tmp_path / "python"
    bot.write_text(f'#!/bin/sh\n[ "$1" = -c ] || touch {started}\necho > {asked}\nread line < {never}\n')
    bot.chmod(0o755)
    with cage.start(str(bot), "bot.py") as process:
        asked.read_text()
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (128 + number, "")
    assert not started.exists()


@in_namespaces
def test_a_set_up_that_fails_says_why_and_leaves_nothing(cage, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    mount = tools / "mount"
    mount.write_text("#!/bin/sh\necho 'mount: no more of this' >&2\nexit 32\n")
    mount.chmod(0o755)
    cage.environment["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"
    done = cage.run("true")
    assert (done.returncode, done.stderr) == (2, "cage: mount: no more of this\n")


@in_namespaces
def test_a_venue_that_goes_away_is_told_to_the_user(cage):
    """It answers the first ping, which comes from outside, and is gone when the bot calls."""
    code = "import socket; s = socket.create_connection(('127.0.0.1', 80)); print(s.recv(1))"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cage.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with cage.start(sys.executable, "-c", code) as process:
            with listener.accept()[0] as client:
                listener.close()
                client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            out, err = process.communicate(timeout=PATIENCE_S)
    assert out == "b''\n"
    assert "1 connections found no venue" in err


@in_namespaces
def test_a_bot_with_authorities_of_its_own_is_told_of_the_addresses_without_tls(cage):
    code = (
        "import socket, ssl\n"
        "stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
        "plain = socket.create_connection(('api.binance.com', 443), 10)\n"
        "try:\n    stranger.wrap_socket(plain, server_hostname='api.binance.com')\n"
        "except ssl.SSLCertVerificationError:\n    print('refused')\n"
    )
    done = cage.run(sys.executable, "-c", code)
    assert done.stdout == "refused\n"
    assert "1 TLS handshakes broken off" in done.stderr
    assert "http://api.binance.com, ws://stream.binance.com" in done.stderr


def test_no_venue_is_a_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(UsageError, match=r"no venue answers at .* Start the desk"):
        cage_command(["true"], venue_url=f"http://127.0.0.1:{port}")


def test_without_a_running_desk_the_command_says_what_to_give_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "desk", "cage", "--", "true"],
        cwd=ROOT,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "no desk is running" in done.stderr
    assert "--venue http://127.0.0.1:8765" in done.stderr


def test_a_server_that_is_no_venue_is_a_clear_error(exchange_port, monkeypatch):
    monkeypatch.setattr("tests.cage.exchange.ANSWERS", {})
    with pytest.raises(UsageError, match="with 404: it is not the desk's venue"):
        cage_command(["true"], venue_url=f"http://127.0.0.1:{exchange_port}")


@pytest.mark.parametrize(
    "url",
    ["https://api.binance.com", "http://192.0.2.1:80", "ftp://127.0.0.1", "127.0.0.1:1", "http://[", ""],
)
def test_a_cage_leads_to_nothing_but_this_machine(url):
    with pytest.raises(UsageError, match="is not a"):
        cage_command(["true"], venue_url=url)


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ([], {}, "no command"),
        (["no-such-program"], {}, "'no-such-program' is no program"),
        (["true"], {"env": ["SECRET"]}, "an --env without a name"),
        (["true"], {"env": ["=SECRET"]}, "an --env without a name"),
        (["true"], {"hosts": ["a b"]}, "not a host name"),
    ],
)
def test_wrong_use_is_a_clear_error_that_tells_no_secret(command, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        cage_command(command, venue_url="http://127.0.0.1:1", **options)
    assert "SECRET" not in str(caught.value)


def test_where_the_kernel_refuses_nothing_is_made(exchange_port, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.cage.session.cage_obstacle", lambda **_: "refused, as a test")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(UsageError, match="cage: refused, as a test"):
        cage_command(["true"], venue_url=f"http://127.0.0.1:{exchange_port}")
    assert not list(tmp_path.iterdir())
