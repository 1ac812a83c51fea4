"""The corruptions of ImageNet-C, ImageNet-C-bar and CIFAR-10-C-bar, as one registry."""

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from inspect import Parameter, signature
from itertools import pairwise
from math import sqrt
from types import MappingProxyType
from typing import Any

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions import blur, digital, noise, weather
from stormbench.corruptions.cbar import geometry, occlusion
from stormbench.corruptions.cbar import noise as patterns
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.pixels import as_pixels
from stormbench.corruptions.severity import Quantities, as_severity, quantities_at
from stormbench.errors import InputError, UnknownNameError
from stormbench.registry import Registry

Kernel = Callable[..., Pixels]
Members = tuple[tuple[Kernel, bool], ...]
Tables = Mapping[str, Mapping[str, Mapping[str, Any]]]

SCALES: Mapping[str, int] = MappingProxyType({"cifar": 32, "imagenet64": 64, "imagenet": 224, "inception": 299})
"""The severity tables, and the side in pixels of the images that each was made for."""

SEVERITIES = range(1, 6)


@dataclass(frozen=True)
class Corruption:
    """One row of the registry.

    Attributes:
        name: as in the paper's tables.
        group: noise, blur, weather, digital, extra (the four for validation), or c-bar.
        stochastic: whether it draws random numbers.
        kernel: ``(image, draws, *, named quantities) -> image``.
        severities: for each scale that has it the quantities of severities 1..5.
    """

    name: str
    group: str
    stochastic: bool
    kernel: Kernel
    severities: Mapping[str, tuple[Quantities, ...]]

    def __post_init__(self) -> None:
        """Holds the table against the kernel's signature.

        Raises:
            ValueError: there is no scale or an unknown one, a severity is missing, or quantities are not the kernel's.
        """
        wanted = [p.name for p in signature(self.kernel).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
        if not self.severities or set(self.severities) - set(SCALES):
            raise ValueError(
                f"{self.name}: severities for scales {sorted(self.severities)}, wanted some of {sorted(SCALES)}"
            )
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


def _tables(package: str) -> Tables:
    return tomllib.loads(files(package).joinpath("severities.toml").read_text("utf-8"))


def _imagenet_c() -> Iterator[Corruption]:
    groups: dict[str, Members] = {
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
    yield from _rows_of(groups, _tables("stormbench.corruptions"))


def _c_bar() -> Iterator[Corruption]:
    members = (
        (geometry.caustic_refraction, True),
        (occlusion.inverse_sparkles, True),
        (occlusion.sparkles, True),
        (patterns.perlin_noise, True),
        (patterns.blue_noise_sample, True),
        (patterns.plasma_noise, True),
        (occlusion.checkerboard_cutout, True),
        (patterns.cocentric_sine_waves, True),
        (patterns.single_frequency_greyscale, True),
        (patterns.brownish_noise, True),
        (geometry.pinch_and_twirl, True),
        (geometry.ripple, True),
        (geometry.circular_motion_blur, False),
        (occlusion.lines, True),
        (geometry.transverse_chromatic_abberation, True),
    )
    yield from _rows_of({C_BAR_GROUP: members}, _tables("stormbench.corruptions.cbar"))


def _rows_of(groups: Mapping[str, Members], tables: Tables) -> Iterator[Corruption]:
    for group, members in groups.items():
        for kernel, stochastic in members:
            rows = {scale: _rows(kernel, columns) for scale, columns in tables[kernel.__name__].items()}
            yield Corruption(kernel.__name__, group, stochastic, kernel, MappingProxyType(rows))


C_BAR_GROUP = "c-bar"

CORRUPTIONS: Registry[Corruption] = Registry("corruption", (*_imagenet_c(), *_c_bar()))
"""The fifteen of ImageNet-C in the paper's order, the four for validation, then those of the C-bar sets."""

IMAGENET_C: tuple[str, ...] = tuple(name for name, entry in CORRUPTIONS.items() if entry.group != C_BAR_GROUP)
"""The nineteen of ImageNet-C: the fifteen that are averaged, then the four for validation."""

C_BAR: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        scale: tuple(
            name for name, entry in CORRUPTIONS.items() if entry.group == C_BAR_GROUP and scale in entry.severities
        )
        for scale in ("imagenet", "cifar")
    }
)
"""The ten of ImageNet-C-bar and the ten of CIFAR-10-C-bar, by scale."""


