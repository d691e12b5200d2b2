"""A machine with another interface, made of a network namespace; run as root of it (`unshare -rn`).

It has an address beside loopback, IPv4 and IPv6, a way out by default, and a service at each address. Prints
what of it is reached from outside of a cage, and from inside.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack

from tests.cage.exchange import running_exchange

PORT = 4711
ADDRESSES = ("127.0.0.1", "::1", "192.0.2.7", "2001:db8::7")
INTERFACE = """
ip link set lo up
ip link add near type veth peer name far
ip addr add 192.0.2.7/24 dev near
ip -6 addr add 2001:db8::7/64 dev near nodad
ip link set near up
ip link set far up
ip route add default via 192.0.2.8
ip -6 route add default via 2001:db8::8
"""
REACH = """
import errno, socket, sys
for word in sys.argv[1:]:
    kind, address, port = word.split()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, getattr(socket, kind)) as sender:
        sender.settimeout(5)
        try:
            sender.connect((address, int(port)))
            sender.send(b"x")
            print(address, "reached")
        except OSError as error:
            print(address, errno.errorcode.get(error.errno, error))
"""
ATTEMPTS = (
    *(f"SOCK_STREAM {address} {PORT}" for address in ADDRESSES),
    # A datagram may go to nobody: it is enough that there is a way.
    *(f"SOCK_DGRAM {address} 53" for address in ("192.0.2.7", "203.0.113.9", "2001:db8::7", "2001:db8:1::9")),
)


def main() -> None:
    """Build it, try it."""
    subprocess.run(["sh", "-euc", INTERFACE], check=True)
    with ExitStack() as stack:
        for address in ADDRESSES:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            stack.enter_context(socket.create_server((address, PORT), family=family))
        port = stack.enter_context(running_exchange())
        command = [sys.executable, "-c", REACH, *ATTEMPTS]
        print("outside", flush=True)
        subprocess.run(command, check=True)
        print("inside", flush=True)
        caged = [sys.executable, "-m", "tests.cage.driver", f"http://127.0.0.1:{port}"]
        sys.exit(subprocess.run([*caged, *command], check=False).returncode)


if __name__ == "__main__":
    main()
