"""Checkpoints: weights as safetensors, and with them all that is needed to use them and to say what they are."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from stormbench.cards import check_digest, read_safetensors
from stormbench.defenses.oat.model import ConditionalModel
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.oat.spec import NetworkSpec
from stormbench.errors import InputError, ModelError
from stormbench.files import atomic_write
from stormbench.weights import digest_of

FORMAT = 1
_KEY = "stormbench conditional model"
_MATRIX = "encoding.matrix"


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself.

    Attributes:
        network: with its lambdas, widths, encoding and normalisation.
        recipe: how it was trained.
        data: name, number of images and fingerprint of what it was trained on, and the names of the classes.
        versions: of the libraries that it was trained with.
        history: loss, clean and robust accuracy at the end of each epoch (``Progress``).
        weights: SHA-256 over names, types, shapes and bytes.
    """

    network: NetworkSpec
    recipe: Recipe
    data: Mapping[str, Any]
    versions: Mapping[str, str]
    history: list[dict[str, Any]]
    weights: str


def write_checkpoint(
    model: ConditionalModel,
    path: Path,
    *,
    recipe: Recipe,
    data: Mapping[str, Any],
    versions: Mapping[str, str],
    history: list[dict[str, Any]],
) -> Card:
    """Writes weights and card as one ``.safetensors`` file, whole or not at all; reading it runs no code."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    card = Card(model.spec, recipe, data, versions, history, digest_of(state))
    content = json.dumps({"format": FORMAT} | asdict(card))
    atomic_write(path, save(state, metadata={_KEY: content}), durable=True)
    return card


def read_checkpoint(path: Path) -> tuple[ConditionalModel, Card]:
    """Builds a model from its checkpoint.

    Raises:
        ModelError: there is no such file; it is no checkpoint of ours, or one of another format; it lacks the encoding
            matrix or other weights, has weights of another architecture, or was changed after it was written.
    """
    state, metadata = read_safetensors(path, "checkpoint")
    card = _card(metadata, path)
    try:
        model = ConditionalModel(card.network)
    except InputError as error:
        raise ModelError(f"{path} describes a model that cannot be built: {error}") from None
    _check(model.state_dict(), state, path, card.network.arch)
    check_digest(state, card.weights, path)
    model.load_state_dict(state)
    return model.eval(), card


def read_card(path: Path) -> Card:
    """Reads the card alone.

    Raises:
        ModelError: as ``read_checkpoint``.
    """
    return _card(read_safetensors(path, "checkpoint")[1], path)


def _card(metadata: Mapping[str, str], path: Path) -> Card:
    if _KEY not in metadata:
        raise ModelError(f"{path} has no card; `stormbench train oat`, `oats` and `pgd` write checkpoints with one")
    try:
        found = json.loads(metadata[_KEY])
        written = found.pop("format")
        if written != FORMAT:
            raise ModelError(
                f"{path} has format {written}, this stormbench reads {FORMAT}; train it again or use the other"
            )
        return Card(**found | {"network": NetworkSpec.from_json(found["network"]), "recipe": Recipe(**found["recipe"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"the card of {path} cannot be read: {error}") from None


def _check(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path, architecture: str) -> None:
    if _MATRIX in wanted and _MATRIX not in found:
        raise ModelError(
            f"{path} lacks the encoding matrix ({_MATRIX}), without which no lambda can be told to its network; "
            "the weights alone are of no use"
        )
    for name in [*wanted, *found]:
        ours, theirs = (tuple(state[name].shape) if name in state else None for state in (wanted, found))
        if ours != theirs:
            raise ModelError(
                f"{path} does not hold the weights of its {architecture}: at {name} it has {theirs or 'nothing'}, "
                f"wanted {ours or 'nothing'}"
            )
