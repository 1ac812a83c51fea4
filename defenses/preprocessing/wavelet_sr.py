"""Wavelet denoising and super-resolution."""

from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.base import Defense
from stormbench.defenses.preprocessing.wavelet import denoise
from stormbench.defenses.rain.enhancers import UpsamplerName, load_enhancer
from stormbench.errors import InputError


class WaveletSR(Defense):
    """Denoises wavelets, then doubles the sides with super-resolution (Mustafa et al. 2019, arXiv 1901.01677).

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`.
        sigma: of the wavelet denoising, for pixels in [0, 1]; 0 leaves it out.
        rescale_sigma: scale sigma to the range of YCbCr, as scikit-image can do since 0.16.
        upsampler: the network; the paper's is EDSR. See ``stormbench.defenses.rain.enhancers``.
        weights: file of its weights.
        enlarged: hand the doubled picture to the model, as the authors' code does; else it is shrunk again (with
            antialiasing), for models that know one size.

    Raises:
        InputError: sigma is negative, or weights are missing or needless.
        ModelError: the weights do not fit the network.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        sigma: float = 0.01,
        rescale_sigma: bool = False,
        upsampler: UpsamplerName = "bicubic",
        weights: str = "",
        enlarged: bool = False,
    ) -> None:
        super().__init__(model)
        if sigma < 0:
            raise InputError(f"sigma is at least 0, not {sigma}")
        self.sigma = sigma
        self.rescale_sigma = rescale_sigma
        self.enhancer = load_enhancer(upsampler, weights)
        self.enlarged = enlarged

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to the same shape, or to twice the sides."""
        large: Tensor = self.enhancer(denoise(images, self.sigma, rescale_sigma=self.rescale_sigma))
        if not self.enlarged:
            large = functional.interpolate(
                large, images.shape[2:], mode="bilinear", align_corners=False, antialias=True
            )
        return large.clamp(0, 1)
