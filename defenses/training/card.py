"""Networks that recipes trained, as files: weights, and a card that says how to build and how they came about."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from stormbench.cards import check_digest, read_safetensors
from stormbench.defenses.networks.registry import build_network
from stormbench.defenses.training.recipe import Recipe
from stormbench.errors import InputError, MissingDependencyError, ModelError
from stormbench.files import atomic_write
from stormbench.weights import digest_of

FORMAT = 1
_KEY = "stormbench trained network"
Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class NetworkCard:
    """What has to be known to build a network again.

    Attributes:
        arch: see ``build_network``.
        classes: how many.
        mean: subtracted from each channel of pixels in [0, 1].
        std: divides each channel afterwards.
    """

    arch: str
    classes: int
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)


class TrainedNetwork(nn.Module):
    """A network with its normalisation: from images ``(N, 3, H, W)`` in [0, 1] to logits ``(N, K)``.

    Args:
        card: which network.

    Raises:
        UnknownNameError: there is no such network.
        InputError: it cannot have so many classes.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, card: NetworkCard) -> None:
        super().__init__()
        self.card = card
        self.network = build_network(card.arch, card.classes)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(card, name)).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)`` of images ``(N, 3, H, W)`` in [0, 1]."""
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


@dataclass(frozen=True, kw_only=True)
class TrainingCard:
    """What a trained network's file says of itself.

    Attributes:
        network: to build it.
        recipe: how it was trained, resolved.
        recipe_digest: ``Recipe.digest``.
        data: name, number of images and fingerprint of the training data, and the names of the classes.
        versions: of the libraries that it was trained with.
        history: how each epoch ended (``Progress``).
        passes: forward and backward passes per image and step.
        collapsed: the epoch, from 1, in which catastrophic overfitting was found; 0 for none.
        weights: SHA-256 over names, types, shapes and bytes.
    """

    network: NetworkCard
    recipe: Recipe
    recipe_digest: str
    data: Mapping[str, Any]
    versions: Mapping[str, str]
    history: list[dict[str, Any]]
    passes: float
    collapsed: int
    weights: str


def write_network(model: TrainedNetwork, path: Path, **card: Any) -> TrainingCard:
    """Writes weights and card as one ``.safetensors`` file, whole or not at all; reading it runs no code.

    Args:
        model: what was trained.
        path: where.
        card: the fields of ``TrainingCard`` but network, digest and weights.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    recipe: Recipe = card["recipe"]
    full = TrainingCard(network=model.card, recipe_digest=recipe.digest, weights=digest_of(state), **card)
    atomic_write(path, save(state, metadata={_KEY: json.dumps({"format": FORMAT} | asdict(full))}), durable=True)
    return full


def read_network(path: Path) -> tuple[TrainedNetwork, TrainingCard]:
    """Builds a network from its file, in evaluation mode.

    Raises:
        ModelError: there is no such file, it was not written by ``stormbench train RECIPE``, or was changed afterwards.
        MissingDependencyError: the library of its architecture is not installed.
    """
    state, metadata = read_safetensors(path, "trained network")
    card = _card(metadata, path)
    try:
        model = TrainedNetwork(card.network)
        model.load_state_dict(state)
    except MissingDependencyError:
        raise
    except (InputError, RuntimeError) as error:
        raise ModelError(f"{path} does not fit its {card.network.arch}: {str(error).splitlines()[0]}") from None
    check_digest(state, card.weights, path)
    return model.eval(), card


def read_training_card(path: Path) -> TrainingCard:
    """Reads the card alone.

    Raises:
        ModelError: as ``read_network``.
    """
    return _card(read_safetensors(path, "trained network")[1], path)


def _card(metadata: Mapping[str, str], path: Path) -> TrainingCard:
    if _KEY not in metadata:
        other = "; use oat:PATH@lam=LAMBDA" if "stormbench conditional model" in metadata else ""
        raise ModelError(f"{path} has no card of a recipe; `stormbench train RECIPE` writes networks with one{other}")
    try:
        found = json.loads(metadata[_KEY])
        written = found.pop("format")
        if written != FORMAT:
            raise ModelError(f"{path} has format {written}, this stormbench reads {FORMAT}; train it again")
        network = NetworkCard(**_tuples(found["network"]))
        return TrainingCard(**found | {"network": network, "recipe": Recipe(**_tuples(found["recipe"]))})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"the card of {path} cannot be read: {error}") from None


def _tuples(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
