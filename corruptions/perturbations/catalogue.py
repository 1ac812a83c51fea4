"""The fourteen perturbations of ImageNet-P, as one registry."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.catalogue import SCALES, scale_of
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.perturbations import blur, geometry, noise, weather
from stormbench.corruptions.perturbations.view import View, blurred_before_resize, view_of
from stormbench.corruptions.pixels import as_pixels
from stormbench.errors import InputError, UnknownNameError
from stormbench.registry import Registry

Kernel = Callable[..., Iterator[Pixels]]
Quantities = Mapping[str, Any]
Reference = Literal["first", "previous"]

LEVELS = range(1, 4)


@dataclass(frozen=True)
class Perturbation:
    """One row of the registry.

    Attributes:
        name: as in the paper's tables.
        group: noise, blur, weather, digital, or extra (the four for validation).
        reference: which frame each one is compared with: the ``"first"`` or the ``"previous"`` one.
        stochastic: whether it draws random numbers.
        kernel: ``(view, draws, *, frames, named quantities) -> frames``.
        margin: for each scale the pixels of surroundings that it pulls into the frame, at the output's size.
        levels: for each scale the quantities of level 1, or of levels 1..3.
    """

    name: str
    group: str
    reference: Reference
    stochastic: bool
    kernel: Kernel
    margin: Mapping[str, int]
    levels: Mapping[str, tuple[Quantities, ...]]

    def __post_init__(self) -> None:
        """Holds the table against the kernel's signature.

        Raises:
            ValueError: a scale is missing, or the quantities are not the kernel's.
        """
        wanted = {p.name for p in signature(self.kernel).parameters.values() if p.kind is Parameter.KEYWORD_ONLY}
        if not set(self.levels) == set(self.margin) == set(SCALES):
            raise ValueError(f"{self.name}: quantities for scales {sorted(self.levels)}, wanted {sorted(SCALES)}")
        for scale, rows in self.levels.items():
            if len(rows) not in (1, len(LEVELS)) or any(set(row) != wanted for row in rows):
                raise ValueError(f"{self.name}, scale {scale}: wanted one level or three of {wanted}, got {rows}")

    @property
    def scored(self) -> bool:
        """Whether the paper's mFR and mT5D count it; the other four are for validation."""
        return self.group != "extra"

    @property
    def frames(self) -> Mapping[str, int]:
        """Length of a sequence at each scale."""
        return {scale: rows[0]["frames"] for scale, rows in self.levels.items()}


def _levels(table: Mapping[str, Any]) -> tuple[Quantities, ...]:
    """One row, or three where the noise's quantity is a list of three."""
    varying = next((name for name in ("sigma", "photons") if isinstance(table.get(name), list)), None)
    if varying is None:
        return (MappingProxyType(dict(table)),)
    return tuple(MappingProxyType({**table, varying: value}) for value in table[varying])


def _perturbation(
    group: str, kernel: Kernel, reference: Reference, stochastic: bool, table: Mapping[str, Any]
) -> Perturbation:
    common = {name: value for name, value in table.items() if name not in SCALES}
    full = {scale: {**common, **table.get(scale, {})} for scale in SCALES}
    margin = MappingProxyType({scale: quantities.pop("margin") for scale, quantities in full.items()})
    levels = MappingProxyType({scale: _levels(quantities) for scale, quantities in full.items()})
    return Perturbation(kernel.__name__, group, reference, stochastic, kernel, margin, levels)


