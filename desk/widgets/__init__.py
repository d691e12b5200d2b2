"""One file per panel. `PANEL_TYPES` names them all; order is the order in which they are drawn."""

from __future__ import annotations

from desk.widgets.agents import Agents
from desk.widgets.alerts import Alerts
from desk.widgets.coach import Coach
from desk.widgets.command import CommandLine
from desk.widgets.deck import ChaosDeck
from desk.widgets.footer import KeyFooter
from desk.widgets.gate import Gate
from desk.widgets.heat import HeatMap
from desk.widgets.kpis import Figures
from desk.widgets.ladder import Ladder
from desk.widgets.panel import Panel
from desk.widgets.score import Scoreboard
from desk.widgets.signals import Signals
from desk.widgets.status import Status
from desk.widgets.storms import StormTimeline
from desk.widgets.tape import Tape
from desk.widgets.target import Target
from desk.widgets.timeline import Timeline

__all__ = ["PANEL_TYPES", "Panel"]

PANEL_TYPES: dict[str, type[Panel]] = {
    "status": Status,
    "timeline": Timeline,
    "ladder": Ladder,
    "heat": HeatMap,
    "tape": Tape,
    "agents": Agents,
    "deck": ChaosDeck,
    "signals": Signals,
    "kpis": Figures,
    "target": Target,
    "score": Scoreboard,
    "gate": Gate,
    "storms": StormTimeline,
    "alerts": Alerts,
    "coach": Coach,
    "command": CommandLine,
    "footer": KeyFooter,
}
"""The ladder comes before the heat map: it places the axis that both show."""
