"""Four numbers at once, for kernels that fetch whole pixels: red, green, blue and, unused, the red of the next.

Pixels are written in their order, so that each corrects the fourth number of the one before it.

A compiler that meets the loop over three channels does each by itself. These functions give it the four as one vector,
which it adds and multiplies lane by lane, with the same IEEE arithmetic as the single numbers.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel.models import PrimitiveModel
from numba.core.datamodel.registry import register_default
from numba.extending import intrinsic, overload

from stormbench.corruptions.kernels.compiled import UNIT32, compiled

LANES = 4
_ELEMENTS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.uint8: ir.IntType(8)}


class Four(types.Type):
    """The type of four numbers, inside kernels only."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Four({element})")


@register_default(Four)
class _FourModel(PrimitiveModel):
    def __init__(self, manager: Any, four: Four) -> None:
        super().__init__(manager, four, _vector(four.element))  # type: ignore[no-untyped-call]


def _vector(element: Any) -> ir.VectorType:
    return ir.VectorType(_ELEMENTS[element], LANES)


def _place(context: Any, builder: Any, array: Any, value: Any, index: Any) -> Any:
    first = builder.gep(context.make_array(array)(context, builder, value).data, [index])
    return builder.bitcast(first, _vector(array.dtype).as_pointer())


def _load(typing: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """``array[index : index + 4]`` of a contiguous array; nothing checks that it is inside."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        found = builder.load(_place(context, builder, array, *arguments))
        found.align = array.dtype.bitwidth // 8
        return found

    return Four(array.dtype)(array, index), generate


def _store(typing: Any, array: Any, index: Any, value: Any) -> Any:  # noqa: ARG001
    """Writes four numbers to ``array[index : index + 4]``; nothing checks that it is inside."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        made = builder.store(arguments[2], _place(context, builder, array, *arguments[:2]))
        made.align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, index, value), generate


def _spread(typing: Any, number: Any) -> Any:  # noqa: ARG001
    """One number, four times."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        vector, places = _vector(number), ir.VectorType(ir.IntType(32), LANES)
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), arguments[0], ir.IntType(32)(0))
        return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), ir.Constant(places, [0] * LANES))

    return Four(number)(number), generate


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
spread: Any = intrinsic(_spread)


def _conversion(element: Any, instruction: str) -> Any:
    def convert(typing: Any, four: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            return getattr(builder, instruction)(arguments[0], _vector(element))

        return Four(element)(four), generate

    return intrinsic(convert)


widened = _conversion(types.float64, "fpext")
"""Single precision to double."""

narrowed = _conversion(types.float32, "fptrunc")
"""Double precision, rounded to single."""

truncated = _conversion(types.uint8, "fptoui")
"""Numbers of 0 .. 255.9, their fractions cut off."""


def _arithmetic(operation: Callable[[Any, Any], Any], instruction: str) -> None:
    def add_or_multiply(typing: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            return getattr(builder, instruction)(*arguments)

        return a(a, b), generate

    combine: Any = intrinsic(add_or_multiply)

    @overload(operation)
    def choose(a, b):  # type: ignore[no-untyped-def]
        if isinstance(a, Four) and a == b:
            return lambda a, b: combine(a, b)
        return None


_arithmetic(operator.add, "fadd")
_arithmetic(operator.mul, "fmul")


@compiled
def fill_unit_values(levels, values):  # type: ignore[no-untyped-def]
    """All values of an image in 0..1, in single precision, and one more, so that the last pixel can be loaded.

    Args:
        levels: (n,), uint8.
        values: (n + 1,), float32, written.
    """
    for x in range(levels.size):
        values[x] = UNIT32[levels[x]]
    values[levels.size] = 0
