"""From a source image to the benchmark's frame: resize, crop, nothing else, with Pillow's pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stormbench.errors import BrokenImageError, InputError

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


_MAXIMAL_PIXELS = 2**26  # 200 MB; an image of 500 x 8, resized to 256, has 4 million


@dataclass(frozen=True)
class Geometry:
    """Cuts the middle out, resizes, crops: each step is left out where its number is None.

    Equal to the pixel to torchvision's ``Resize`` and ``CenterCrop`` on PIL images, which the published sets were made
    with. All filters are Pillow's, which average over the covered area when they shrink.

    Attributes:
        resize: the new short side (the long side keeps the aspect ratio and is rounded down), or ``(width, height)``
            without regard to the aspect ratio.
        crop: side of the square that is cut from the centre; black is added where the image is smaller.
        interpolation: a name in ``FILTERS``.
        central_fraction: part of each side in 0..1 that is kept, centred, before resizing (the recipe for Inception).

    Raises:
        InputError: a size is not positive, the fraction is not in 0..1, or there is no such filter.

    Example:
        >>> Geometry(256, 224)(Image.new("RGB", (500, 375))).shape
        (224, 224, 3)
    """

    resize: int | tuple[int, int] | None = None
    crop: int | None = None
    interpolation: str = "bilinear"
    central_fraction: float | None = None

    def __post_init__(self) -> None:
        if self.resize is not None and not isinstance(self.resize, int):
            object.__setattr__(self, "resize", tuple(self.resize))  # JSON makes a list of it
        sides = self.resize if isinstance(self.resize, tuple) else (self.resize,)
        if any(side is not None and side < 1 for side in (*sides, self.crop)):
            raise InputError(f"resize and crop are positive numbers of pixels, not {self.resize} and {self.crop}")
        if self.central_fraction is not None and not 0 < self.central_fraction <= 1:
            raise InputError(f"the central fraction is above 0 and at most 1, not {self.central_fraction}")
        if self.interpolation not in FILTERS:
            raise InputError(f"interpolation is one of {', '.join(FILTERS)}, not {self.interpolation!r}")

    @classmethod
    def inception(cls, side: int) -> "Geometry":
        """The recipe of the set for Inception: the central 0.875 of each side, squashed to a square."""
        return cls(resize=(side, side), central_fraction=0.875)

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Prepares an RGB image.

        Args:
            image: mode RGB, any size.

        Returns:
            The pixels, ``(height, width, 3)`` uint8; never a view of the image's own memory.

        Raises:
            BrokenImageError: it is so long and thin that resizing would make more than 2**26 pixels of it.
        """
        if self.central_fraction is not None:
            width, height = (int(side * self.central_fraction) for side in image.size)
            image = _centre(image, width, height)
        if self.resize is not None and (size := _new_size(image.size, self.resize)) != image.size:
            _refuse_enormous(image.size, size)
            image = image.resize(size, FILTERS[self.interpolation])
        if self.crop is not None:
            image = _centre(image, self.crop, self.crop)
        return np.array(image)


def _new_size(size: tuple[int, int], resize: int | tuple[int, int]) -> tuple[int, int]:
    if isinstance(resize, tuple):
        return resize
    width, height = size
    if width <= height:
        return resize, int(resize * height / width)
    return int(resize * width / height), resize


def _refuse_enormous(size: tuple[int, int], resized: tuple[int, int]) -> None:
    """A line of pixels, resized by its short side, would be an image of gigabytes."""
    if resized[0] * resized[1] > _MAXIMAL_PIXELS:
        raise BrokenImageError(
            f"an image of {size[0]} x {size[1]} pixels would have {resized[0]} x {resized[1]} when resized, more than "
            f"{_MAXIMAL_PIXELS} in all"
        )


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    """The centre of an image; odd margins are rounded to even (Python's ``round``), as the reference has it."""
    padded = _padded(image, width, height)
    left, top = round((padded.width - width) / 2), round((padded.height - height) / 2)
    return padded.crop((left, top, left + width, top + height))


def _padded(image: Image.Image, width: int, height: int) -> Image.Image:
    right, below = max(width, image.width), max(height, image.height)
    if (right, below) == image.size:
        return image
    canvas = Image.new(image.mode, (right, below))
    canvas.paste(image, ((right - image.width) // 2, (below - image.height) // 2))
    return canvas
