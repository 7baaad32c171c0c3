"""Eight numbers at a time in compiled loops: a vector type for numba, which the processor's vector registers hold.

Numba leaves it to the compiler to find what can be done eight at a time, and where an array is both read and written
the compiler does not dare to. Here the code says so itself; processors with narrower registers take two steps for one.
"""

import operator
from collections.abc import Callable
from typing import Any, ClassVar

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INDEX = ir.IntType(32)


def _operation(build: Callable[..., Any]) -> Any:
    """Make something that compiled loops can call; it takes away the first argument, which types cannot say."""
    return intrinsic(build)


class LanesType(types.Type):
    """The numba type of eight float32."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, front_end: Any) -> None:
        super().__init__(manager, front_end, _VECTOR)


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@_operation
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Return eight neighbours in a contiguous float32 vector, from `index` on; the bounds are not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(_place(context, builder, signature.args[0], *arguments))
        loaded.align = 4
        return loaded

    return lanes(array, types.intp), generate


@_operation
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write eight neighbours into a contiguous float32 vector, from `index` on; the bounds are not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where = _place(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], where).align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@_operation
def spread(typing_context: Any, number: Any) -> Any:
    """Return one float32 eight times."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(nothing, arguments[0], ir.Constant(_INDEX, 0))
        return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))

    return lanes(types.float32), generate


@_operation
def root(typing_context: Any, value: Any) -> Any:
    """Return the square roots."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        form = ir.FunctionType(_VECTOR, [_VECTOR])
        square_root = cgutils.get_or_insert_function(builder.module, form, f"llvm.sqrt.v{LANES}f32")
        return builder.call(square_root, arguments)

    return lanes(lanes), generate


@_operation
def transposed(typing_context: Any, rows: Any) -> Any:
    """Return the columns of eight rows, given and returned as a tuple."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = cgutils.unpack_tuple(builder, arguments[0], LANES)
        for step in (1, 2, 4):  # swap what lies off the diagonal, in blocks of one, two and four
            swapped = list(parts)
            for i in (i for i in range(LANES) if not i & step):
                low, high = parts[i], parts[i + step]
                kept = [j if not j & step else j - step + LANES for j in range(LANES)]
                moved = [j + step if not j & step else j + LANES for j in range(LANES)]
                swapped[i], swapped[i + step] = (
                    builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_INDEX, LANES), places))
                    for places in (kept, moved)
                )
            parts = swapped
        return cgutils.pack_array(builder, parts)

    return types.UniTuple(lanes, LANES)(types.UniTuple(lanes, LANES)), generate


def _define(symbol: Any, instruction: str) -> None:
    """Let `a symbol b` stand for one instruction; a product and a sum may become one, where the processor can."""

    class Operator(ConcreteTemplate):
        cases: ClassVar = [signature(lanes, lanes, lanes)]

    def generate(context: Any, builder: Any, types_of: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments, flags=("contract",))

    infer_global(symbol)(Operator)
    lower_builtin(symbol, lanes, lanes)(generate)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
