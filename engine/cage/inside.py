"""Process 1 of the cage: covers the files, opens the listeners, starts the bot and waits for it.

Place on the data path: before it. Invariants: the bot starts only after everything is covered and after the
outside has said so; whatever ends first (the bot, the desk's side, this process), all processes of the cage
end with it, because the kernel ends a process-id namespace with its process 1.

    control socket, to the outside   b"+" with the listeners as descriptors, or b"-" and what went wrong
                    from the outside GO, then one byte a signal for the bot; its end: kill everything

It is started by engine/cage/session.py as root of the new namespaces, with all signals blocked.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from engine.cage.kernel import bot_command, cover, raise_loopback, renew_proc
from engine.cage.names import PLAIN_PORTS, TLS_PORTS
from engine.cage.trust import bundles_of

__all__ = ["AUTHORITY", "EMPTY", "FAILED", "FILES", "GO", "LISTENERS", "READY", "main"]

LISTENERS = len(TLS_PORTS) + len(PLAIN_PORTS)
BACKLOG = 128
READY, FAILED, GO = b"+", b"-", b"\0"
FILES = {"hosts": "/etc/hosts", "nsswitch.conf": "/etc/nsswitch.conf", "resolv.conf": "/etc/resolv.conf"}
"""Names in the private folder, and what they cover."""
AUTHORITY = "authority.pem"
"""In the private folder: what covers every bundle of authorities."""
EMPTY = "empty"
"""In the private folder: an empty folder."""
NAME_CACHE = Path("/var/run/nscd")
"""Of the name service cache, which answers through a Unix socket before the hosts file is read."""


def main() -> None:
    """argv: control descriptor, private folder, uid, gid, command … Exits as the bot does."""
    descriptor, folder, uid, gid, *command = sys.argv[1:]
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)
    try:
        _set_up(control, Path(folder), command)
    except Exception as error:  # whatever it is, the outside reports it
        control.sendall(FAILED + (str(error) or type(error).__name__).encode()[:4000])
        sys.exit(1)
    if control.recv(1) != GO:
        sys.exit(1)
    sys.exit(_run_bot(control, bot_command(command, int(uid), int(gid))))


def _set_up(control: socket.socket, folder: Path, command: Sequence[str]) -> None:
    bundles = bundles_of(command, os.environ)
    for name, covered in FILES.items():
        target = Path(covered)
        if target.exists():
            cover(target, folder / name)
        elif name == "hosts":
            raise OSError(f"there is no {covered} to cover; create an empty one")
    for bundle in bundles:
        cover(bundle, folder / AUTHORITY)
    if NAME_CACHE.is_dir():
        cover(NAME_CACHE, folder / EMPTY)
    renew_proc()  # where it is refused the old one stays: it shows more, but gives no power over it
    raise_loopback()
    ports = TLS_PORTS + PLAIN_PORTS
    listeners = [socket.create_server(("127.0.0.1", port), backlog=BACKLOG) for port in ports]
    socket.send_fds(control, [READY], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()


def _run_bot(control: socket.socket, command: list[str]) -> int:
    """The bot's exit code, 128 + n when signal n ended it."""
    bot = os.posix_spawnp(
        command[0], command, os.environ, setsigmask=[], setsigdef=[signal.SIGPIPE, signal.SIGXFSZ]
    )
    threading.Thread(target=_pass_signals, args=(control, bot), daemon=True).start()
    while True:
        # Process 1 inherits the orphans of its namespace.
        process, status = os.waitpid(-1, 0)
        if process == bot:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _pass_signals(control: socket.socket, bot: int) -> None:
    with suppress(OSError):
        while numbers := control.recv(64):
            for number in numbers:
                with suppress(ProcessLookupError):
                    os.kill(bot, number)
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
