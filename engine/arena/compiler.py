"""From kernels to one piece of machine code: every kernel is lowered once, all are linked and optimised once.

numba by itself would do both for every kernel with all that it calls, and load the outcome, which takes
two and a half times as long. So it is used for what it does best, types and lowering, and its libraries
are left as parts; what follows is LLVM's (llvmlite). The same code comes out, to a percent of its speed.
"""

from __future__ import annotations

import dis
import types as python_types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import binding
from numba import njit
from numba.core import event, types
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import cpu_target
from numba.core.types import unliteral  # type: ignore[attr-defined]

from engine.arena.calls import Face, emit_faces
from engine.arena.compiled import LEAVES, begin_build
from engine.arena.functions import KERNELS
from engine.arena.library import Building, Library, Report, load_library, name_of

__all__ = ["Compiler"]


class Compiler:
    """Makes machine code of entries and of all that they call: one build a compiler."""

    def __init__(self, *, checked: bool) -> None:
        self._failures = begin_build(checked=checked)
        self._twins: dict[Callable[..., Any], Any] = {}

    def library(self, entries: Sequence[Callable[..., Any]], report: Report | None = None) -> Library:
        """All entries as one library."""
        twins = [self._twin(function) for function in entries]
        faces: list[Face] = []
        parts: dict[Any, None] = {}
        listener = _Listener({twin: function.__name__ for function, twin in self._twins.items()}, report)
        with _lowering_only(), event.install_listener("numba:compile", listener):
            for function, twin in zip(entries, twins, strict=True):
                arguments = (types.int64,) * function.__code__.co_argcount
                twin.compile(types.int64(*arguments))
                kernel = twin.overloads[arguments]
                faces.append(Face(name_of(function), kernel.fndesc.llvm_func_name, len(arguments)))
                _collect(kernel.library, parts)
        module = binding.parse_assembly(emit_faces(faces, self._failures))
        for part in parts:
            module.link_in(_linkable(part))
        _make_private(module)
        return Library(tuple(face.name for face in faces), _machine_code(module))

    def compile(self, function: Callable[..., Any]) -> Callable[..., int]:
        """One entry alone, loaded."""
        return load_library(self.library([function]))[name_of(function)]

    def _twin(self, function: Callable[..., Any]) -> Any:
        """The dispatcher of a kernel: the same code, with kernels and leaves among its globals replaced."""
        if function in LEAVES:
            return LEAVES[function]
        if function not in self._twins:
            inner = {
                name: self._twin(value)
                for name in _globals_of(function)
                if callable(value := function.__globals__.get(name)) and (value in KERNELS or value in LEAVES)
            }
            copy = python_types.FunctionType(
                function.__code__, {**function.__globals__, **inner}, function.__name__, function.__defaults__
            )
            copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
            self._twins[function] = _without_literals(
                njit(
                    error_model="numpy",
                    forceinline=KERNELS[function] == "inlined",
                    no_cpython_wrapper=True,
                    no_cfunc_wrapper=True,
                )(copy)
            )
        return self._twins[function]


def _without_literals(dispatcher: Any) -> Any:
    """Types constant arguments like any others: numba would compile a kernel anew for every constant that
    it is called with, which doubles the time and gains nothing, since the optimiser sees them anyway."""
    typed = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: typed(tuple(unliteral(arg) for arg in args), kws)
    return dispatcher


def _globals_of(function: Callable[..., Any]) -> dict[str, None]:
    """Names of the globals that a function loads, in order; co_names has those of its attributes, too."""
    steps = dis.get_instructions(function)
    return dict.fromkeys(step.argval for step in steps if step.opname == "LOAD_GLOBAL")


class _Listener(event.Listener):  # type: ignore[misc]
    """Follows numba through the kernels: each is compiled when its first caller is half-way."""

    def __init__(self, names: dict[Any, str], report: Report | None) -> None:
        self._names = names
        self._report = report
        self._under_way = ["machine code"]
        self._done: set[Any] = set()

    def on_start(self, started: Any) -> None:
        if (twin := started.data["dispatcher"]) in self._names:
            self._under_way.append(self._names[twin])
            self._tell()

    def on_end(self, ended: Any) -> None:
        if (twin := ended.data["dispatcher"]) in self._names:
            self._under_way.pop()
            self._done.add(twin)
            self._tell()

    def _tell(self) -> None:
        if self._report is not None:
            self._report(Building(len(self._done), len(self._names), self._under_way[-1]))


class _Part(JITCodeLibrary):  # type: ignore[misc]
    """A lowered kernel. numba's own libraries are finished (linked, optimised, loaded) when they are added
    to another; this one waits until somebody else than us needs that."""

    def add_linking_library(self, library: Any) -> None:
        self._linking_libraries.append(library)


@contextmanager
def _lowering_only() -> Iterator[None]:
    """Within it, numba leaves what it compiles as parts, and makes nothing that can be called."""
    target = cpu_target.target_context
    codegen = target.codegen()
    before = codegen._library_class
    codegen._library_class = _Part
    # What callers know a kernel by: any built-in function, each another. numba would ask the library for the
    # address of its machine code here, which makes it.
    target.get_executable = lambda library, kernel, environment: [].append
    try:
        yield
    finally:
        del target.get_executable
        codegen._library_class = before


def _collect(part: Any, parts: dict[Any, None]) -> None:
    """A part and all that it needs, each once."""
    if part not in parts:
        parts[part] = None
        for needed in part._linking_libraries:
            _collect(needed, parts)


def _linkable(part: Any) -> binding.ModuleRef:
    """A part whose functions vanish where nobody calls them any more."""
    module = binding.parse_assembly(part.get_llvm_str())
    for function in module.functions:
        if not function.is_declaration and function.linkage == binding.Linkage.external:
            function.linkage = binding.Linkage.linkonce_odr
    return module


def _make_private(module: binding.ModuleRef) -> None:
    """Leaves Python's functions as the only ones that can be called from outside. Of what only we call, LLVM
    may know that it never fails and what it returns; it drops what that makes superfluous in the callers."""
    for function in module.functions:
        if not function.is_declaration and function.linkage == binding.Linkage.linkonce_odr:
            function.linkage = binding.Linkage.internal


def _machine_code(module: binding.ModuleRef) -> bytes:
    """Optimised for this processor, as numba sees it: code that runs where it was made."""
    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static" if target.name.startswith("x86") else "default",
        codemodel="jitdefault",
        jit=True,
    )
    module.verify()
    options = binding.create_pipeline_tuning_options(speed_level=3)
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)  # type: ignore[no-any-return]
