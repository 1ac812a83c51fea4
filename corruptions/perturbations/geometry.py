"""A camera that moves: translate, rotate, tilt, scale and, from the validation four, shear.

All act on the frame with its surroundings, before the crop; beyond the surroundings it is black.
"""

from collections.abc import Iterator

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.perturbations.sampling import affine, affine_map, perspective, tilt_map
from stormbench.corruptions.perturbations.view import View


def translate(view: View, draws: Draws, *, frames: int, still: int) -> Iterator[Pixels]:  # noqa: ARG001
    """One whole pixel to the right a frame.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        still: the frame that is not moved.
    """
    reach = max(still, frames - 1 - still)
    rows = view.whole[view.top : view.top + view.height]
    strip = np.pad(rows, ((0, 0), (reach, reach), (0, 0)))
    for i in range(frames):
        first = view.left + reach - (i - still)
        yield view.fit(strip[:, first : first + view.width])


def rotate(view: View, draws: Draws, *, frames: int, still: int, degrees: float) -> Iterator[Pixels]:  # noqa: ARG001
    """A turn about the middle.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        still: the frame that is not rotated.
        degrees: clockwise, per frame.
    """
    height, width = view.whole.shape[:2]
    for i in range(frames):
        yield affine(view, affine_map(width, height, degrees=(i - still) * degrees))


def tilt(view: View, draws: Draws, *, frames: int, still: int, degrees: float) -> Iterator[Pixels]:  # noqa: ARG001
    """The plane of the image, rotated about its horizontal and its vertical axis at once.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        still: the frame that is not rotated (but lies a little farther off than the original).
        degrees: about both axes, per frame.
    """
    height, width = view.whole.shape[:2]
    for i in range(frames):
        yield perspective(view, tilt_map(width, height, (i - still) * degrees))


def scale(view: View, draws: Draws, *, frames: int, first: float, growth: float) -> Iterator[Pixels]:  # noqa: ARG001
    """From far to near.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        first: size in frame 0, percent.
        growth: of the size per frame, percent.
    """
    height, width = view.whole.shape[:2]
    for i in range(frames):
        yield affine(view, affine_map(width, height, factor=(growth * i + first) / 100))


def shear(view: View, draws: Draws, *, frames: int, still: int, degrees: float) -> Iterator[Pixels]:  # noqa: ARG001
    """Rows slide over each other.

    Args:
        view: what is shown.
        draws: unused.
        frames: length of the sequence.
        still: the frame that is not sheared.
        degrees: per frame.
    """
    height, width = view.whole.shape[:2]
    for i in range(frames):
        yield affine(view, affine_map(width, height, shear=(i - still) * degrees))
