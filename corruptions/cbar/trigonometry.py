"""Sine, cosine and angle in arithmetic that a compiler can do on several numbers at once.

Calls of the C library would cost ten times as much. Errors are within two units in the last place, for arguments up to
a million.
"""

from math import factorial, pi

from stormbench.corruptions.kernels.compiled import inlined

_HIGH = float.fromhex("0x1.921fb544p+1")
_MIDDLE = float.fromhex("0x1.0b4611a6p-33")
_LOW = float.fromhex("0x1.3198a2e037073p-68")
"""Pi in three parts, the first two short enough that a whole number below 2**20 times either is exact."""

_ROUNDER = 1.5 * 2.0**52
"""What is added to it is rounded to a whole number."""

_PER_PI = 1.0 / pi
_S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8, _S9, _S10 = ((-1) ** k / factorial(2 * k + 1) for k in range(1, 11))
"""Taylor's series of the sine: up to pi / 2 the next term is below 1e-17."""

_A = tuple((-1) ** k / (2 * k + 1) for k in range(21))
_A1, _A2, _A3, _A4, _A5, _A6, _A7, _A8, _A9, _A10 = _A[1:11]
_A11, _A12, _A13, _A14, _A15, _A16, _A17, _A18, _A19, _A20 = _A[11:]
"""Taylor's series of the arc tangent: up to tan(pi / 8) the next term is below 1e-17."""

_EIGHTH = 2.0**0.5 - 1.0


@inlined
def _near_zero(r):  # type: ignore[no-untyped-def]
    z = r * r
    tail = _S6 + z * (_S7 + z * (_S8 + z * (_S9 + z * _S10)))
    return r + r * z * (_S1 + z * (_S2 + z * (_S3 + z * (_S4 + z * (_S5 + z * tail)))))


@inlined
def sine(x):  # type: ignore[no-untyped-def]
    """sin(x), x in radians."""
    turns = (x * _PER_PI + _ROUNDER) - _ROUNDER
    odd = turns - 2.0 * ((turns * 0.5 + _ROUNDER) - _ROUNDER)
    return (1.0 - 2.0 * abs(odd)) * _near_zero(((x - turns * _HIGH) - turns * _MIDDLE) - turns * _LOW)


@inlined
def cosine(x):  # type: ignore[no-untyped-def]
    """cos(x), x in radians."""
    turns = (x * _PER_PI - 0.5 + _ROUNDER) - _ROUNDER
    odd = turns - 2.0 * ((turns * 0.5 + _ROUNDER) - _ROUNDER)
    middle = turns + 0.5
    return (2.0 * abs(odd) - 1.0) * _near_zero(((x - middle * _HIGH) - middle * _MIDDLE) - middle * _LOW)


@inlined
def angle(y, x):  # type: ignore[no-untyped-def]
    """arctan2(y, x), radians; 0 for (0, 0)."""
    wide, tall = abs(x), abs(y)
    longer = max(wide, tall)
    ratio = min(wide, tall) / (longer if longer > 0.0 else 1.0)
    turned = (ratio - 1.0) / (ratio + 1.0)
    steep = ratio > _EIGHTH
    t = turned if steep else ratio
    z = t * t
    tail = _A14 + z * (_A15 + z * (_A16 + z * (_A17 + z * (_A18 + z * (_A19 + z * _A20)))))
    tail = _A7 + z * (_A8 + z * (_A9 + z * (_A10 + z * (_A11 + z * (_A12 + z * (_A13 + z * tail))))))
    value = t + t * z * (_A1 + z * (_A2 + z * (_A3 + z * (_A4 + z * (_A5 + z * (_A6 + z * tail))))))
    value = value + pi / 4 if steep else value
    value = pi / 2 - value if tall > wide else value
    value = pi - value if x < 0.0 else value
    return -value if y < 0.0 else value
