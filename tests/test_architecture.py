"""Rules of the house that no type checker sees: who imports whom, who may look at a clock."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "engine"
ORDER = (
    "core",
    "arena",
    "book",
    "detectors",
    "market",
    "broker",
    "agents",
    "scenarios",
    "storms",
    "analytics",
    "gatekeeper",
    "score",
    "frame",
    "image",
    "journal",
    "recording",
    "feeds",
    "inputs",
    "loop",
    "evidence",
    "gate_view",
    "storm_view",
    "view",
    "session",
    "rebuild",
    "convert",
    "evaluate",
    "measure",
    "target",
    "venue",
    "api",
    "host",
    "client",
    "cage",
)
"""The rooms of engine/, each of which may import those before it (and itself), never those behind it."""
EXACT_ROOMS = ("core", "arena", "book", "market", "agents", "storms", "scenarios", "loop.py")
"""Where decisions are made: no function of libm whose last bit differs between machines."""
EXACT_MATH = {"sqrt", "floor", "ceil", "isfinite"}
FILES = sorted(ENGINE.rglob("*.py"))
CLOCK_FILE = ENGINE / "core" / "clock.py"


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def running_code(path: Path) -> Iterator[ast.AST]:
    """Every node that can run: what is under `if TYPE_CHECKING:` cannot."""
    waiting: list[ast.AST] = [tree_of(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def imports_of(path: Path) -> list[str]:
    """Dotted names of the modules that this file imports when it runs, also inside functions."""
    names = []
    for node in running_code(path):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def room_of(module: str) -> str | None:
    """`session` for engine.session.Session, None for what is not in engine or is engine itself."""
    parts = module.split(".")
    if parts[0] != "engine" or len(parts) < 2 or parts[1].startswith("__"):
        return None
    return parts[1]


def dotted(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_room_has_its_place_in_the_order():
    rooms = {path.relative_to(ENGINE).parts[0].removesuffix(".py") for path in FILES} - {"__init__"}
    assert rooms == set(ORDER), "a new room: say in ORDER whom it may import"


def test_rooms_import_one_way():
    against = [
        f"{where(path)} imports {module}"
        for path in FILES
        for module in imports_of(path)
        if (own := path.relative_to(ENGINE).parts[0].removesuffix(".py")) != "__init__"
        and (other := room_of(module)) is not None
        and ORDER.index(other) > ORDER.index(own)
    ]
    assert not against


@pytest.mark.parametrize("forbidden", ["desk", "textual", "rich"])
def test_the_engine_never_imports_the_screen(forbidden):
    guilty = [where(path) for path in FILES for name in imports_of(path) if name.split(".")[0] == forbidden]
    assert not guilty


def test_only_the_clock_reads_the_wall_clock():
    guilty = [
        f"{where(path)}: {name}"
        for path in FILES
        if path != CLOCK_FILE
        for name in imports_of(path)
        if name.split(".")[0] in ("time", "datetime")
    ]
    assert not guilty, "use engine.core.clock"


def test_nobody_draws_random_numbers_but_from_streams():
    guilty = []
    for path in FILES:
        guilty += [f"{where(path)}: {n}" for n in imports_of(path) if n.split(".")[0] in ("random", "uuid")]
        for node in running_code(path):
            if dotted(node) in ("np.random", "numpy.random", "os.urandom"):
                guilty.append(f"{where(path)}: {dotted(node)}")
    assert not guilty


def test_nobody_depends_on_hash():
    """Its value for text differs between processes."""
    guilty = [
        where(path)
        for path in FILES
        for node in running_code(path)
        if isinstance(node, ast.Call) and dotted(node.func) == "hash"
    ]
    assert not guilty


def test_decisions_use_only_exact_mathematics():
    guilty = []
    for path in FILES:
        if path.relative_to(ENGINE).parts[0] not in EXACT_ROOMS:
            continue
        for name in imports_of(path):
            if name.split(".")[0] == "cmath" or (name.split(".")[0] == "math" and name != "math"):
                function = name.split(".")[1]
                guilty += [f"{where(path)}: {function}"] if function not in EXACT_MATH else []
            assert name != "math", f"{where(path)}: import the functions by name, so that this test sees them"
    assert not guilty


def test_importing_a_session_or_the_desk_does_not_import_the_compiler():
    """The screen is up before a compiler could be: numba comes in a child process, or on first use."""
    for module in ("engine.session", "engine.host", "desk.app"):
        code = (
            f"import sys, {module}; "
            "print(sorted(m for m in sys.modules if m.split('.')[0] in ('numba', 'llvmlite')))"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.strip() == "[]", module


def test_importing_the_engine_does_not_import_the_screen():
    code = (
        "import sys, engine.host, engine.rebuild; "
        "print([m for m in ('textual', 'rich', 'desk') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"
