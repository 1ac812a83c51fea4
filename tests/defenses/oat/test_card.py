"""A checkpoint brings its model back as it was, and says so where it cannot."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from stormbench.defenses.oat import ConditionalModel, Recipe
from stormbench.defenses.oat.card import read_card, read_checkpoint, write_checkpoint
from stormbench.errors import ModelError

Build = Callable[..., ConditionalModel]
DATA = {"name": "digits", "images": 3, "fingerprint": "0" * 32, "classes": ["a", "b", "c"]}
KEY = "stormbench conditional model"


def written(model: ConditionalModel, path: Path) -> Path:
    write_checkpoint(model, path, recipe=Recipe(seed=7), data=DATA, versions={"torch": "2"}, history=[{"epoch": 0}])
    return path


def rewritten(path: Path, *, card: dict[str, Any] | None = None, **weights: Tensor | None) -> Path:
    """The same file with another card, or with weights changed or (None) left out."""
    with safe_open(path, framework="pt") as file:
        found = json.loads(file.metadata()[KEY])
    state = load_file(path) | {name.replace("__", "."): value for name, value in weights.items()}
    kept = {name: value for name, value in state.items() if value is not None}
    save_file(kept, path, metadata={KEY: json.dumps(found | (card or {}))})
    return path


@torch.no_grad()
def test_a_checkpoint_brings_everything_back(build: Build, images: Tensor, tmp_path: Path) -> None:
    model = build(widths=(0.5, 1.0), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), code_seed=5)
    path = written(model, tmp_path / "model.safetensors")
    again, card = read_checkpoint(path)
    assert card == read_card(path)
    assert card.network == model.spec == again.spec
    assert (card.recipe, card.data, card.history) == (Recipe(seed=7), DATA, [{"epoch": 0}])
    assert len(card.weights) == 64
    lambdas = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 1.0])
    for width in (0.5, 1.0):
        assert torch.equal(again(images, lambdas, width), model(images, lambdas, width))
    assert not again.training


def test_a_missing_encoding_matrix_is_named(build: Build, tmp_path: Path) -> None:
    path = rewritten(written(build(), tmp_path / "m.safetensors"), encoding__matrix=None)
    with pytest.raises(ModelError, match=r"lacks the encoding matrix \(encoding.matrix\)"):
        read_checkpoint(path)


def test_another_format_is_refused(build: Build, tmp_path: Path) -> None:
    path = rewritten(written(build(), tmp_path / "m.safetensors"), card={"format": 2})
    with pytest.raises(ModelError, match="has format 2, this stormbench reads 1"):
        read_checkpoint(path)


def test_another_architecture_is_refused(build: Build, tmp_path: Path) -> None:
    model = build()
    path = written(model, tmp_path / "m.safetensors")
    network = read_card(path).network.__dict__
    with pytest.raises(ModelError, match="does not hold the weights of its resnet18: at network"):
        read_checkpoint(rewritten(path, card={"network": network | {"arch": "resnet18"}}))
    with pytest.raises(ModelError, match="cannot be built: there is no architecture named 'resnet81'"):
        read_checkpoint(rewritten(path, card={"network": network | {"arch": "resnet81"}}))
    with pytest.raises(ModelError, match="does not hold the weights"):
        read_checkpoint(rewritten(path, card={"network": network | {"encoding": "scalar"}}))


def test_an_encoding_of_the_same_shape_is_not_taken_for_another(build: Build, tmp_path: Path) -> None:
    model = build(encoding="dct")
    path = written(model, tmp_path / "m.safetensors")
    network = read_card(path).network.__dict__ | {"encoding": "orthogonal"}
    with pytest.raises(ModelError, match="dct encoding, this model has orthogonal"):
        read_checkpoint(rewritten(path, card={"network": network}))


def test_changed_weights_are_noticed(build: Build, tmp_path: Path) -> None:
    model = build()
    path = written(model, tmp_path / "m.safetensors")
    changed = model.network.linear.weight.detach() + 1e-3
    with pytest.raises(ModelError, match="was changed after it was written"):
        read_checkpoint(rewritten(path, network__linear__weight=changed))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(ModelError, match="is not a safetensors file"):
        read_checkpoint(tmp_path / "text")
    save_file({"weight": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ModelError, match="has no card; `stormbench train oat`"):
        read_checkpoint(tmp_path / "plain.safetensors")
    save_file({"weight": torch.zeros(1)}, tmp_path / "odd.safetensors", metadata={KEY: '{"format": 1, "x": 2}'})
    with pytest.raises(ModelError, match=r"the card of .* cannot be read"):
        read_checkpoint(tmp_path / "odd.safetensors")
