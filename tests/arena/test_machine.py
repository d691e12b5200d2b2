"""The way from one path to the other: from the cache, beside a running program, past all that can fail."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.arena.build import Job
from engine.arena.cache import Sources, failure_of, library_path, version_of
from engine.arena.library import Building
from engine.arena.machine import Machine
from tests.arena.compiling import compiled, needs_compiler
from tests.arena.toys import imported, toy_package, toy_stub

ROOT = Path(__file__).parents[2]

pytestmark = needs_compiler


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return toy_package(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def built_folder(toy: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the toy's library stands; not to be changed."""
    folder = tmp_path_factory.mktemp("built")
    status = Machine("1", sources=toy, folder=folder).load()
    assert status.path == "compiled", status.warning
    return folder


@pytest.fixture
def warm_folder(built_folder: Path, tmp_path: Path) -> Path:
    """A copy of such a cache."""
    return Path(shutil.copytree(built_folder, tmp_path / "warm"))


def cell(value: int) -> tuple[np.ndarray, int]:
    word = np.array([value], np.int64)
    return word, word.ctypes.data


def scaled(machine: Machine, value: int, times: int) -> int:
    """What the toy's entry gives; -1 where no machine code is live."""
    _word, address = cell(value)
    return machine.live(toy_stub())(address, times)


# -- the way ---------------------------------------------------------------------------------------


def test_a_cold_machine_runs_interpreted_until_its_child_is_done(toy, tmp_path):
    steps: list[Building] = []
    machine = Machine("1", sources=toy, folder=tmp_path / "new")
    assert machine.status() == ("interpreted", None, None, None)
    assert scaled(machine, 7, 2) == -1
    status = machine.load(steps.append)
    assert (status.path, status.building, status.warning) == ("compiled", None, None)
    assert status.seconds is not None
    assert scaled(machine, 7, 2) == 63
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert {step.name for step in steps} == {"scale", "scaled", "machine code"}
    assert steps[-1] == (2, 2, "machine code")


def test_a_warm_machine_needs_no_child(toy, warm_folder):
    machine = Machine("1", sources=toy, folder=warm_folder)
    machine.start()
    assert machine.load().path == "compiled"
    assert machine.child is None
    assert scaled(machine, 1, 3) == 27


def test_a_compiler_can_be_told_to_wait(toy, tmp_path):
    screen_is_up = threading.Event()
    machine = Machine("1", sources=toy, folder=tmp_path)
    machine.start(compile_after=screen_is_up)
    assert machine.status().path == "interpreted"
    assert machine.child is None
    screen_is_up.set()
    assert machine.load().path == "compiled"


def test_an_edited_helper_is_compiled_anew(tmp_path):
    for factor in (3, 5):
        machine = Machine("1", sources=toy_package(tmp_path, factor=factor), folder=tmp_path / "cache")
        assert machine.load().path == "compiled"
        assert scaled(machine, 1, 2) == factor**2
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_work_goes_on_where_the_other_path_left_it(toy, warm_folder):
    word, address = cell(1)
    machine = Machine("1", sources=toy, folder=warm_folder)
    with imported(toy) as scale:
        assert machine.live(scale) is scale
        machine.live(scale)(address, 10)
        machine.load()
        assert machine.live(scale) is not scale
        machine.live(scale)(address, 10)
    assert word[0] == 3**20


def test_an_entry_that_no_library_has_stays_interpreted(toy, warm_folder):
    machine = Machine("1", sources=toy, folder=warm_folder)
    machine.load()

    def own(a: int) -> int:
        return a

    assert machine.live(own) is own


def test_the_checked_build_is_another(toy, warm_folder):
    machine = Machine("checked", sources=toy, folder=warm_folder)
    assert machine.load().path == "checked"
    assert machine.child is not None
    assert len(list(warm_folder.iterdir())) == 2


def test_a_machine_that_is_off_does_nothing(toy, tmp_path):
    machine = Machine("0", sources=toy, folder=tmp_path)
    machine.start()
    assert machine.load() == ("interpreted", None, None, None)
    assert list(tmp_path.iterdir()) == []


