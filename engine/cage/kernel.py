"""What the cage asks of the system: namespaces without privileges, mounts, a loopback device.

Place on the data path: before it. Invariant: nothing here needs root, and what the kernel refuses becomes a
sentence that says which switch refuses it. The tools are those of util-linux (2.36 or newer).

Two user namespaces, one in the other. The outer one makes the caller root over new mount, network and
process-id namespaces: enough to cover files, bind port 443 and be process 1. The bot runs in the inner one
under the caller's own ids, with no power over the outer: it cannot uncover a file or touch the network.
The process ids matter as well: a process that cannot be seen cannot be traced or signalled.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["bot_command", "cage_obstacle", "cover", "namespace_command", "raise_loopback", "renew_proc"]

TOOLS = ("unshare", "mount", "setpriv")
OLDEST_TOOLS = "2.36"
"""The util-linux in which unshare learned to map a user by id."""
PROBE_PATIENCE_S = 10.0
MOUNT_PATIENCE_S = 10.0
SWITCHES = (
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 "
        "(or give /usr/bin/unshare an AppArmor profile with the rule `userns,`)",
    ),
)
"""Below /proc/sys: the switch, the value with which it refuses, what allows it."""
_UNKNOWN_OPTION = ("unrecognized option", "invalid option", "unknown option")
"""As util-linux says it with glibc and with musl, and BusyBox."""
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
"""linux/sockios.h, linux/if.h"""


def namespace_command(command: Sequence[str]) -> list[str]:
    """`command` as process 1 and root of new namespaces, killed when its parent ends."""
    namespaces = ("--user", "--map-root-user", "--mount", "--net", "--pid")
    return ["unshare", *namespaces, "--fork", "--kill-child", "--", *command]


def bot_command(command: Sequence[str], uid: int, gid: int) -> list[str]:
    """`command` under its caller's ids, without capabilities and without a way to gain any."""
    mapped = ["unshare", "--user", f"--map-user={uid}", f"--map-group={gid}", "--"]
    return [*mapped, "setpriv", "--no-new-privs", "--", *command]


def cage_obstacle(*, uid: int, gid: int, switches: Path = Path("/proc/sys")) -> str | None:
    """Why no cage can be built here and what to do about it; None when one can."""
    if sys.platform != "linux":
        return "the cage is made of Linux namespaces; on this system give the bot the venue's address instead"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"the cage needs {', '.join(missing)}: install util-linux"
    try:
        probe = subprocess.run(
            namespace_command(bot_command(["true"], uid, gid)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return f"the cage cannot be built: unshare did not answer within {PROBE_PATIENCE_S:.0f} s"
    if probe.returncode == 0:
        return None
    return _refusal(probe.stderr.decode(errors="replace"), switches)


def cover(target: Path, source: Path) -> None:
    """Bind `source` over `target`, in this mount namespace. Raises OSError with what mount said."""
    _mount("--bind", str(source), str(target))


def renew_proc() -> bool:
    """Mount the /proc of this process-id namespace. Some containers do not allow it: False."""
    try:
        _mount("-t", "proc", "proc", "/proc")
    except OSError:
        return False
    return True


def raise_loopback() -> None:
    """`ip link set lo up`, without ip."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _refusal(said: str, switches: Path) -> str:
    reason = " ".join(said.split()) or "unshare gave no reason"
    if any(sign in reason for sign in _UNKNOWN_OPTION):
        return f"the cage needs util-linux {OLDEST_TOOLS} or newer, and these tools are older ({reason})"
    for name, refusing, remedy in SWITCHES:
        try:
            value = (switches / name).read_text().strip()
        except OSError:
            continue
        if value == refusing:
            return (
                f"the kernel does not let ordinary users make namespaces ({reason}): "
                f"{name.replace('/', '.')} is {value}. Allow it as root: {remedy}"
            )
    return (
        f"namespaces for ordinary users are refused ({reason}) though no known switch forbids them. "
        "Inside a container its seccomp profile does: run the desk and the bot outside, "
        "or the container with --security-opt seccomp=unconfined"
    )


def _mount(*words: str) -> None:
    done = subprocess.run(
        ["mount", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=MOUNT_PATIENCE_S,
    )
    if done.returncode != 0:
        raise OSError(" ".join(done.stderr.decode(errors="replace").split()))
