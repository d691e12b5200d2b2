"""`stormdesk cage` without the command line: a process that the tests of the namespace start and signal.

argv: venue URL, then the bot's command. With STORMDESK_TEST_TERMINAL set, standard input becomes the
terminal of this process's session first.
"""

from __future__ import annotations

import fcntl
import os
import sys
import termios

from engine.cage.session import cage_command
from engine.core.errors import StormdeskError

if __name__ == "__main__":
    if "STORMDESK_TEST_TERMINAL" in os.environ:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        sys.exit(
            cage_command(
                sys.argv[2:], venue_url=sys.argv[1], hosts=["api.other.exchange"], env=["API_KEY=a=b"]
            )
        )
    except StormdeskError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
