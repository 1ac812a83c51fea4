"""Randomized smoothing."""

from dataclasses import dataclass
from typing import Unpack

import torch
from scipy.stats import beta, norm
from torch import Tensor, nn

from stormbench.defenses.base import RandomDefense, Voting, straight_through
from stormbench.errors import InputError

ABSTAINED = -1


class Smoothing(RandomDefense):
    """The majority vote under Gaussian noise (Cohen et al. 2019, arXiv 1902.02918).

    The logits are the logarithms of the shares of votes (one vote is added to each class, so that none is 0); attackers
    get the gradient of the mean softmax (Salman et al. 2019, arXiv 1906.04584).

    Args:
        model: see :class:`~stormbench.defenses.base.Defense`; should be trained under such noise.
        sigma: standard deviation of the noise, for pixels in [0, 1].
        voting: see :class:`~stormbench.defenses.base.RandomDefense`; 100 draws vote unless it says otherwise.

    Raises:
        InputError: sigma is not positive.
    """

    def __init__(self, model: nn.Module, *, sigma: float = 0.25, **voting: Unpack[Voting]) -> None:
        super().__init__(model, **(Voting(draws=100) | voting))
        if sigma <= 0:
            raise InputError(f"sigma is positive, not {sigma}")
        self.sigma = sigma

    def transform(self, images: Tensor) -> Tensor:
        """``(N, 3, H, W)`` with noise; not cut off at 0 and 1, because the certificate holds for plain noise."""
        return images + self.sigma * self.randomness.normal(images, *images.shape[1:])

    def vote(self, logits: list[Tensor]) -> Tensor:
        """The logarithms of the shares of votes, ``(N, K)``."""
        stacked = torch.stack(logits)  # (draws, N, K)
        chosen = nn.functional.one_hot(stacked.argmax(dim=2), stacked.shape[2]).sum(dim=0)
        shares = (chosen + 1) / (len(stacked) + stacked.shape[2])
        return straight_through(shares, stacked.softmax(dim=2).mean(dim=0)).log()


@dataclass(frozen=True)
class Certificate:
    """What is proven, image by image, ``(N,)`` each.

    Attributes:
        prediction: the class, or ``ABSTAINED``.
        radius: l2 radius within which the vote is proven to stay, for pixels in [0, 1]; 0 where it abstained.
    """

    prediction: Tensor
    radius: Tensor


@torch.no_grad()
def certify(
    smoothed: Smoothing, images: Tensor, *, select: int = 100, estimate: int = 1000, alpha: float = 0.001
) -> Certificate:
    """The certified radius ``sigma * Phi^-1(p)`` of each image (Cohen et al. 2019, algorithm "Certify").

    Args:
        smoothed: the defended model.
        images: ``(N, 3, H, W)`` in [0, 1].
        select: draws that choose the class.
        estimate: further draws that bound the class's probability ``p`` from below (Clopper-Pearson).
        alpha: probability that the certificate of an image is wrong.

    Raises:
        InputError: a number of draws is not positive, or alpha is not in 0..1.
    """
    if min(select, estimate) < 1 or not 0 < alpha < 1:
        raise InputError(f"select {select} and estimate {estimate} are at least 1, alpha {alpha} in 0..1")
    prediction = _counts(smoothed, images, select).argmax(dim=1)
    hits = _counts(smoothed, images, estimate).gather(1, prediction[:, None]).squeeze(1).cpu().numpy()
    least = beta.ppf(alpha, hits, estimate - hits + 1)
    proven = torch.from_numpy(least > 0.5).to(images.device)  # never where there is no hit: the bound is then NaN
    radius = torch.from_numpy(smoothed.sigma * norm.ppf(least)).to(images)
    return Certificate(prediction.where(proven, ABSTAINED), radius.where(proven, 0.0))


def _counts(smoothed: Smoothing, images: Tensor, draws: int) -> Tensor:
    """Votes for each class, ``(N, K)``."""
    counts: Tensor | int = 0
    for _ in range(draws):
        logits = smoothed.model(smoothed.transform(images))
        counts = counts + nn.functional.one_hot(logits.argmax(dim=1), logits.shape[1])
    assert isinstance(counts, Tensor)
    return counts