def _registry() -> Registry[Perturbation]:
    tables = tomllib.loads(files("stormbench.corruptions.perturbations").joinpath("sequences.toml").read_text("utf-8"))
    rows: list[tuple[str, Kernel, Reference, bool]] = [
        ("noise", noise.gaussian_noise, "first", True),
        ("noise", noise.shot_noise, "first", True),
        ("blur", blur.motion_blur, "previous", False),
        ("blur", blur.zoom_blur, "previous", False),
        ("weather", weather.snow, "previous", True),
        ("weather", weather.brightness, "previous", False),
        ("digital", geometry.translate, "previous", False),
        ("digital", geometry.rotate, "previous", False),
        ("digital", geometry.tilt, "previous", False),
        ("digital", geometry.scale, "previous", False),
        ("extra", noise.speckle_noise, "first", True),
        ("extra", blur.gaussian_blur, "previous", False),
        ("extra", weather.spatter, "previous", True),
        ("extra", geometry.shear, "previous", False),
    ]
    return Registry("perturbation", (_perturbation(*row, tables[row[1].__name__]) for row in rows))


PERTURBATIONS: Registry[Perturbation] = _registry()
"""The ten that are scored in the paper's order, then the four for validation."""

SCORED = tuple(name for name, entry in PERTURBATIONS.items() if entry.scored)
"""The paper's ten."""

SCORED_CIFAR = tuple("spatter" if name == "snow" else name for name in SCORED)
"""The ten of the reference's evaluation script for CIFAR-10-P: spatter instead of snow."""


def perturb(
    frame: Pixels,
    name: str,
    *,
    scale: str = "auto",
    level: int = 1,
    rng: np.random.Generator | np.random.RandomState,
) -> Iterator[Pixels]:
    """One perturbation sequence of ImageNet-P (Hendrycks and Dietterich 2019, arXiv:1903.12261).

    What the frames have in common is computed once; frames are made as they are asked for.

    Args:
        frame: uint8, (H, W, 3) RGB; grey and RGBA as in ``corrupt``. The image after the scale's resize: at
            ``imagenet`` with short side 256 (larger surroundings than the 224 that are shown), at ``cifar`` 32 x 32,
            at ``imagenet64`` 64 x 64 (an image of another size is resized), at ``inception`` the image as it is.
        name: one of ``PERTURBATIONS``.
        scale: which table: ``imagenet``, ``inception``, ``imagenet64``, ``cifar``; ``auto`` picks by the short side.
        level: 1; for the three noises up to 3.
        rng: a ``numpy.random.Generator``, or a legacy ``RandomState``, with which the frames equal the reference's
            bit for bit (but for gaussian_noise, which the reference draws from torch).

    Returns:
        An iterator of uint8 (S, S, 3) arrays, S being 224, 299, 64 or 32.

    Raises:
        UnknownNameError: no such perturbation or scale.
        InputError: the frame, the level or ``rng`` is not as above.

    Example:
        >>> frames = list(perturb(np.full((256, 300, 3), 128, np.uint8), "brightness", rng=np.random.default_rng(0)))
        >>> len(frames), frames[0].shape, [int(frame[0, 0, 0]) for frame in (frames[0], frames[15], frames[30])]
        (31, (224, 224, 3), [51, 128, 204])
    """
    entry = PERTURBATIONS[name]
    pixels = as_pixels(frame)
    scale = scale_of(*pixels.shape[:2]) if scale == "auto" else scale
    if scale not in SCALES:
        raise UnknownNameError("scale", scale, ["auto", *SCALES])
    quantities = _row(entry, scale, level)
    return entry.kernel(_view(entry, pixels, scale), Draws(rng), **quantities)


def _view(entry: Perturbation, frame: Pixels, scale: str) -> View:
    if entry.kernel is blur.motion_blur and scale == "imagenet64":
        return blurred_before_resize(frame)
    return view_of(frame, scale, margin=entry.margin[scale])


def _row(entry: Perturbation, scale: str, level: int) -> Quantities:
    rows = entry.levels[scale]
    if isinstance(level, bool) or level not in range(1, len(rows) + 1):
        known = "1, 2 or 3" if len(rows) > 1 else "1 (only noise has more)"
        raise InputError(f"the level of {entry.name} must be {known}, got {level!r}")
    return rows[level - 1]
