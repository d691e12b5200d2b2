"""How Python calls machine code: one C function per entry, taking and returning Python integers.

numba's own way in costs a third of a second of imports and ctypes half a microsecond a call; this one needs
neither. Per entry it emits what a C extension would hold (METH_FASTCALL):

    PyObject *entry(PyObject *self, PyObject *const *arguments, Py_ssize_t count)

which unpacks the integers, lets go of the interpreter lock, runs the kernel, takes the lock back and gives
the result, or raises what the kernel's status stands for. In the checked build kernels fail with a status
from FIRST_FAILURE on; a kernel of the fast build never fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llvmlite import binding, ir

from engine.arena.library import ENTRY_SYMBOL, ERROR_SYMBOL, ERRORS

__all__ = ["FIRST_FAILURE", "Face", "Failure", "emit_faces"]

FIRST_FAILURE = 2
"""Status of a kernel's first own failure. numba has 0 for success, 1 and below 0 for its own errors."""

_WORD, _INT, _BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)
_POINTER = _BYTE.as_pointer()
_ARGUMENTS = _POINTER.as_pointer()
_NULL = ir.Constant(_POINTER, None)


class Face(NamedTuple):
    """An entry as Python and as the linker see it."""

    name: str
    native: str
    """Symbol of the kernel, as numba named it."""
    arity: int


class Failure(NamedTuple):
    """What a kernel's status stands for."""

    error: str
    """One of ERRORS."""
    text: str


def emit_faces(faces: Sequence[Face], failures: Sequence[Failure]) -> str:
    """LLVM assembly of all C functions; the kernels they call are declared, to be linked in."""
    module = ir.Module("faces")
    module.triple = binding.get_process_triple()
    raise_failure = _emit_raise(module, failures)
    for face in faces:
        _emit_face(module, face, raise_failure)
    return str(module)


def _emit_face(module: ir.Module, face: Face, raise_failure: Any) -> None:
    kind = ir.FunctionType(_POINTER, [_POINTER, _ARGUMENTS, _WORD])
    function = ir.Function(module, kind, ENTRY_SYMBOL.format(face.name))
    _, arguments, count = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    result, trace = builder.alloca(_WORD), builder.alloca(_POINTER)
    builder.store(_NULL, trace)
    with builder.if_then(builder.icmp_signed("!=", count, ir.Constant(_WORD, face.arity)), likely=False):
        _raise(builder, "TypeError", f"{face.name} takes {face.arity} integers")
        builder.ret(_NULL)
    words = [_unpack(builder, arguments, i) for i in range(face.arity)]
    state = _call(builder, "PyEval_SaveThread", _POINTER)
    status = _call(builder, face.native, _INT, result, trace, *words)
    _call(builder, "PyEval_RestoreThread", ir.VoidType(), state)
    with builder.if_then(builder.icmp_signed("!=", status, ir.Constant(_INT, 0)), likely=False):
        builder.call(raise_failure, [status])
        builder.ret(_NULL)
    builder.ret(_call(builder, "PyLong_FromLongLong", _POINTER, builder.load(result)))


def _unpack(builder: ir.IRBuilder, arguments: Any, i: int) -> Any:
    """Argument i as an int64; the C function returns if it is none."""
    argument = builder.load(builder.gep(arguments, [ir.Constant(_WORD, i)]))
    word = _call(builder, "PyLong_AsLongLong", _WORD, argument)
    with builder.if_then(builder.icmp_signed("==", word, ir.Constant(_WORD, -1)), likely=False):
        error = _call(builder, "PyErr_Occurred", _POINTER)
        with builder.if_then(builder.icmp_unsigned("!=", error, _NULL)):
            builder.ret(_NULL)
    return word


def _emit_raise(module: ir.Module, failures: Sequence[Failure]) -> Any:
    """The function that turns a status into a Python exception."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_INT]), "raise_failure")
    builder = ir.IRBuilder(function.append_basic_block())
    otherwise = function.append_basic_block()
    switch = builder.switch(function.args[0], otherwise)
    for status, failure in enumerate(failures, FIRST_FAILURE):
        block = function.append_basic_block()
        switch.add_case(ir.Constant(_INT, status), block)
        builder.position_at_end(block)
        _raise(builder, failure.error, failure.text)
        builder.ret_void()
    builder.position_at_end(otherwise)
    _raise(builder, "SystemError", "a kernel raised an exception of its own")
    builder.ret_void()
    return function


def _raise(builder: ir.IRBuilder, error: str, text: str) -> None:
    assert error in ERRORS
    data = bytearray(text.encode() + b"\0")
    kind = ir.ArrayType(_BYTE, len(data))
    name = builder.module.get_unique_name("text")
    constant = ir.GlobalVariable(builder.module, kind, name)
    constant.linkage, constant.global_constant = "internal", True
    constant.initializer = ir.Constant(kind, data)
    symbol = ERROR_SYMBOL.format(error)
    try:
        exception = builder.module.get_global(symbol)
    except KeyError:
        exception = ir.GlobalVariable(builder.module, _BYTE, symbol)
    _call(builder, "PyErr_SetString", ir.VoidType(), exception, builder.bitcast(constant, _POINTER))


def _call(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: Any) -> Any:
    """Calls a function that is defined elsewhere."""
    try:
        function = builder.module.get_global(name)
    except KeyError:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = ir.Function(builder.module, kind, name)
    return builder.call(function, arguments)