def scale_of(height: int, width: int, among: Collection[str] = tuple(SCALES)) -> str:
    """The severity table for an image: the one whose size is nearest, by ratio, to the image's short side.

    So ``cifar`` up to 45 pixels, ``imagenet64`` up to 119, ``imagenet`` up to 258, ``inception`` above. A corruption
    that has only ``cifar`` and ``imagenet`` changes between them at 85 pixels.

    Args:
        height: pixels.
        width: pixels.
        among: the scales that the corruption has.

    Example:
        >>> scale_of(224, 300), scale_of(40, 32)
        ('imagenet', 'cifar')
    """
    short = min(height, width)
    names = [name for name in SCALES if name in among]
    return next((lower for lower, upper in pairwise(names) if short < sqrt(SCALES[lower] * SCALES[upper])), names[-1])


def corrupt(
    image: Pixels,
    name: str,
    severity: float,
    *,
    scale: str = "auto",
    rng: np.random.Generator | np.random.RandomState,
) -> Pixels:
    """One corruption at one severity.

    Those of ImageNet-C are from Hendrycks and Dietterich 2019 (arXiv:1903.12261), those of the group c-bar from Mintun,
    Kirillov and Xie 2021 (arXiv:2102.11273).

    Args:
        image: uint8, (H, W, 3) RGB with H and W from 16 up, square or not. Grey (H, W) and (H, W, 1) images are
            replicated to three channels; the alpha of (H, W, 4) is dropped, as Pillow's ``convert("RGB")`` does.
        name: one of ``CORRUPTIONS``.
        severity: 0..5. The whole ones are the published columns. Between two of them each quantity lies on a straight
            line (see ``severity.quantities_at``); 0 is the image itself, and between 0 and 1, where there is no
            column to start from, the image at 1 is mixed with it.
        scale: which severity table: ``imagenet``, ``inception``, ``imagenet64``, ``cifar``; ``auto`` picks by the
            short side (see ``scale_of``). Those of C-bar have ``imagenet``, ``cifar`` or both.
        rng: a ``numpy.random.Generator``, or a legacy ``RandomState``, with which the output equals the reference's
            (under that state of numpy's global generator) bit for bit.

    Returns:
        uint8 (H, W, 3), a new array.

    Raises:
        UnknownNameError: no such corruption or scale.
        InputError: the image, the severity or ``rng`` is not as above, or the corruption has no such scale.
        MissingDependencyError: frost, and its textures are not installed.

    Example:
        >>> photo = np.full((224, 224, 3), 128, dtype=np.uint8)
        >>> corrupt(photo, "brightness", 3, rng=np.random.default_rng(0))[0, 0].tolist()
        [204, 204, 204]
    """
    corruption = CORRUPTIONS[name]
    pixels = as_pixels(image)
    columns = corruption.severities[_scale(scale, pixels, corruption)]
    number, draws = as_severity(severity), Draws(rng)
    if number == 0:
        return pixels.copy()
    corrupted = corruption.kernel(pixels, draws, **quantities_at(columns, max(number, 1)))
    return corrupted if number >= 1 else _towards(pixels, corrupted, number)


def _scale(scale: str, image: Pixels, corruption: Corruption) -> str:
    if scale == "auto":
        return scale_of(image.shape[0], image.shape[1], corruption.severities)
    if scale not in SCALES:
        raise UnknownNameError("scale", scale, ["auto", *SCALES])
    if scale not in corruption.severities:
        raise InputError(
            f"{corruption.name} has severities for scale {' and '.join(corruption.severities)}, not {scale}"
        )
    return scale


def _towards(clean: Pixels, corrupted: Pixels, part: float) -> Pixels:
    """A mixture of two images, rounded to the nearest, a half to the even one."""
    return np.rint(clean + part * (corrupted.astype(np.float64) - clean)).astype(np.uint8)
