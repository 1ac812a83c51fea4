"""What is shown of a frame: the crop of each scale, with the surroundings that geometric perturbations pull in."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from stormbench.cells import Pixels
from stormbench.corruptions.catalogue import SCALES
from stormbench.errors import InputError

INCEPTION_FRACTION = 0.875
"""Share of each side that the Inception variant keeps before it resizes."""


@dataclass(frozen=True)
class View:
    """A window into an image, shown at ``side x side`` pixels.

    Attributes:
        whole: the image with its surroundings, (H, W, 3).
        top: first row of the window.
        left: first column.
        height: rows of the window.
        width: columns.
        side: rows and columns that are shown; a window of another size is resized (Pillow, bilinear).
    """

    whole: Pixels
    top: int
    left: int
    height: int
    width: int
    side: int

    @cached_property
    def clean(self) -> Pixels:
        """What is shown of the unperturbed image."""
        return self.show(self.whole)

    def show(self, whole: Pixels) -> Pixels:
        """What is shown of a perturbed version of the whole image."""
        return self.fit(whole[self.top : self.top + self.height, self.left : self.left + self.width])

    def fit(self, window: Pixels) -> Pixels:
        """The window's pixels at the size that is shown; a new array."""
        return resized(window, self.side, self.side)


def view_of(frame: Pixels, scale: str, *, margin: int) -> View:
    """The view that a scale gives of a frame.

    Args:
        frame: (H, W, 3). At ``imagenet`` the image with short side 256, of which the middle 224 x 224 are shown; at
            ``cifar`` the 32 x 32 image (the middle of a larger one); at ``inception`` the image at its own size, of
            which the middle 0.875 of each side are shown at 299 x 299; at ``imagenet64`` the whole image at 64 x 64.
        scale: one of the four.
        margin: 0 leaves only the pixels that are shown, so that borders are black beyond them.

    Raises:
        InputError: the frame is too small to be cropped.
    """
    side = SCALES[scale]
    height, width = frame.shape[:2]
    if scale == "imagenet64":
        return _everything(resized(frame, side, side))
    window = (side, side)
    if scale == "inception":
        window = int(height * INCEPTION_FRACTION), int(width * INCEPTION_FRACTION)
    elif min(height, width) < side:
        raise InputError(
            f"at scale {scale} a frame has {side} rows and columns or more, got shape {frame.shape}; resize it"
        )
    view = View(frame, _middle(height, window[0]), _middle(width, window[1]), *window, side)
    return view if margin else _everything(view.clean)


def blurred_before_resize(frame: Pixels) -> View:
    """The view of the one perturbation that acts before the resize to 64: short side to 64, then the middle."""
    side = min(frame.shape[:2])
    return View(frame, _middle(frame.shape[0], side), _middle(frame.shape[1], side), side, side, SCALES["imagenet64"])


def resized(image: Pixels, height: int, width: int) -> Pixels:
    """Pillow's bilinear resize, as torchvision's transforms on images do it."""
    if image.shape[:2] == (height, width):
        return image.copy()
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def _everything(image: Pixels) -> View:
    return View(image, 0, 0, image.shape[0], image.shape[1], image.shape[0])


def _middle(side: int, window: int) -> int:
    """Offset of the middle as torchvision rounds it: halves to even."""
    return round((side - window) / 2)
