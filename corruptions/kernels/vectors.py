"""Vectors of whole numbers for kernels that are written instruction by instruction.

Arithmetic on ``Vector`` writes LLVM instructions. A function of plain ``+ - * >> << &`` therefore works on numpy
arrays of int32 (so it is tested) and, given vectors, becomes machine code for as many lanes as they have, without a
loop that the compiler would first have to understand: that takes numba ten times as long to compile.

Whole numbers have 32 bits and wrap around; numba's own would be widened to 64, with half the lanes and the slowest of
multiplications.
"""

from collections.abc import Iterable
from inspect import signature as signature_of
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BYTE, SHORT, WORD, SINGLE = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.FloatType()


class Vector:
    """Some equal numbers side by side, or a single one.

    Attributes:
        builder: where instructions are written.
        value: LLVM's value, a vector.
    """

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    def _wrapped(self, value: Any) -> "Vector":
        return Vector(self.builder, value)

    def _operand(self, other: Any) -> Any:
        return other.value if isinstance(other, Vector) else ir.Constant(self.value.type, self._repeated(other))

    def _repeated(self, number: Any) -> list[Any]:
        numbers = list(number) if isinstance(number, Iterable) else [number] * self.value.type.count
        return [ir.Constant(self.value.type.element, each) for each in numbers]

    def _combined(self, whole: str, single: str, other: Any) -> "Vector":
        name = single if self.value.type.element == SINGLE else whole
        return self._wrapped(getattr(self.builder, name)(self.value, self._operand(other)))

    def __add__(self, other: Any) -> "Vector":
        return self._combined("add", "fadd", other)

    def __sub__(self, other: Any) -> "Vector":
        return self._combined("sub", "fsub", other)

    def __mul__(self, other: Any) -> "Vector":
        return self._combined("mul", "fmul", other)

    def __rshift__(self, bits: int) -> "Vector":
        return self._combined("ashr", "", bits)

    def __lshift__(self, bits: int) -> "Vector":
        return self._combined("shl", "", bits)

    def __and__(self, mask: int) -> "Vector":
        return self._combined("and_", "", mask)

    def __or__(self, other: Any) -> "Vector":
        return self._combined("or_", "", other)

    def clipped(self, low: int, high: int) -> "Vector":
        """Whole numbers, brought into low .. high."""
        value = self.value
        for sign, bound in ((">", low), ("<", high)):
            edge = self._operand(bound)
            value = self.builder.select(self.builder.icmp_signed(sign, value, edge), value, edge)
        return self._wrapped(value)

    def of(self, element: Any) -> "Vector":
        """Converted: bytes are without sign, 16 and 32 bits with one; wider to narrower cuts off, as floats do."""
        return self._wrapped(
            getattr(self.builder, _conversion(self.value.type.element, element))(
                self.value, ir.VectorType(element, self.value.type.count)
            )
        )

    def picked(self, places: Iterable[int], other: "Vector | None" = None) -> "Vector":
        """The numbers at these places of this vector, and of ``other`` behind it."""
        chosen = list(places)
        mask = ir.Constant(ir.VectorType(WORD, len(chosen)), [WORD(place) for place in chosen])
        second = ir.Constant(self.value.type, ir.Undefined) if other is None else other.value
        return self._wrapped(self.builder.shuffle_vector(self.value, second, mask))


def _conversion(old: Any, new: Any) -> str:
    if SINGLE in (old, new):
        return "fptosi" if old == SINGLE else "sitofp"
    if new.width < old.width:
        return "trunc"
    return "zext" if old == BYTE else "sext"


def joined(first: Vector, second: Vector) -> Vector:
    """Two vectors of n numbers as one of 2 n."""
    return first.picked(range(2 * first.value.type.count), second)


def alternating(first: Vector, second: Vector) -> Vector:
    """The numbers of two vectors of n by turns."""
    count = first.value.type.count
    return first.picked(
        [place for pair in zip(range(count), range(count, 2 * count), strict=True) for place in pair], second
    )


class Memory:
    """An array inside a kernel, addressed by bytes; nothing checks that an address is inside."""

    def __init__(self, builder: Any, start: Any) -> None:
        self.builder = builder
        self.start = start

    def at(self, offset: Any) -> "Memory":
        """The memory that begins so many bytes later."""
        return Memory(
            self.builder, self.builder.gep(self.start, [offset if hasattr(offset, "type") else ir.IntType(64)(offset)])
        )

    def _place(self, kind: Any) -> Any:
        return self.builder.bitcast(self.start, kind.as_pointer())

    def load(self, element: Any, count: int) -> Vector:
        """So many numbers from here on."""
        found = self.builder.load(self._place(ir.VectorType(element, count)))
        found.align = 1
        return Vector(self.builder, found)

    def store(self, vector: Vector) -> None:
        """Writes a vector from here on."""
        self.builder.store(vector.value, self._place(vector.value.type)).align = 1

    def everywhere(self, count: int) -> Vector:
        """The single-precision number that lies here, ``count`` times."""
        found = self.builder.load(self._place(SINGLE))
        one = ir.VectorType(SINGLE, 1)
        first = self.builder.insert_element(ir.Constant(one, ir.Undefined), found, WORD(0))
        return Vector(self.builder, first).picked([0] * count)


def written(body: Any) -> Any:
    """Makes a function for kernels out of one that writes instructions.

    ``body`` is called with the builder and each argument: an array as ``Memory``, a whole number as LLVM's 64 bits.
    In a kernel the function takes contiguous arrays and whole numbers and returns nothing.
    """

    def typed(typing: Any, *arguments: Any) -> Any:  # noqa: ARG001
        kinds = [a if isinstance(a, types.Array) else types.intp for a in arguments]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            made = [
                Memory(
                    builder, builder.bitcast(context.make_array(kind)(context, builder, value).data, BYTE.as_pointer())
                )
                if isinstance(kind, types.Array)
                else value
                for kind, value in zip(signature.args, values, strict=True)
            ]
            body(builder, *made)
            return context.get_dummy_value()

        return types.void(*kinds), generate

    typed.__signature__ = signature_of(body)  # type: ignore[attr-defined]  # numba goes by it
    return intrinsic(typed)


loop = cgutils.for_range
"""``with loop(builder, count) as each:`` repeats what is written inside, ``each.index`` counting from 0."""
