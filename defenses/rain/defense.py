"""RAIN in front of a model."""

from typing import Literal, Unpack

from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.base import RandomDefense, Voting
from stormbench.defenses.rain.enhancers import UpsamplerName, load_enhancer
from stormbench.defenses.rain.randomization import RATIO, random_downsampling, random_shift
from stormbench.errors import InputError


class RAIN(RandomDefense):
    """Randomisation with detail enhancement (Du et al. 2020, arXiv 2004.14798).

    Half of each side is thrown away pixel by pixel at random, the rest is shifted at random, and an enhancer brings it
    back to its size. The defaults are those of the authors' published code, except that each image has its own shift
    (``shift_per_batch=true`` is theirs) and that the enhancer is bilinear until weights are given.

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        shift: the largest shift as a share of the halved side; 0 switches the shift off.
        shift_per_batch: all images of a batch are shifted alike; their pixels are still chosen apart.
        downsampling: ``random`` (RdmDU), or ``bicubic``, the deterministic ablation; it averages over the pixels that
            it drops (antialiasing), as the published one does not.
        upsampler: the enhancer; see ``stormbench.defenses.rain.enhancers``.
        weights: file of the enhancer's weights; only for those that have any.
        voting: see :class:`~stormbench.defenses.base.RandomDefense`; the paper's mode is one draw.

    Raises:
        InputError: ``shift`` is not in 0..1, or weights are missing or needless.
        ModelError: the weights do not fit the enhancer.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        shift: float = 0.05,
        shift_per_batch: bool = False,
        downsampling: Literal["random", "bicubic"] = "random",
        upsampler: UpsamplerName = "bilinear",
        weights: str = "",
        **voting: Unpack[Voting],
    ) -> None:
        super().__init__(model, **voting)
        if not 0 <= shift <= 1:
            raise InputError(f"shift is a share of the side from 0 to 1, not {shift}")
        self.shift = shift
        self.shift_per_batch = shift_per_batch
        self.downsampling = downsampling
        self.enhancer = load_enhancer(upsampler, weights)

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape; odd sides are mirrored to even ones and cropped afterwards."""
        height, width = images.shape[2:]
        even = functional.pad(images, (0, width % RATIO, 0, height % RATIO), mode="reflect")
        enhanced: Tensor = self.enhancer(self.degrade(even))
        return enhanced[:, :, :height, :width].clamp(0, 1)

    def degrade(self, images: Tensor) -> Tensor:
        """The random half: ``(N, 3, H, W)`` with even sides to ``(N, 3, H/2, W/2)``."""
        if self.downsampling == "random":
            small = random_downsampling(images, self.randomness)
        else:
            small = functional.interpolate(images, scale_factor=1 / RATIO, mode="bicubic", antialias=True).clamp(0, 1)
        return random_shift(small, self.shift, self.randomness, per_batch=self.shift_per_batch)
