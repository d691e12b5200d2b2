"""Markets as TOML: what is traded, by whom, at which cost. Presets live beside this file."""

from engine.scenarios.loader import (
    AgentGroup,
    Scenario,
    history_scenario,
    list_scenarios,
    load_scenario,
    parse_scenario,
)

__all__ = [
    "AgentGroup",
    "Scenario",
    "history_scenario",
    "list_scenarios",
    "load_scenario",
    "parse_scenario",
]