# -- what can fail -----------------------------------------------------------------------------------


def toy_path(toy: Sources, folder: Path) -> Path:
    return library_path(folder, "compiled", version_of(toy))


def test_a_killed_compiler_leaves_the_market_interpreted_and_says_so(toy, tmp_path):
    machine = Machine("1", sources=toy, folder=tmp_path)
    status = machine.load(lambda step: os.kill(machine.child.pid, signal.SIGKILL))
    assert status.path == "interpreted"
    assert status.building is None
    assert "interpreted" in status.warning
    assert "SIGKILL" in status.warning
    assert scaled(machine, 1, 1) == -1
    assert "SIGKILL" in failure_of(toy_path(toy, tmp_path))
    again = Machine("1", sources=toy, folder=tmp_path)
    assert again.load().path == "compiled"
    assert [file.name for file in tmp_path.iterdir()] == [toy_path(toy, tmp_path).name]


def test_a_broken_compiler_is_named(toy, tmp_path, monkeypatch):
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('no numba for abacuses')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    status = Machine("1", sources=toy, folder=tmp_path / "cache").load()
    assert (status.path, status.building) == ("interpreted", None)
    assert "ImportError: no numba for abacuses" in status.warning


def test_a_kernel_that_cannot_be_compiled_is_named(tmp_path):
    sources = toy_package(tmp_path, factor="no_such_name")
    status = Machine("1", sources=sources, folder=tmp_path / "cache").load()
    assert status.path == "interpreted"
    assert "TypingError" in status.warning


def test_without_llvm_the_market_runs_interpreted(toy, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    status = Machine("1", sources=toy, folder=tmp_path).load()
    assert status.path == "interpreted"
    assert "llvmlite" in status.warning


def test_without_a_python_to_start_the_market_runs_interpreted(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    status = Machine("1", sources=toy, folder=tmp_path / "cache").load()
    assert status.path == "interpreted"
    assert "no python" in status.warning


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_a_damaged_library_is_compiled_anew_with_a_warning(toy, warm_folder, damage):
    path = toy_path(toy, warm_folder)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "garbage": os.urandom(5_000), "empty": b""}[damage])
    machine = Machine("1", sources=toy, folder=warm_folder)
    status = machine.load()
    assert status.path == "compiled"
    assert "damaged" in status.warning
    assert scaled(machine, 1, 2) == 9
    assert Machine("1", sources=toy, folder=warm_folder).load().warning is None


