"""The nineteen corruptions of ImageNet-C, as one registry."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from inspect import Parameter, signature
from itertools import pairwise
from math import sqrt
from operator import index
from types import MappingProxyType
from typing import Any

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions import blur, digital, noise, weather
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.pixels import as_pixels
from stormbench.errors import InputError, UnknownNameError
from stormbench.registry import Registry

Kernel = Callable[..., Pixels]
Quantities = Mapping[str, float]

SCALES: Mapping[str, int] = MappingProxyType({"cifar": 32, "imagenet64": 64, "imagenet": 224, "inception": 299})
"""The severity tables, and the side in pixels of the images that each was made for."""

SEVERITIES = range(1, 6)


@dataclass(frozen=True)
class Corruption:
    """One row of the registry.

    Attributes:
        name: as in the paper's tables.
        group: noise, blur, weather, digital, or extra (the four for validation).
        stochastic: whether it draws random numbers.
        kernel: ``(image, draws, *, named quantities) -> image``.
        severities: for each scale the quantities of severities 1..5.
    """

    name: str
    group: str
    stochastic: bool
    kernel: Kernel
    severities: Mapping[str, tuple[Quantities, ...]]

    def __post_init__(self) -> None:
        """Holds the table against the kernel's signature.

        Raises:
            ValueError: a scale is missing, a severity is missing, or the quantities are not the kernel's.
        """
        wanted = [p.name for p in signature(self.kernel).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
        if set(self.severities) != set(SCALES):
            raise ValueError(f"{self.name}: severities for scales {sorted(self.severities)}, wanted {sorted(SCALES)}")
        for scale, rows in self.severities.items():
            if len(rows) != len(SEVERITIES) or any(sorted(row) != sorted(wanted) for row in rows):
                raise ValueError(f"{self.name}, scale {scale}: wanted five severities of {wanted}, got {rows}")


def _rows(kernel: Kernel, columns: Mapping[str, Any]) -> tuple[Quantities, ...]:
    """Five rows from columns; a column that is one number holds for all five.

    Numbers get the type that the kernel declares: a whole number where it works with a real one would compile it anew.
    """
    types = {p.name: p.annotation for p in signature(kernel).parameters.values() if p.annotation in (int, float)}
    full = {
        name: [
            types.get(name, float)(value)
            for value in (column if isinstance(column, list) else [column] * len(SEVERITIES))
        ]
        for name, column in columns.items()
    }
    return tuple(MappingProxyType(dict(zip(full, row, strict=True))) for row in zip(*full.values(), strict=True))


def _registry() -> Registry[Corruption]:
    tables = tomllib.loads(files("stormbench.corruptions").joinpath("severities.toml").read_text("utf-8"))
    groups: dict[str, tuple[tuple[Kernel, bool], ...]] = {
        "noise": ((noise.gaussian_noise, True), (noise.shot_noise, True), (noise.impulse_noise, True)),
        "blur": (
            (blur.defocus_blur, False),
            (blur.glass_blur, True),
            (blur.motion_blur, True),
            (blur.zoom_blur, False),
        ),
        "weather": ((weather.snow, True), (weather.frost, True), (weather.fog, True), (weather.brightness, False)),
        "digital": (
            (digital.contrast, False),
            (digital.elastic_transform, True),
            (digital.pixelate, False),
            (digital.jpeg_compression, False),
        ),
        "extra": (
            (noise.speckle_noise, True),
            (blur.gaussian_blur, False),
            (weather.spatter, True),
            (digital.saturate, False),
        ),
    }
    return Registry(
        "corruption",
        (
            Corruption(
                name := kernel.__name__,
                group,
                stochastic,
                kernel,
                MappingProxyType({s: _rows(kernel, c) for s, c in tables[name].items()}),
            )
            for group, members in groups.items()
            for kernel, stochastic in members
        ),
    )


CORRUPTIONS: Registry[Corruption] = _registry()
"""The fifteen of the benchmark in the paper's order, then the four for validation."""


def scale_of(height: int, width: int) -> str:
    """The severity table for an image: the one whose size is nearest, by ratio, to the image's short side.

    So ``cifar`` up to 45 pixels, ``imagenet64`` up to 119, ``imagenet`` up to 258, ``inception`` above.

    Example:
        >>> scale_of(224, 300), scale_of(40, 32)
        ('imagenet', 'cifar')
    """
    short = min(height, width)
    names = list(SCALES)
    return next((lower for lower, upper in pairwise(names) if short < sqrt(SCALES[lower] * SCALES[upper])), names[-1])


def corrupt(
    image: Pixels,
    name: str,
    severity: int,
    *,
    scale: str = "auto",
    rng: np.random.Generator | np.random.RandomState,
) -> Pixels:
    """One corruption of ImageNet-C at one severity (Hendrycks and Dietterich 2019, arXiv:1903.12261).

    Args:
        image: uint8, (H, W, 3) RGB with H and W from 16 up, square or not. Grey (H, W) and (H, W, 1) images are
            replicated to three channels; the alpha of (H, W, 4) is dropped, as Pillow's ``convert("RGB")`` does.
        name: one of ``CORRUPTIONS``.
        severity: 1..5.
        scale: which severity table: ``imagenet``, ``inception``, ``imagenet64``, ``cifar``; ``auto`` picks by the
            short side (see ``scale_of``).
        rng: a ``numpy.random.Generator``, or a legacy ``RandomState``, with which the output equals the reference's
            (under that state of numpy's global generator) bit for bit.

    Returns:
        uint8 (H, W, 3), a new array.

    Raises:
        UnknownNameError: no such corruption or scale.
        InputError: the image, the severity or ``rng`` is not as above.
        MissingDependencyError: frost, and its textures are not installed.

    Example:
        >>> photo = np.full((224, 224, 3), 128, dtype=np.uint8)
        >>> corrupt(photo, "brightness", 3, rng=np.random.default_rng(0))[0, 0].tolist()
        [204, 204, 204]
    """
    corruption = CORRUPTIONS[name]
    pixels = as_pixels(image)
    table = corruption.severities[_scale(scale, pixels)]
    return corruption.kernel(pixels, Draws(rng), **table[_row(severity)])


def _scale(scale: str, image: Pixels) -> str:
    if scale == "auto":
        return scale_of(*image.shape[:2])
    if scale not in SCALES:
        raise UnknownNameError("scale", scale, ["auto", *SCALES])
    return scale


def _row(severity: int) -> int:
    try:
        number = index(severity)
    except TypeError:
        number = 0
    if isinstance(severity, bool) or number not in SEVERITIES:
        raise InputError(f"severity must be one of the integers 1, 2, 3, 4, 5, got {severity!r}")
    return number - 1
