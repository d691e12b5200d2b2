"""nautilus_trader as released for Python 3.12 and later: the cycle of nautilus.py."""

import nautilus  # noqa: F401
