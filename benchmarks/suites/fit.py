"""Whether images are of the size that a suite is for."""

import logging
from math import log
from statistics import median

from stormbench.benchmarks.suites.registry import SUITES, Suite
from stormbench.corruptions import SCALES
from stormbench.datasets import ImageSet
from stormbench.errors import BrokenImageError, InputError

logger = logging.getLogger(__name__)

_LOOKED_AT = 9
# ImageNet has smaller images here and there; beyond this a set of images is not what the suite was made for.
_ENLARGED_AT_MOST = 4


def refuse_misfit(images: ImageSet, suite: Suite) -> None:
    """Looks at a few images before a suite's figures are taken for the literature's.

    A warning in the log says that they are enlarged, or have another size than the severities were made for.

    Args:
        images: the data set.
        suite: what is to be made of it.

    Raises:
        InputError: the images would be padded with black, or enlarged more than fourfold; the message names the suite
            that fits.
    """
    side = _short_side(images)
    if side is None:
        return
    geometry, advice = suite.geometry, _advice(side, suite)
    resized = side if geometry is None or geometry.resize is None else geometry.resize
    short = min(resized) if isinstance(resized, tuple) else resized
    about = f"the images of {images.name} have {side:g} pixels on the short side"
    if geometry is not None and geometry.crop is not None and geometry.crop > short:
        raise InputError(f"{about}, {short:g} after resizing: a crop of {geometry.crop} pads them with black; {advice}")
    if short > _ENLARGED_AT_MOST * side:
        raise InputError(f"{about}, {suite.name} would enlarge them to {short:g}; {advice}")
    if short > side:
        logger.warning("%s, %s enlarges them to %g; %s", about, suite.name, short, advice)
    elif geometry is None and short > 2 * SCALES[suite.scale]:
        logger.warning("%s, the severities of %s are for %d; %s", about, suite.name, SCALES[suite.scale], advice)


def _short_side(images: ImageSet) -> float | None:
    """The median of a few images."""
    sides = []
    for index in range(0, len(images), max(1, len(images) // _LOOKED_AT)):
        try:
            sides.append(min(images.read(index).size))
        except BrokenImageError:  # said elsewhere
            continue
    return median(sides) if sides else None


def _advice(side: float, suite: Suite) -> str:
    """Names the suite of the same kind whose size is nearest."""
    same_kind = [other for other in SUITES.values() if type(other) is type(suite)]
    fitting = min(same_kind, key=lambda other: abs(log(SCALES[other.scale] / side)))
    return f"the suite for that size is {fitting.name}" if fitting.scale != suite.scale else "choose another --crop"
