"""The market engine of Stormdesk: no screen, no wall clock, one deterministic core.

`engine/README.md` is the map. Rooms depend on each other in one direction only; `engine` never
imports `desk`, `textual` or `rich` (both rules are tested).
"""

__version__ = "0.1.0"
