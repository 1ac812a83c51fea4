"""The contract of a defense: a model behind a transformation of its input, and the randomness that it owns."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypedDict

import torch
from torch import Tensor, nn

from stormbench.errors import InputError
from stormbench.weights import digest_of

SMALLEST_PROBABILITY = 1e-12


class Defense(nn.Module, ABC):
    """A model behind a transformation of its input; a model under the same contract.

    A new defense overrides :meth:`transform` and is named in ``registry.py``. Its keyword-only constructor arguments
    are the keys of its specification.

    Args:
        model: from ``(N, 3, H, W)`` float RGB in [0, 1] to logits ``(N, K)``; may itself be defended.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @abstractmethod
    def transform(self, images: Tensor) -> Tensor:
        """What the model sees instead of ``images``: ``(N, 3, H, W)``; height and width may differ."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)`` of images ``(N, 3, H, W)`` in [0, 1]."""
        check_images(images)
        logits: Tensor = self.model(self.transform(images))
        return logits

    def reseed(self, seed: int) -> None:
        """Restarts the randomness of this defense and of all that it contains."""
        reseed(self, seed)

    def fixed_draw(self) -> AbstractContextManager[None]:
        """A context in which every call sees one and the same draw (:func:`fixed_draw`)."""
        return fixed_draw(self)


class Randomness:
    """The draws of one random defense, from a generator that it owns.

    Draws are made on the CPU and moved, so that a seed means the same on every device.

    Args:
        seed: seed of the generator.
        per_batch: all images of a batch share one draw.
    """

    def __init__(self, seed: int, *, per_batch: bool = False) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.per_batch = per_batch
        self._fixed: Tensor | None = None

    def begin(self) -> None:
        """Called at the start of every forward pass: a fixed draw is made anew, and so the same."""
        if self._fixed is not None:
            self.generator.set_state(self._fixed)

    @property
    def is_fixed(self) -> bool:
        """Whether every pass makes the same draw at present."""
        return self._fixed is not None

    @contextmanager
    def fixed(self) -> Iterator[None]:
        """Every pass makes the draw that would have been next; the images of a batch share it.

        Sharing makes the defended model one deterministic function of each image, whatever batch it comes in.
        """
        outside, state = self._fixed, self.generator.get_state()
        self._fixed = state
        try:
            yield
        finally:
            self._fixed = outside
            self.generator.set_state(state)

    def integers(self, low: int, high: int, images: Tensor, *shape: int, shared: bool = False) -> Tensor:
        """Uniform integers ``low``..``high``, both included, of shape ``(N, *shape)``; ``shared``: one for all."""

        def draw(size: tuple[int, ...]) -> Tensor:
            return torch.randint(low, high + 1, size, generator=self.generator)

        return self._draw(draw, images, shape, shared=shared)

    def uniform(self, images: Tensor, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1) of shape ``(N, *shape)``."""
        return self._draw(lambda size: torch.rand(size, generator=self.generator), images, shape)

    def normal(self, images: Tensor, *shape: int) -> Tensor:
        """Standard normal numbers of shape ``(N, *shape)``."""
        return self._draw(lambda size: torch.randn(size, generator=self.generator), images, shape)

    def _draw(
        self, draw: Callable[[tuple[int, ...]], Tensor], images: Tensor, shape: tuple[int, ...], *, shared: bool = False
    ) -> Tensor:
        one = shared or self.per_batch or self._fixed is not None
        drawn = draw((1 if one else len(images), *shape)).to(images.device)
        return drawn.expand(len(images), *shape)


class Voting(TypedDict, total=False):
    """What every random defense may be told besides its own settings."""

    draws: int
    seed: int
    per_batch: bool


class RandomDefense(Defense):
    """A defense whose transformation draws; subclasses hand the keywords of :class:`Voting` on to it.

    Args:
        model: see :class:`Defense`.
        draws: how many draws vote; the logits of a vote are the logarithm of the mean softmax.
        seed: seed of the generator.
        per_batch: all images of a batch share one draw.

    Raises:
        InputError: there is no draw.
    """

    def __init__(self, model: nn.Module, *, draws: int = 1, seed: int = 0, per_batch: bool = False) -> None:
        super().__init__(model)
        if draws < 1:
            raise InputError(f"draws is at least 1, not {draws}")
        self.draws = draws
        self.randomness = Randomness(seed, per_batch=per_batch)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)``: of one draw, or the vote of several."""
        check_images(images)
        self.randomness.begin()
        if self.draws == 1:
            logits: Tensor = self.model(self.transform(images))
            return logits
        return self.vote([self.model(self.transform(images)) for _ in range(self.draws)])

    def vote(self, logits: list[Tensor]) -> Tensor:
        """Joins the logits of several draws, each ``(N, K)``."""
        mean = torch.stack([each.softmax(dim=1) for each in logits]).mean(dim=0)
        return mean.clamp_min(SMALLEST_PROBABILITY).log()


def random_parts(model: nn.Module) -> list[RandomDefense]:
    """All random defenses in a model, itself included."""
    return [part for part in model.modules() if isinstance(part, RandomDefense)]


def draws_per_decision(model: nn.Module) -> int:
    """How many draws vote on each image: 1 where nothing is drawn; nested votes multiply."""
    return math.prod(part.draws for part in random_parts(model))


def reseed(model: nn.Module, seed: int) -> None:
    """Restarts the randomness of every random defense in ``model``; each gets a stream of its own."""
    for offset, part in enumerate(random_parts(model)):
        part.randomness.generator.manual_seed((seed + 0x9E3779B97F4A7C15 * offset) % 2**63)


@contextmanager
def fixed_draw(model: nn.Module) -> Iterator[None]:
    """A context in which ``model`` is deterministic: every call sees one and the same draw, shared by all images."""
    with ExitStack() as stack:
        for part in random_parts(model):
            stack.enter_context(part.randomness.fixed())
        yield


@contextmanager
def votes(model: nn.Module, draws: int) -> Iterator[None]:
    """A context in which so many draws of ``model`` vote, whatever its own rule.

    The outermost random defense counts the votes; those inside it draw once for each.
    """
    parts = random_parts(model)
    before = [part.draws for part in parts]
    try:
        for depth, part in enumerate(parts):
            part.draws = draws if depth == 0 else 1
        yield
    finally:
        for part, number in zip(parts, before, strict=True):
            part.draws = number


def own_weights_digest(defense: Defense) -> str | None:
    """SHA-256 over names and bytes of the weights of a defense and of those nested in it, without the model's.

    None where they have none.
    """
    own = {f"{layer}{name}": value for layer, name, value in _weights_by_layer(defense)}
    return digest_of(own) if own else None


def _weights_by_layer(model: nn.Module) -> Iterator[tuple[str, str, Tensor]]:
    layer = ""
    while isinstance(model, Defense):
        for name, value in model.state_dict().items():
            if not name.startswith("model."):
                yield layer, name, value
        model, layer = model.model, f"{layer}model."


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of ``exact`` with the gradient of ``smooth`` (BPDA; Athalye et al. 2018, arXiv 1802.00420).

    A defense that rounds, sorts or leaves torch uses it in :meth:`Defense.transform`, so that every attack can follow
    it. With the input itself for ``smooth`` this is BPDA's identity.
    """
    return smooth + (exact - smooth).detach()


def check_images(images: Tensor) -> None:
    """Refuses what is no batch of images.

    Raises:
        InputError: not a floating-point tensor of shape ``(N, 3, H, W)``.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise InputError(f"images are floats of shape (N, 3, H, W), not {images.dtype} of shape {tuple(images.shape)}")
