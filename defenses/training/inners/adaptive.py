"""A radius for each training image, kept between epochs: IAAT (arXiv 1910.08051) and MMA (arXiv 1812.02637)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses.training.batch import Batch
from stormbench.defenses.training.contracts import Space
from stormbench.defenses.training.inners.pgd import Mode, in_mode
from stormbench.defenses.training.spaces.pixel import Pixel
from stormbench.errors import InputError

COUNTED = "counted"


class RadiusMemory:
    """One radius per training image, by its position in the data set; it grows as images are met."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.radii = torch.zeros(0)

    def of(self, batch: Batch) -> Tensor:
        """The radii of a batch, ``(B, 1, 1, 1)``, on the device of its images."""
        self._reach(int(batch.indices.max()))
        return self.radii[batch.indices].to(batch.images.device).view(-1, 1, 1, 1)

    def keep(self, batch: Batch, radii: Tensor) -> None:
        """Stores new radii ``(B, 1, 1, 1)``."""
        self._reach(int(batch.indices.max()))
        self.radii[batch.indices] = radii.detach().flatten().float().cpu()

    def _reach(self, largest: int) -> None:
        if largest >= len(self.radii):
            fresh = torch.full((largest + 1 - len(self.radii),), self.start)
            self.radii = torch.cat([self.radii, fresh])


class _Adaptive:
    """What both methods share: the memory, the ball of linf, and an attack with a radius for each image."""

    def __init__(self, *, steps: int, start: float, mode: Mode) -> None:
        if steps < 1:
            raise InputError(f"an attack has at least 1 step, not {steps}")
        self.steps, self.mode, self.memory = steps, mode, RadiusMemory(start)

    def check(self, space: Space) -> Pixel:
        """Refuses every space but the ball of linf.

        Raises:
            InputError: it is another.
        """
        if not isinstance(space, Pixel) or space.norm != "linf":
            raise InputError(f"a radius for each image is searched in pixel:norm=linf, not in {space}")
        return space

    def after_step(self) -> None:
        """Has nothing to do."""

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"radii": self.memory.radii}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """From the checkpoint."""
        self.memory.radii = state_dict["radii"].cpu()


def pgd_within(
    model: nn.Module,
    batch: Batch,
    radii: Tensor,
    sizes: Tensor,
    generator: torch.Generator,
    *,
    steps: int,
    soft_margin: bool = False,
) -> Tensor:
    """PGD in linf with a radius and a step for each image, from a uniform start.

    Args:
        model: in the mode that is wanted.
        batch: images and labels.
        radii: ``(B, 1, 1, 1)``.
        sizes: of the steps, likewise.
        generator: of the start.
        steps: how many.
        soft_margin: maximise the soft logit margin instead of the cross-entropy.

    Returns:
        ``(B, 3, H, W)``.
    """
    images = batch.images
    low, high = (images - radii).clamp(0, 1), (images + radii).clamp(0, 1)
    v = images + radii * (2 * torch.rand(images.shape, generator=generator).to(images) - 1)
    for _ in range(steps):
        v = v.clamp(low, high).detach().requires_grad_()
        with torch.enable_grad():
            logits = model(v).float()
            losses = soft_logit_margin(logits, batch.labels) if soft_margin else _ce(logits, batch.labels)
            (gradient,) = torch.autograd.grad(losses.sum(), v)
        v = v.detach() + sizes * gradient.sign()
    return v.clamp(low, high).detach()


def _ce(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="none")


def soft_logit_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """``log sum_{k != y} exp z_k - z_y`` of each image, ``(B,)``: positive where the others together win."""
    here = functional.one_hot(labels, logits.shape[1]).bool()
    return torch.where(here, -torch.inf, logits).logsumexp(dim=1) - logits.gather(1, labels[:, None]).squeeze(1)


