"""A training that was interrupted goes on with what it was begun on, or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.training.conditional import train_conditional
from stormbench.benchmarks.training.rain import train_rain
from stormbench.datasets import Geometry, ImageSet, open_images
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.defenses.oat.recipe import Recipe
from stormbench.defenses.oat.spec import NetworkSpec
from stormbench.defenses.rain.training import TrainingSettings
from stormbench.errors import ModelError, SettingsChangedError


class StoppedError(Exception):
    """Somebody pulled the plug."""


def stop_in_second_epoch(step: Any) -> None:
    if step.epoch == 1:
        raise StoppedError


def digits(first: int = 0) -> ImageSet:
    return open_images("digits").subset(range(first, first + 48))


def classifier(seed: int = 0, mean: float = 0.0) -> Model:
    torch.manual_seed(seed)
    return Model(nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "mine", Preprocessing(crop=16, mean=(mean,) * 3))


def rain(out: Path, report: Callable[[Any], None] | None = None, **changes: Any) -> Path:
    given = {"model": classifier(), "images": digits(), "features": 4, "blocks": 0, "geometry": Geometry(32, 32)}
    return train_rain(
        out=out / "rain.safetensors",
        settings=TrainingSettings(restoration_epochs=1, task_epochs=1, batch_size=24),
        report=report,
        **given | changes,
    )


RAIN_CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "classifier.weights": lambda: {"model": classifier(seed=1)},
    "classifier.preprocessing.mean": lambda: {"model": classifier(mean=0.5)},
    "data.fingerprint": lambda: {"images": digits(48)},
    "data.geometry.crop": lambda: {"geometry": Geometry(32, 28)},
    "enhancer.first weights": lambda: {"features": 5},
    "enhancer.shift": lambda: {"shift": 0.1},
}


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rain")
    with pytest.raises(StoppedError):
        rain(out, stop_in_second_epoch)
    assert (out / "rain.unfinished").is_file()
    return out


@pytest.mark.parametrize("what", RAIN_CHANGES)
def test_rain_does_not_go_on_with_something_else(interrupted: Path, what: str) -> None:
    state = (interrupted / "rain.unfinished").read_bytes()
    with pytest.raises(SettingsChangedError, match=rf"rain\.unfinished was made with {what} "):
        rain(interrupted, **RAIN_CHANGES[what]())
    assert (interrupted / "rain.unfinished").read_bytes() == state


def test_rain_goes_on_with_the_same_and_leaves_nothing_behind(interrupted: Path, tmp_path: Path) -> None:
    for path in interrupted.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    begun: list[int] = []
    rain(tmp_path, lambda step: begun.append(step.epoch))
    assert min(begun) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["rain.safetensors"]


def test_a_damaged_note_is_named(interrupted: Path, tmp_path: Path) -> None:
    for path in interrupted.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "rain.unfinished.inputs.json").write_bytes(b"{")
    with pytest.raises(ModelError, match=r"inputs\.json is damaged; remove it and .*rain\.unfinished to start anew"):
        rain(tmp_path)


def conditional(out: Path, report: Callable[[Any], None] | None = None, **changes: Any) -> None:
    network = NetworkSpec(arch="small", classes=10, lambdas=(0.5,), encoding=None, dual=False, channels=4)
    recipe = Recipe(epochs=2, batch_size=24, attack_steps=1, rate=0.01)
    given = {"images": digits(), "geometry": Geometry((16, 16))}
    train_conditional(network, out=out, recipe=recipe, report=report, **given | changes)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("fingerprint", lambda: {"images": digits(48)}),
        ("geometry.resize", lambda: {"geometry": Geometry((18, 18))}),
    ],
)
def test_conditional_models_do_not_go_on_with_something_else(
    tmp_path: Path, what: str, change: Callable[[], dict[str, Any]]
) -> None:
    with pytest.raises(StoppedError):
        conditional(tmp_path, stop_in_second_epoch)
    with pytest.raises(SettingsChangedError, match=rf"training\.unfinished was made with {what} "):
        conditional(tmp_path, **change())
    conditional(tmp_path)  # a pair of sides is a list on the card, and no other setting for that
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    conditional(tmp_path)