def test_without_a_writable_cache_code_is_compiled_for_this_process_alone(toy, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    machine = Machine("1", sources=toy, folder=tmp_path / "file")
    status = machine.load()
    assert status.path == "compiled"
    assert "cannot be written" in status.warning
    assert scaled(machine, 1, 2) == 9
    assert list((tmp_path / "temporary").iterdir()) == []


def test_sources_that_change_meanwhile_are_not_kept(tmp_path):
    sources = toy_package(tmp_path)
    machine = Machine("1", sources=sources, folder=tmp_path / "cache")
    status = machine.load(lambda step: toy_package(tmp_path, factor=11))
    assert status.path == "interpreted"
    assert "changed" in status.warning
    assert not list((tmp_path / "cache").glob("*.lib"))


# -- processes ---------------------------------------------------------------------------------------


def child_command(job: Job) -> list[str]:
    words = [job.niceness, job.build, job.version, job.path, job.sources.root, *job.sources.rooms]
    return [sys.executable, "-P", "-m", "engine.arena.build", *map(str, words)]


def spawn_child(job: Job) -> subprocess.Popen[str]:
    return subprocess.Popen(
        child_command(job),
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{job.sources.root}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def job(toy: Sources, tmp_path: Path) -> Job:
    version = version_of(toy)
    return Job(toy, "compiled", version, library_path(tmp_path, "compiled", version), 0)


def test_a_compiler_is_nice_and_ends_with_its_parent(job):
    with spawn_child(job._replace(niceness=7)) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        child.send_signal(signal.SIGSTOP)  # in the middle of its work
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 7
        child.stdin.close()  # as the death of its parent does
        child.send_signal(signal.SIGCONT)
        assert child.wait(60) == 1
    assert list(job.path.parent.iterdir()) == []


def test_a_compiler_is_out_of_reach_of_ctrl_c(toy, tmp_path):
    groups: list[int] = []
    machine = Machine("1", sources=toy, folder=tmp_path)
    machine.load(lambda step: groups.append(os.getpgid(machine.child.pid)))
    assert os.getpgid(0) not in groups
    assert machine.status().path == "compiled"


def test_two_processes_may_build_at_once(job, toy):
    children = [spawn_child(job) for _ in range(2)]
    for child in children:
        with child:
            assert child.stdout is not None
            child.stdout.read()
    assert [child.returncode for child in children] == [0, 0]
    assert [file.name for file in job.path.parent.iterdir()] == [job.path.name]
    machine = Machine("1", sources=toy, folder=job.path.parent)
    assert machine.load().path == "compiled"
    assert machine.child is None
    assert scaled(machine, 1, 2) == 9


def run_python(code: str, **environment: str) -> str:
    """Standard output (or the error) of this code in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else done.stderr


def test_an_unknown_mode_is_refused_by_name():
    error = run_python("import engine.arena.machine", STORMDESK_JIT="yes")
    assert "UsageError: STORMDESK_JIT is 'yes'; it can be 1" in error


def test_importing_kernels_leaves_the_compiler_alone():
    code = (
        "import sys, engine.arena.machine, engine.book.kernels;"
        "print({'numba', 'llvmlite'} & set(sys.modules))"
    )
    assert run_python(code) == "set()\n"


def test_with_the_machine_off_loading_does_nothing():
    code = (
        "import sys; from engine.arena import machine; machine.start(); "
        "print(machine.load(), {'numba', 'llvmlite'} & set(sys.modules))"
    )
    assert run_python(code, STORMDESK_JIT="0").startswith("Status(path='interpreted', building=None")
    assert run_python(code, STORMDESK_JIT="0").endswith(" set()\n")


def test_a_warm_start_does_not_import_numba(toy, warm_folder):
    code = (
        "import sys; from pathlib import Path; from engine.arena.cache import Sources; "
        "from engine.arena.machine import Machine; "
        f"machine = Machine('1', sources=Sources(Path({str(toy.root)!r}), {toy.rooms!r}), "
        f"folder=Path({str(warm_folder)!r})); print(machine.load().path, 'numba' in sys.modules)"
    )
    assert run_python(code) == "compiled False\n"


# -- calls -------------------------------------------------------------------------------------------


def combine(a: int, b: int) -> int:
    return 10 * a + b


def spin(address: int, times: int) -> int:
    value = times
    for _ in range(times):
        value ^= value << 7
        value ^= value >> 9
    return value


Call = Callable[..., int]


@pytest.fixture(scope="module")
def calls() -> dict[str, Call]:
    return compiled((combine, spin))


def test_arguments_are_integers(calls):
    call = calls["combine"]
    assert call(4, 2) == call(np.int64(4), np.uint8(2)) == call(True, 32) == 42
    with pytest.raises(TypeError, match="float"):
        call(1.0, 2)
    with pytest.raises(OverflowError):
        call(1, 2**63)
    assert call(0, -1) == -1


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2, 3)])
def test_their_number_is_that_of_the_function(calls, arguments):
    with pytest.raises(TypeError, match=r"combine takes 2 integers"):
        calls["combine"](*arguments)


def test_a_call_lets_other_threads_run(calls):
    """With the lock held, this thread would not come to a single step before the call is over."""
    worker = threading.Thread(target=calls["spin"], args=(0, 200_000_000))
    worker.start()
    steps = 0
    while worker.is_alive():
        steps += 1
    assert steps > 1_000
