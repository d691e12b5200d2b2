"""A library: the machine code of all entries as one piece, in a file and in memory.

Loading needs LLVM's linker (llvmlite) but not numba: 0.04 s instead of 0.4 s. The bytes are trusted as
Python's own caches are; cache.py makes sure that they are those which were written.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "ENTRY_SYMBOL",
    "ERRORS",
    "ERROR_SYMBOL",
    "Building",
    "Library",
    "Report",
    "load_library",
    "name_of",
]

ENTRY_SYMBOL = "entry.{}"
"""Symbol of the C function of an entry, by its name."""
ERROR_SYMBOL = "error.{}"
"""Symbol of a Python exception. (numba binds names like PyExc_TypeError to something else than C does.)"""
ERRORS = {error.__name__: error for error in (AssertionError, IndexError, SystemError, TypeError)}
"""What an entry can raise."""

_METH_FASTCALL = 0x80


class Library(NamedTuple):
    """Object code and the names of the entries in it."""

    entries: tuple[str, ...]
    code: bytes


class Building(NamedTuple):
    """How far a library is that is being made."""

    done: int
    """Kernels compiled."""
    total: int
    """0 as long as nobody has counted them."""
    name: str
    """The one under way."""


Report = Callable[[Building], object]
"""What wants to know at each step."""


class _MethodDefinition(ctypes.Structure):
    """PyMethodDef of Python's C interface."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_loaded: list[Any] = []
"""What built-in functions point to: it must live as long as the process."""


def name_of(function: Callable[..., Any]) -> str:
    """How an entry is called in a library."""
    return f"{function.__module__}.{function.__qualname__}"


def load_library(library: Library) -> dict[str, Callable[..., int]]:
    """Puts the code into memory. Each entry is a built-in function of integers to an integer.

    Raises ImportError without llvmlite. The code must be whole: LLVM ends the process over a symbol that
    it cannot find.
    """
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    for name, error in ERRORS.items():
        binding.add_symbol(ERROR_SYMBOL.format(name), id(error))
    target = binding.Target.from_default_triple().create_target_machine(jit=True)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target)
    engine.add_object_file(binding.ObjectFileRef.from_data(library.code))
    engine.finalize_object()
    _loaded.append(engine)
    return {
        name: _builtin(name, engine.get_function_address(ENTRY_SYMBOL.format(name)))
        for name in library.entries
    }


def _builtin(name: str, address: int) -> Callable[..., int]:
    """The Python function around a C function with METH_FASTCALL."""
    definition = _MethodDefinition(name.encode(), address, _METH_FASTCALL, None)
    _loaded.append(definition)
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.argtypes, new.restype = (ctypes.c_void_p,) * 3, ctypes.py_object
    return new(ctypes.addressof(definition), None, None)  # type: ignore[no-any-return]
