"""Tries a network on synthetic images before any real work: what it answers, and whether images affect each other."""

from typing import Any

import torch
from torch import Tensor, nn

from stormbench.defenses.base import fixed_draw
from stormbench.errors import ModelError

# Sides at which a network is tried that does not say what it was made for: CIFAR, 64, ImageNet.
_TRIED_SIDES = (32, 64, 224)
# Images of one batch size go through the same kernels: what differs by more than rounding comes from the other images.
_TOLERANCE = 1e-4


def count_classes(model: nn.Module, side: int | None, source: str) -> int:
    """Calls a model on synthetic images.

    Args:
        model: from ``(N, 3, H, W)`` in [0, 1] to logits.
        side: of the images it was made for; None tries the usual ones.
        source: what the model is called, for messages.

    Returns:
        The number of classes.

    Raises:
        ModelError: it cannot be called; it does not give one row of finite numbers for each image; or what it gives
            for an image depends on the other images of the batch, as in training mode.
    """
    problem = ""
    for tried in (side,) if side else _TRIED_SIDES:
        try:
            with torch.no_grad():
                logits = model(torch.full((2, 3, tried, tried), 0.5))
        except (Exception, SystemExit) as error:  # the network is the user's: it may raise anything
            problem = f"it fails on a batch of {tried}x{tried} images: {told(error)}"
            continue
        classes = _checked(logits, source)
        _refuse_batch_mates(model, tried, source)
        return classes
    hint = "" if side else "; if it needs another size, say so with --model-size, in Python size="
    raise ModelError(f"{source} cannot be called: {problem}{hint}")


def told(error: BaseException) -> str:
    """One line on an error of the user's code."""
    first = next(iter(str(error).splitlines()), "")
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({first})"
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _checked(logits: Any, source: str) -> int:
    if not isinstance(logits, Tensor):
        raise ModelError(f"{source} gives a {type(logits).__name__}; expected logits, a tensor (N, K)")
    if logits.ndim != 2 or logits.shape[0] != 2 or logits.shape[1] < 2:
        raise ModelError(f"{source} gives {tuple(logits.shape)} for 2 images; expected logits (2, K), K at least 2")
    if not logits.isfinite().all():
        raise ModelError(f"{source} gives NaN or infinite logits for plain grey images; are its weights damaged?")
    return int(logits.shape[1])


@torch.no_grad()
def _refuse_batch_mates(model: nn.Module, side: int, source: str) -> None:
    """Compares the logits of the same images in the company of different ones.

    Draws are repeated, so that random models are judged as others are; where they cannot be, nothing is concluded.
    """
    generator = torch.Generator().manual_seed(0)
    same, bright, dark = torch.rand(3, 1, 3, side, side, generator=generator)
    dark = dark**4
    first, beside = (_seeded(model, torch.cat([same, mate]))[:1] for mate in (bright, dark))
    allowed = _TOLERANCE * first.abs().amax().clamp_min(1e-6)
    if (beside - first).abs().amax() <= allowed:
        return
    again = _seeded(model, torch.cat([same, bright]))[:1]
    if (again - first).abs().amax() <= allowed:
        raise ModelError(
            f"{source} answers to an image according to the other images of its batch, as batch norm does in training "
            "mode; make eval() reach all of its layers"
        )


def _seeded(model: nn.Module, images: Tensor) -> Tensor:
    with torch.random.fork_rng(devices=[]), fixed_draw(model):
        torch.manual_seed(0)
        logits: Tensor = model(images).double()
        return logits