@torch.no_grad()
def right(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which images are classified right, ``(B, 1, 1, 1)``."""
    found: Tensor = model(images).argmax(dim=1) == labels
    return found.view(-1, 1, 1, 1)


class InstanceAdaptive(_Adaptive):
    """IAAT: each image's radius follows what the network withstands there (Balaji 2019, arXiv 1910.08051).

    Two attacks try the stored radius and one that is larger by ``gamma``; the radius moves towards the largest that the
    network withstands, and a third attack with the new one gives the image to train on. The model is in training mode
    meanwhile, as in the source's code.

    Args:
        steps: of each of the three attacks.
        gamma: by how much a radius is tried to grow or shrinks.
        beta: share of the new radius in what is stored.
        warmup: share of the training in which the radius is the space's own where the image is classified right.
        mode: of the model in the attacks.

    Raises:
        InputError: a setting is out of range.
    """

    def __init__(
        self,
        *,
        steps: int = 10,
        gamma: float = 1.9 / 255,
        beta: float = 0.1,
        warmup: float = 10 / 110,
        mode: Mode = "train",
    ) -> None:
        super().__init__(steps=steps, start=0.0, mode=mode)
        if gamma <= 0 or not 0 < beta <= 1 or not 0 <= warmup < 1:
            raise InputError(f"gamma is positive, beta and warmup in 0..1, not {gamma:g}, {beta:g}, {warmup:g}")
        self.gamma, self.beta, self.warmup = gamma, beta, warmup

    @property
    def passes(self) -> float:
        """Passes per image: three attacks, and the check of clean images and of two attacks, a third each."""
        return 3 * self.steps + 1.0

    def __call__(self, model: nn.Module, space: Space, batch: Batch, generator: torch.Generator) -> Tensor:
        """See ``Inner``."""
        space = self.check(space)
        with in_mode(model, self.mode):
            clean = right(model, batch.images, batch.labels)
            if batch.share < self.warmup:
                radii = clean.float() * space.eps
                self.memory.keep(batch, radii)
            else:
                radii = self._searched(model, batch, clean, generator)
            return self._attack(model, batch, radii, generator)

    def _searched(self, model: nn.Module, batch: Batch, clean: Tensor, generator: torch.Generator) -> Tensor:
        old = self.memory.of(batch)
        larger = right(model, self._attack(model, batch, old + self.gamma, generator), batch.labels)
        same = right(model, self._attack(model, batch, old, generator), batch.labels)
        chosen = torch.where(larger, old + self.gamma, torch.where(same, old, old - self.gamma))
        chosen = torch.where(clean, chosen, 0.0).clamp_min(0)
        radii = self.beta * chosen + (1 - self.beta) * old
        self.memory.keep(batch, radii)
        return radii

    def _attack(self, model: nn.Module, batch: Batch, radii: Tensor, generator: torch.Generator) -> Tensor:
        sizes = (radii / (0.5 * self.steps)).clamp_min(2 / 255)
        return pgd_within(model, batch, radii, sizes, generator, steps=self.steps)


class MarginSearch(_Adaptive):
    """MMA: the point at which an image's class changes, along the direction of an attack (Ding 2020, arXiv 1812.02637).

    Images that are misclassified stay as they are. ``batch.views["counted"]`` is 1 for images whose margin is below the
    space's radius, and for misclassified ones; the others have margin enough and do not count.

    Args:
        steps: of the attack.
        bisections: evaluations of the search for the boundary.
        least: smallest radius that is stored, for pixels in [0, 1].

    Raises:
        InputError: a setting is out of range.
    """

    def __init__(self, *, steps: int = 10, bisections: int = 10, least: float = 0.005) -> None:
        super().__init__(steps=steps, start=least, mode="eval")
        if bisections < 1 or least <= 0:
            raise InputError(f"at least 1 bisection and a positive least radius, not {bisections} and {least:g}")
        self.bisections, self.least = bisections, least

    @property
    def passes(self) -> float:
        """Passes per image: the attack's, and a third for each evaluation."""
        return self.steps + (self.bisections + 1) / 3

    def __call__(self, model: nn.Module, space: Space, batch: Batch, generator: torch.Generator) -> Tensor:
        """See ``Inner``."""
        space = self.check(space)
        with in_mode(model, self.mode):
            clean = right(model, batch.images, batch.labels)
            radii = self.memory.of(batch)
            sizes = 2.5 * radii / self.steps
            moved = pgd_within(model, batch, radii, sizes, generator, steps=self.steps, soft_margin=True)
            direction = (moved - batch.images) / radii
            margins = self.boundary(model, batch, direction, space.eps)
        self.memory.keep(batch, torch.where(clean, margins.clamp_min(self.least), radii))
        batch.views[COUNTED] = (~clean | (margins < space.eps)).flatten().float()
        return torch.where(clean, (batch.images + margins * direction).clamp(0, 1), batch.images)

    def boundary(self, model: nn.Module, batch: Batch, direction: Tensor, largest: float) -> Tensor:
        """How far each image can go in a direction before its class changes, ``(B, 1, 1, 1)``, at most ``largest``."""
        low = torch.zeros(len(direction), 1, 1, 1, device=direction.device)
        high = torch.full_like(low, largest)
        held = right(model, (batch.images + high * direction).clamp(0, 1), batch.labels)
        for _ in range(self.bisections):
            middle = (low + high) / 2
            survives = right(model, (batch.images + middle * direction).clamp(0, 1), batch.labels)
            low, high = torch.where(survives, middle, low), torch.where(survives, high, middle)
        return torch.where(held, torch.full_like(high, largest), high)
