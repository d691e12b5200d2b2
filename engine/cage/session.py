"""One run of a bot in the cage, from the outside: private folder, process, forwarder, signals, end.

Place on the data path: beside the desk, in a process of its own. Invariant: however it ends (bot, signal,
error), no process of the cage, no file and no key remain; after a SIGKILL of this process a folder with the
hosts file and a public certificate remains, but no process.
"""

from __future__ import annotations

import http.client
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import engine
from engine.cage import inside
from engine.cage.certificates import issue_certificates, server_context
from engine.cage.forwarder import Forwarder
from engine.cage.kernel import cage_obstacle, namespace_command
from engine.cage.names import RESOLVER_TEXT, TLS_PORTS, hosts_text, names_with, nsswitch_text
from engine.cage.trust import trusting_environment
from engine.core.clock import wall_ns
from engine.core.errors import StormdeskError, UsageError

__all__ = ["cage_command"]

PREFIX = "stormdesk-cage-"
"""Of the private folder, in the system's folder for temporary files."""
PING_PATIENCE_S = 3.0
SET_UP_POLL_S = 0.05
SET_UP_POLLS = 600
"""How often, and how many times, the end of the set-up and pending signals are looked for."""
END_PATIENCE_S = 5.0
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
PASSED = (*ENDING, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that reach the bot."""
FROM_KERNEL = 0x80
"""si_code SI_KERNEL: a key of the terminal, which sends to its whole foreground group, the bot included."""
_VARIABLE = re.compile(r"([^=\0]+)=([^\0]*)", re.DOTALL)
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from engine.cage.inside import main; main()"


def cage_command(
    command: Sequence[str], *, venue_url: str, hosts: Sequence[str] = (), env: Sequence[str] = ()
) -> int:
    """Run `command` where the exchange's names lead to the venue at `venue_url` and no other address exists.

    `hosts` are additional names of the exchange, `env` additional variables as KEY=VALUE. Returns the bot's
    exit code (128 + n when signal n ended it). Raises UsageError when it cannot start as asked,
    StormdeskError when building the cage fails. Call it in the main thread, which then waits for signals.
    """
    if not command:
        raise UsageError("cage: no command; as in: stormdesk cage -- python my_bot.py")
    if shutil.which(command[0]) is None:
        raise UsageError(f"cage: {command[0]!r} is no program; give a path or a name on PATH")
    names = names_with(hosts)
    variables = _variables(env)
    gateway = _gateway(venue_url)
    obstacle = cage_obstacle(uid=os.getuid(), gid=os.getgid())
    if obstacle is not None:
        raise UsageError(f"cage: {obstacle}")
    with _blocked_signals(), _private_folder() as folder:
        certificates = issue_certificates(names, wall_ns())
        context = server_context(certificates.chain_pem, folder)
        _write_files(folder, names, certificates.authority_pem)
        environment = trusting_environment(
            os.environ, authority=folder / inside.AUTHORITY, empty_folder=folder / inside.EMPTY
        )
        return _run(command, folder, environment | variables, Forwarder(gateway, context))


def _variables(env: Sequence[str]) -> dict[str, str]:
    variables = {}
    for text in env:
        match = _VARIABLE.fullmatch(text)
        if match is None:
            # Not shown in full: it may be a key that belongs behind a name.
            raise UsageError("cage: an --env without a name and a value; as in --env API_KEY=abc")
        variables[match[1]] = match[2]
    return variables


def _gateway(venue_url: str) -> tuple[str, int]:
    """Host and port of a venue that answers. Raises UsageError when there is none, or it is not ours."""
    try:
        parts = urlsplit(venue_url)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        raise UsageError(f"cage: {venue_url!r} is not an address; as in http://127.0.0.1:8090") from None
    if parts.scheme != "http" or host not in LOOPBACK_HOSTS:
        raise UsageError(
            f"cage: {venue_url!r} is not a venue on this machine, and a cage leads to nothing else; "
            "as in http://127.0.0.1:8090"
        )
    connection = http.client.HTTPConnection(host, port, timeout=PING_PATIENCE_S)
    try:
        connection.request("GET", "/api/v3/ping")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(
            f"cage: no venue answers at {venue_url} ({error}). Start the desk (stormdesk), "
            "or give the address that its status line shows: --venue URL"
        ) from None
    finally:
        connection.close()
    if status != http.client.OK:
        raise UsageError(
            f"cage: {venue_url} answers /api/v3/ping with {status}: it is not the desk's venue; "
            "give the address that the desk's status line shows: --venue URL"
        )
    return host, port


@contextmanager
def _blocked_signals() -> Generator[None, None, None]:
    """Signals wait until `_run` takes them, so that none interrupts building up or clearing away."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*PASSED, signal.SIGCHLD))
    try:
        yield
    finally:
        # One that came after the bot's end has nobody to reach.
        while signal.sigtimedwait((*PASSED, signal.SIGCHLD), 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _private_folder() -> Generator[Path, None, None]:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # 0700
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_files(folder: Path, names: Sequence[str], authority_pem: bytes) -> None:
    try:
        nsswitch = Path(inside.FILES["nsswitch.conf"]).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        nsswitch = ""
    texts = {
        "hosts": hosts_text(names, socket.gethostname()),
        "nsswitch.conf": nsswitch_text(nsswitch),
        "resolv.conf": RESOLVER_TEXT,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    (folder / inside.AUTHORITY).write_bytes(authority_pem)
    (folder / inside.EMPTY).mkdir()


def _run(command: Sequence[str], folder: Path, environment: dict[str, str], forwarder: Forwarder) -> int:
    control, theirs = socket.socketpair()
    with control:
        with theirs:
            process = _start(command, folder, environment, theirs)
        try:
            code = _await_set_up(control, forwarder)
            if code is None:
                control.sendall(inside.GO)
                code = _wait(process, control)
            else:
                process.kill()  # the kernel kills process 1 of the cage with it
        finally:
            control.close()  # what still runs inside ends now
            _end(process)
            forwarder.stop()
    _explain(forwarder.statistics())
    return code


def _start(
    command: Sequence[str], folder: Path, environment: dict[str, str], control: socket.socket
) -> subprocess.Popen[bytes]:
    root = str(Path(engine.__file__).resolve().parent.parent)
    words = [str(control.fileno()), str(folder), str(os.getuid()), str(os.getgid()), *command]
    # -I: neither a folder of that name where the user is nor the bot's variables may say which engine runs.
    first = [sys.executable, "-I", "-c", _BOOT, root, *words]
    return subprocess.Popen(namespace_command(first), env=environment, pass_fds=[control.fileno()])


def _await_set_up(control: socket.socket, forwarder: Forwarder) -> int | None:
    """Take over the listeners and serve them. A signal that comes first ends it: the exit code then."""
    for _ in range(SET_UP_POLLS):
        pending = signal.sigpending()
        for number in ENDING:
            if number in pending:
                return 128 + number
        if select.select([control], [], [], SET_UP_POLL_S)[0]:
            break
    else:
        raise StormdeskError(f"cage: not built within {SET_UP_POLLS * SET_UP_POLL_S:.0f} s")
    message, descriptors, _, _ = socket.recv_fds(control, 4096, inside.LISTENERS)
    listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    if message != inside.READY:
        reason = message.removeprefix(inside.FAILED).decode(errors="replace")
        raise StormdeskError(f"cage: {reason or 'its first process ended without a word'}")
    tls = len(TLS_PORTS)
    forwarder.start(listeners[:tls], listeners[tls:])
    return None


def _wait(process: subprocess.Popen[bytes], control: socket.socket) -> int:
    """Pass signals to the bot until it ends; its exit code."""
    while process.poll() is None:
        happened = signal.sigwaitinfo((*PASSED, signal.SIGCHLD))
        if happened.si_signo != signal.SIGCHLD and happened.si_code != FROM_KERNEL:
            try:
                control.sendall(bytes([happened.si_signo]))
            except OSError:
                break  # the cage is ending
    return process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _explain(statistics: dict[str, int]) -> None:
    """What the bot may have seen as network errors, and was of our making."""
    if statistics["distrusted"]:
        print(
            f"stormdesk cage: {statistics['distrusted']} TLS handshakes broken off: the bot may bring "
            "authorities of its own and not know the cage's (Rust webpki-roots, Java). Inside, the same "
            "names answer without TLS too: http://api.binance.com, ws://stream.binance.com",
            file=sys.stderr,
        )
    if statistics["unreachable"] or statistics["refused"]:
        print(
            f"stormdesk cage: {statistics['unreachable']} connections found no venue, "
            f"{statistics['refused']} were over the limit of {statistics['connection_limit']}",
            file=sys.stderr,
        )
