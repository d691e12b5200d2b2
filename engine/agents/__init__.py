"""Built-in agents, one file per archetype; `registry` names them for scenarios."""
