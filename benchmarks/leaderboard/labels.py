"""Where the names in a scatter plot go: beside their marks, and left out where they would cover something."""

from collections.abc import Sequence
from typing import Any, NamedTuple

# Of a plot on a phone, in CSS pixels: what finds a place there finds it on a desk.
_WIDTH, _HEIGHT = 300.0, 320.0
_CHARACTER, _LINE, _MARK, _GAP = 6.0, 13.0, 6.0, 9.0


class Label(NamedTuple):
    """How a name is written: its alignment, and where it begins from the middle of its mark."""

    text: str
    align: str
    dx: float
    dy: float


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


_BESIDE = (("left", _GAP, -6.0), ("left", _GAP, 12.0), ("right", -_GAP, -6.0), ("right", -_GAP, 12.0))
_PLACES = (*_BESIDE, ("center", 0.0, -14.0), ("center", 0.0, 18.0))
_SHARE_BEFORE = {"left": 0.0, "center": 0.5, "right": 1.0}  # of a name's width, by its alignment


def place_labels(points: Sequence[dict[str, Any]], names: Sequence[str]) -> list[Label]:
    """Finds a place for each name, the first ones first.

    Args:
        points: of the chart: ``x`` and ``y``, and the bounds of their intervals where they have some.
        names: what to write at each; empty for nothing.

    Returns:
        For each point its label; the text is empty where no place is free.
    """
    places = list(zip(_scaled(points, "x", _WIDTH), (_HEIGHT - y for y in _scaled(points, "y", _HEIGHT)), strict=True))
    taken = [_Box(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in places]
    labels = []
    for (x, y), name in zip(places, names, strict=True):
        label = _free(x, y, name, taken)
        labels.append(label)
        if label.text:
            taken.append(_box(x, y, label))
    return labels


def _free(x: float, y: float, name: str, taken: Sequence[_Box]) -> Label:
    for align, dx, dy in _PLACES if name else ():
        label = Label(name, align, dx, dy)
        box = _box(x, y, label)
        if box.left >= 0 and box.right <= _WIDTH and not any(map(box.meets, taken)):
            return label
    return Label("", "left", _GAP, -6.0)


def _box(x: float, y: float, label: Label) -> _Box:
    width, start = _CHARACTER * len(label.text), x + label.dx
    left = start - _SHARE_BEFORE[label.align] * width
    return _Box(left, y + label.dy - _LINE / 2, left + width, y + label.dy + _LINE / 2)


def _scaled(points: Sequence[dict[str, Any]], axis: str, length: float) -> list[float]:
    """One coordinate of each point in pixels; the axis holds all intervals."""
    values = [[point[key] for key in (axis, f"{axis}_low", f"{axis}_high") if key in point] for point in points]
    low, high = min(map(min, values), default=0.0), max(map(max, values), default=1.0)
    return [length * (point[axis] - low) / max(high - low, 1e-9) for point in points]
