"""What records, tables and leaves are to the compiler: addresses, loads, stores, single instructions.

Imported only when something is compiled: numba takes a third of a second.

    Record row    its address                 field: one load or store at address + offset
    Table         address and length          table[i]: address + i * itemsize
    Wide          the field's address         add_product, take, add, sign: 128-bit instructions

In the checked build every table index is compared with the length, and `check` raises AssertionError.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import (
    intrinsic,
    lower_builtin,
    register_model,
    typeof_impl,
)
from numba.core.imputils import lower_constant, lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    bound_function,
    infer_getattr,
    infer_global,
    signature,
)

from engine.arena import leaves
from engine.arena.calls import FIRST_FAILURE, Failure
from engine.arena.layout import Field, Record, RecordType

__all__ = ["LEAVES", "begin_build"]

_WORD = ir.IntType(64)
_WIDE = ir.IntType(128)
_IN_MEMORY = {
    "i8": _WORD,
    "i4": ir.IntType(32),
    "u4": ir.IntType(32),
    "u1": ir.IntType(8),
    "f8": ir.DoubleType(),
}
_checked = False
"""Whether what is being compiled checks its indices; one build at a time."""
_failures: list[Failure] = []
"""All that can fail in what is being compiled; a place in this list is a status (calls.py)."""


def begin_build(*, checked: bool) -> list[Failure]:
    """What is lowered from here on belongs to a new build. Returns the list of all that can fail in it,
    which grows meanwhile."""
    global _checked
    _checked = checked
    _failures.clear()
    return _failures


# -- types -------------------------------------------------------------------------------------------


class _RecordClass(types.Type):
    """A record type itself, as in `Order.at(address)`."""

    def __init__(self, record: type[Record]) -> None:
        self.record = record
        super().__init__(name=f"RecordClass({record.__module__}.{record.__qualname__})")


class _Row(types.Type):
    def __init__(self, record: type[Record]) -> None:
        self.record = record
        super().__init__(name=f"Row({record.__module__}.{record.__qualname__})")


class _Table(types.Type):
    def __init__(self, record: type[Record]) -> None:
        self.record = record
        super().__init__(name=f"Table({record.__module__}.{record.__qualname__})")


class _Wide(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Wide")


_wide = _Wide()

register_model(_RecordClass)(models.OpaqueModel)


@register_model(_Row)
@register_model(_Wide)
class _AddressModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _WORD)


@register_model(_Table)
class _TableModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, [("address", types.int64), ("length", types.int64)])


@typeof_impl.register(RecordType)
def _type_of_record_class(record: type[Record], _context: Any) -> types.Type:
    return _RecordClass(record)


@lower_constant(_RecordClass)
def _record_class_constant(context: Any, _builder: Any, _type: Any, _value: Any) -> Any:
    return context.get_dummy_value()


def _type_of_field(field: Field) -> types.Type:
    if field.code == "table":
        return _Table(field.target)
    if field.code == "row":
        return _Row(field.target)
    if field.code == "wide":
        return _wide
    return types.float64 if field.code == "f8" else types.int64


@infer_getattr
class _RowAttributes(AttributeTemplate):  # type: ignore[misc]
    key = _Row

    def generic_resolve(self, row: _Row, name: str) -> types.Type | None:
        field = row.record.fields.get(name)
        if field is not None:
            return _type_of_field(field)
        return types.int64 if name == "address" else None


@infer_getattr
class _RecordClassAttributes(AttributeTemplate):  # type: ignore[misc]
    key = _RecordClass

    @bound_function("record.at")
    def resolve_at(self, cls: _RecordClass, args: Any, _kws: Any) -> Any:
        return signature(_Row(cls.record), *args)

    @bound_function("record.table")
    def resolve_table(self, cls: _RecordClass, args: Any, _kws: Any) -> Any:
        return signature(_Table(cls.record), *args)


@infer_getattr
class _WideAttributes(AttributeTemplate):  # type: ignore[misc]
    key = _Wide

    @bound_function("wide.add_product")
    def resolve_add_product(self, _wide: _Wide, args: Any, _kws: Any) -> Any:
        return signature(types.void, *(types.int64,) * 3)

    @bound_function("wide.take")
    def resolve_take(self, wide: _Wide, args: Any, _kws: Any) -> Any:
        return signature(types.void, wide)

    @bound_function("wide.add")
    def resolve_add(self, wide: _Wide, args: Any, _kws: Any) -> Any:
        return signature(types.void, wide)

    @bound_function("wide.sign")
    def resolve_sign(self, _wide: _Wide, args: Any, _kws: Any) -> Any:
        return signature(types.int64)


@infer_global(operator.getitem)
class _TableItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        table, index = args
        if isinstance(table, _Table) and isinstance(index, types.Integer):
            return signature(_Row(table.record), table, types.int64)
        return None


@infer_global(len)
class _TableLength(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        (table,) = args
        return signature(types.int64, table) if isinstance(table, _Table) else None


# -- loads and stores --------------------------------------------------------------------------------


@lower_getattr_generic(_Row)
def _load_field(context: Any, builder: Any, row: _Row, address: Any, name: str) -> Any:
    if name == "address" and name not in row.record.fields:
        return address
    field = row.record.fields[name]
    if field.code == "wide":
        return builder.add(address, ir.Constant(_WORD, field.offset))
    if field.code == "table":
        struct = context.make_helper(builder, _Table(field.target))
        struct.address = _load(builder, row, address, field)
        struct.length = _load(builder, row, address, _length_of(field))
        return struct._getvalue()
    value = _load(builder, row, address, field)
    if field.code == "i4":
        return builder.sext(value, _WORD)
    return builder.zext(value, _WORD) if field.code in ("u4", "u1") else value


@lower_setattr_generic(_Row)
def _store_field(context: Any, builder: Any, sig: Any, args: Any, name: str) -> None:
    address, value = args
    field = sig.args[0].record.fields[name]
    if field.record is not None:
        raise TypeError(f"{name} leads to other rows: only Python may change that, between two entries")
    value = context.cast(builder, value, sig.args[1], _type_of_field(field))
    if field.code in ("i4", "u4", "u1"):
        value = builder.trunc(value, _IN_MEMORY[field.code])
    _store(builder, sig.args[0], address, field, value)


def _load(builder: Any, row: _Row, address: Any, field: Field) -> Any:
    instruction = builder.load(_pointer(builder, address, field))
    _tell_apart(builder, instruction, row, field)
    if field.record is not None:  # where tables stand, kernels do not change (see `_store_field`)
        instruction.set_metadata("invariant.load", builder.module.add_metadata([]))
    return instruction


def _store(builder: Any, row: _Row, address: Any, field: Field, value: Any) -> None:
    _tell_apart(builder, builder.store(value, _pointer(builder, address, field)), row, field)


def _pointer(builder: Any, address: Any, field: Field) -> Any:
    if field.offset:
        address = builder.add(address, ir.Constant(_WORD, field.offset))
    return builder.inttoptr(address, _IN_MEMORY.get(field.code, _WORD).as_pointer())


def _tell_apart(builder: Any, instruction: Any, row: _Row, field: Field) -> None:
    """Tells LLVM which field this is: a store to one leaves all others as they were, so what was loaded of
    them is still good. True because no memory is ever read as rows of two types."""
    metadata = builder.module.add_metadata
    root = metadata(["records"])
    name = f"{row.record.__module__}.{row.record.__qualname__}.{field.name}"
    kind = metadata([name, root, ir.Constant(_WORD, 0)])
    instruction.set_metadata("tbaa", metadata([kind, kind, ir.Constant(_WORD, 0)]))


def _length_of(table: Field) -> Field:
    return table._replace(name=f"{table.name}.length", offset=table.offset + 8)


@lower_builtin(operator.getitem, _Table, types.int64)
def _row_of_table(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    table, index = args
    struct = context.make_helper(builder, sig.args[0], table)
    if _checked:
        outside = builder.icmp_unsigned(">=", index, struct.length)
        with builder.if_then(outside, likely=False):
            _fail(builder, "IndexError", f"an index outside a table of {sig.args[0].record.__name__}")
    size = ir.Constant(_WORD, sig.args[0].record.itemsize)
    return builder.add(struct.address, builder.mul(index, size))


@lower_builtin(len, _Table)
def _length_of_table(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return context.make_helper(builder, sig.args[0], args[0]).length


@lower_builtin("record.at", _RecordClass, types.int64)
def _row_at(_context: Any, _builder: Any, _sig: Any, args: Any) -> Any:
    return args[1]


@lower_builtin("record.table", _RecordClass, types.int64, types.int64)
def _table_at(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    struct = context.make_helper(builder, sig.return_type)
    struct.address, struct.length = args[1], args[2]
    return struct._getvalue()


@lower_builtin("wide.add_product", _Wide, types.int64, types.int64, types.int64)
def _add_product(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
    pointer = builder.inttoptr(args[0], _WIDE.as_pointer())
    a, b, c = (builder.sext(factor, _WIDE) for factor in args[1:])
    product = builder.mul(builder.mul(a, b), c)
    builder.store(builder.add(builder.load(pointer, align=8), product), pointer, align=8)
    return context.get_dummy_value()


@lower_builtin("wide.take", _Wide, _Wide)
def _take(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
    target, source = (builder.inttoptr(address, _WIDE.as_pointer()) for address in args)
    builder.store(builder.load(source, align=8), target, align=8)
    return context.get_dummy_value()


@lower_builtin("wide.add", _Wide, _Wide)
def _add(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
    target, source = (builder.inttoptr(address, _WIDE.as_pointer()) for address in args)
    total = builder.add(builder.load(target, align=8), builder.load(source, align=8))
    builder.store(total, target, align=8)
    return context.get_dummy_value()


@lower_builtin("wide.sign", _Wide)
def _sign(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
    value = builder.load(builder.inttoptr(args[0], _WIDE.as_pointer()), align=8)
    zero = ir.Constant(_WIDE, 0)
    above = builder.zext(builder.icmp_signed(">", value, zero), _WORD)
    below = builder.zext(builder.icmp_signed("<", value, zero), _WORD)
    return builder.sub(above, below)


def _fail(builder: Any, error: str, text: str) -> None:
    """The kernel ends here with a status of its own, which its callers hand on."""
    symbol = builder.function.name.removeprefix("_ZN")
    name = ""
    while length := re.match(r"\d+", symbol):  # numba's mangling: words with their lengths before them
        end = length.end() + int(length[0])
        name, symbol = symbol[length.end() : end], symbol[end:]
    failure = Failure(error, f"{text} in {name}")
    if failure not in _failures:
        _failures.append(failure)
    builder.ret(ir.Constant(ir.IntType(32), FIRST_FAILURE + _failures.index(failure)))


# -- leaves ------------------------------------------------------------------------------------------


def _word_leaf(emit: Callable[..., Any], arity: int) -> Any:
    """An intrinsic of `arity` int64 arguments and an int64 result."""

    def codegen(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return emit(builder, *args)

    if arity == 1:
        return intrinsic(lambda _typing, a: (types.int64(types.int64), codegen))
    return intrinsic(lambda _typing, a, b: (types.int64(types.int64, types.int64), codegen))


def _halves(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
    product = builder.mul(builder.zext(a, _WIDE), builder.zext(b, _WIDE))
    high = builder.trunc(builder.lshr(product, ir.Constant(_WIDE, 64)), _WORD)
    return high, builder.trunc(product, _WORD)


@intrinsic
def _prefetch(_typing: Any, row: Any) -> Any:
    def codegen(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        i32, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        flags = [ir.Constant(i32, flag) for flag in (0, 3, 1)]  # read, keep, data
        builder.call(function, [builder.inttoptr(args[0], pointer), *flags])
        return context.get_dummy_value()

    return types.void(row), codegen


@intrinsic
def _check(_typing: Any, holds: Any) -> Any:
    def codegen(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        if _checked:
            with builder.if_then(builder.not_(args[0]), likely=False):
                _fail(builder, "AssertionError", "an invariant does not hold")
        return context.get_dummy_value()

    return types.void(types.boolean), codegen


@intrinsic
def _move_rows(_typing: Any, table: Any, source: Any, to: Any, count: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        struct = context.make_helper(builder, sig.args[0], args[0])
        record = sig.args[0].record
        pointer = ir.IntType(8).as_pointer()
        places = []
        for first in (args[2], args[1]):
            if _checked:
                end = builder.add(first, args[3])
                below = builder.icmp_signed("<", first, ir.Constant(_WORD, 0))
                outside = builder.or_(below, builder.icmp_signed(">", end, struct.length))
                with builder.if_then(outside, likely=False):
                    _fail(builder, "IndexError", f"rows outside a table of {record.__name__}")
            offset = builder.mul(first, ir.Constant(_WORD, record.itemsize))
            places.append(builder.inttoptr(builder.add(struct.address, offset), pointer))
        size = builder.mul(args[3], ir.Constant(_WORD, record.itemsize))
        kind = ir.FunctionType(ir.VoidType(), [pointer, pointer, _WORD, ir.IntType(1)])
        function = builder.module.declare_intrinsic("llvm.memmove", [pointer, pointer, _WORD], kind)
        builder.call(function, [*places, size, ir.Constant(ir.IntType(1), 0)])
        return context.get_dummy_value()

    return types.void(table, types.int64, types.int64, types.int64), codegen


def _big_endian_leaf(bits: int) -> Any:
    """An intrinsic that loads `bits` bits at any byte of a table, the most significant byte first."""
    in_memory = ir.IntType(bits)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        struct = context.make_helper(builder, sig.args[0], args[0])
        record = sig.args[0].record
        if _checked:
            size = builder.mul(struct.length, ir.Constant(_WORD, record.itemsize))
            end = builder.add(args[1], ir.Constant(_WORD, bits // 8))
            below = builder.icmp_signed("<", args[1], ir.Constant(_WORD, 0))
            outside = builder.or_(below, builder.icmp_signed(">", end, size))
            with builder.if_then(outside, likely=False):
                _fail(builder, "IndexError", f"bytes outside a table of {record.__name__}")
        place = builder.inttoptr(builder.add(struct.address, args[1]), in_memory.as_pointer())
        value = builder.bswap(builder.load(place, align=1))
        return value if bits == 64 else builder.zext(value, _WORD)

    return intrinsic(lambda _typing, table, at: (types.int64(table, types.int64), codegen))


LEAVES: dict[Callable[..., Any], Any] = {
    leaves.big_word: _big_endian_leaf(64),
    leaves.big_half: _big_endian_leaf(32),
    leaves.big_short: _big_endian_leaf(16),
    leaves.wrapped_sum: _word_leaf(lambda builder, a, b: builder.add(a, b), 2),
    leaves.wrapped_product: _word_leaf(lambda builder, a, b: builder.mul(a, b), 2),
    leaves.shifted_right: _word_leaf(lambda builder, a, b: builder.lshr(a, b), 2),
    leaves.high_product: _word_leaf(lambda builder, a, b: _halves(builder, a, b)[0], 2),
    leaves.folded_product: _word_leaf(lambda builder, a, b: builder.xor(*_halves(builder, a, b)), 2),
    leaves.swapped_bytes: _word_leaf(lambda builder, word: builder.bswap(word), 1),
    leaves.prefetch: _prefetch,
    leaves.check: _check,
    leaves.move_rows: _move_rows,
}
