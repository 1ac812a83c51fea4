"""Backward pass differentiable approximation: another gradient for what has none, or a bad one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.base import Defense, straight_through

Transformation = Callable[[Tensor], Tensor]


def identity(images: Tensor) -> Tensor:
    """BPDA's usual substitute: as if the defense did nothing."""
    return images


class BPDA(nn.Module):
    """A transformation without a usable gradient, followed by a model (Athalye et al. 2018, arXiv 1802.00420).

    Forward ``model(exact(x))``; backward as if ``exact`` were ``substitute``. For pre-processing from elsewhere; our
    own defenses bring their substitutes along.

    Args:
        exact: ``(N, 3, H, W)`` in [0, 1] to images that the model takes; need not be torch inside.
        model: the classifier.
        substitute: a differentiable approximation of ``exact``.
    """

    def __init__(self, exact: Transformation, model: nn.Module, substitute: Transformation = identity) -> None:
        super().__init__()
        self.exact = exact
        self.model = model
        self.substitute = substitute

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)``."""
        logits: Tensor = self.model(_paired(self.exact, self.substitute, images))
        return logits


@contextmanager
def substituted(model: nn.Module, substitute: Transformation = identity) -> Iterator[None]:
    """A context in which every defense in ``model`` is followed backwards through ``substitute``.

    An attack by the true gradient should not do worse than one by the substitute's; where it does, the true gradient
    is masked.
    """
    defenses = [part for part in model.modules() if isinstance(part, Defense)]
    for part in defenses:
        part.transform = _through(part.transform, substitute)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        for part in defenses:
            del part.transform  # the class's own shows again


def _through(exact: Transformation, substitute: Transformation) -> Transformation:
    return lambda images: _paired(exact, substitute, images)


def _paired(exact: Transformation, substitute: Transformation, images: Tensor) -> Tensor:
    value, smooth = exact(images.detach()), substitute(images)
    if value.shape != smooth.shape:
        smooth = functional.interpolate(smooth, value.shape[2:], mode="bilinear", align_corners=False)
    return straight_through(value, smooth)
