"""The loop under every recipe: learns, repeats, continues to the same weights; recipes that must coincide do so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses.training import Progress, Recipe, build_objective, read_recipe, recipes, train_model
from stormbench.defenses.training.averages import ExponentialAverage, StochasticWeightAverage
from stormbench.defenses.training.updates import WeightPerturbation
from stormbench.errors import InputError, ModelError, SettingsChangedError

Fresh = Callable[[], nn.Module]


def short(name: str, *changes: str) -> Recipe:
    recipe = read_recipe(name).changed(["epochs=2", "batch=16", "seed=3"])
    steps = ["inner.steps=2"] if "steps=10" in recipe.inner else []
    return recipe.changed([*steps, *changes])


def same(one: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_continues_to_the_same_weights(name: str, fresh: Fresh, pictures: Any, tmp_path: Path) -> None:
    recipe, checkpoint = short(name), tmp_path / "state"
    labelled = 20 if recipe.pools != "one" else None

    def interrupt(step: Progress) -> None:
        if step.epoch == 1:
            raise KeyboardInterrupt

    whole, broken, continued = fresh(), fresh(), fresh()
    history = train_model(whole, recipe, pictures, len(pictures), labelled=labelled)
    with pytest.raises(KeyboardInterrupt):
        train_model(broken, recipe, pictures, len(pictures), labelled=labelled, checkpoint=checkpoint, report=interrupt)
    for parameter in continued.parameters():
        nn.init.ones_(parameter)
    again = train_model(continued, recipe, pictures, len(pictures), labelled=labelled, checkpoint=checkpoint)
    assert again == history
    assert same(whole, continued)
    assert not same(whole, fresh())
    assert not whole.training
    assert all(value.isfinite().all() for value in whole.state_dict().values())


@pytest.mark.parametrize("average", ["ema:decay=0.5", "swa:start=0.3"])
def test_an_average_continues_too(average: str, fresh: Fresh, pictures: Any, tmp_path: Path) -> None:
    recipe, checkpoint = short("standard", f"average={average}", "epochs=3"), tmp_path / "state"
    whole, continued = fresh(), fresh()
    train_model(whole, recipe, pictures, len(pictures))

    def interrupt(step: Progress) -> None:
        if step.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_model(fresh(), recipe, pictures, len(pictures), checkpoint=checkpoint, report=interrupt)
    train_model(continued, recipe, pictures, len(pictures), checkpoint=checkpoint)
    assert same(whole, continued)
    plain = fresh()
    train_model(plain, short("standard", "epochs=3"), pictures, len(pictures))
    assert not same(whole, plain)


@pytest.mark.parametrize("name", ["standard", "pgd-at", "trades"])
def test_it_learns(name: str, fresh: Fresh, pictures: Any) -> None:
    model = fresh()
    history = train_model(model, short(name, "epochs=12", "schedule=cosine"), pictures, len(pictures))
    with torch.no_grad():
        right = (model(pictures.images).argmax(dim=1) == pictures.labels).float().mean()
    assert right > 0.8
    assert history[-1].loss < history[0].loss


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("trades", "objective.pair=0"), ("standard", "schedule=steps:at=0.75+0.9")),
        (("alp", "objective.pair=0"), ("mixed",)),
        (("standard", "objective.pair=0"), ("standard",)),
        (("awp", "update=plain"), ("pgd-at",)),
    ],
)
def test_recipes_that_are_one(one: tuple[str, ...], other: tuple[str, ...], fresh: Fresh, pictures: Any) -> None:
    models = [fresh(), fresh()]
    for model, recipe in zip(models, (one, other), strict=True):
        train_model(model, short(*recipe), pictures, len(pictures))
    assert same(*models)


def test_orders_of_passes_differ_in_batch_statistics(fresh: Fresh, pictures: Any) -> None:
    models = []
    for order in ("joint", "natural-first", "adversarial-first"):
        models.append(fresh())
        train_model(models[-1], short("mixed", f"passes={order}", "epochs=1"), pictures, len(pictures))
    assert not same(models[0], models[1])
    assert not same(models[1], models[2])


def test_a_loss_that_is_no_number_stops_and_the_last_epoch_is_kept(fresh: Fresh, pictures: Any, tmp_path: Path) -> None:
    checkpoint, calls = tmp_path / "state", []

    def load(indices: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(1)
        images, labels = pictures(indices)
        return (images * float("nan") if len(calls) == 6 else images), labels

    with pytest.raises(ModelError, match="the loss became nan in epoch 2, step 2; a lower rate may help"):
        train_model(fresh(), short("standard"), load, len(pictures), checkpoint=checkpoint)
    whole, continued = fresh(), fresh()
    train_model(whole, short("standard"), pictures, len(pictures))
    train_model(continued, short("standard"), pictures, len(pictures), checkpoint=checkpoint)
    assert same(whole, continued)


def test_another_recipe_does_not_continue(fresh: Fresh, pictures: Any, tmp_path: Path) -> None:
    checkpoint = tmp_path / "state"
    train_model(fresh(), short("standard"), pictures, len(pictures), checkpoint=checkpoint)
    with pytest.raises(SettingsChangedError, match="choose another output or remove it"):
        train_model(fresh(), short("pgd-at"), pictures, len(pictures), checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(ModelError, match="no state of an unfinished training; remove it to start anew"):
        train_model(fresh(), short("standard"), pictures, len(pictures), checkpoint=checkpoint)


def test_a_state_of_the_loop_before_recipes_is_read(fresh: Fresh, pictures: Any, tmp_path: Path) -> None:
    """States of OAT's own loop had no parts, and no probe in their history."""
    checkpoint, recipe = tmp_path / "state", short("standard")
    with pytest.raises(KeyboardInterrupt):
        train_model(fresh(), recipe, pictures, len(pictures), checkpoint=checkpoint, report=_stop_in_the_second)
    state = torch.load(checkpoint, weights_only=True)
    del state["parts"], state["history"][0]["probed"]
    torch.save(state, checkpoint)
    whole, continued = fresh(), fresh()
    train_model(whole, recipe, pictures, len(pictures))
    train_model(continued, recipe, pictures, len(pictures), checkpoint=checkpoint)
    assert same(whole, continued)


def _stop_in_the_second(step: Progress) -> None:
    if step.epoch == 1:
        raise KeyboardInterrupt


def test_perturbed_weights_come_back(fresh: Fresh, pictures: Any, draws: torch.Generator) -> None:
    model = fresh().train()
    objective = build_objective(model, short("awp", "update=awp:gamma=0.01"))
    before = {name: value.clone() for name, value in model.named_parameters()}
    perturbation = WeightPerturbation(gamma=0.01)
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    perturbation.ascend(model, lambda: nn.functional.cross_entropy(model(pictures.images), pictures.labels), 0.0)
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, value in model.named_parameters():
        wanted = 0.01 * before[name].norm().item() if value.ndim > 1 else 0
        assert (value - before[name]).norm().item() == pytest.approx(wanted, rel=1e-3), name
    perturbation.undo()
    assert all(torch.allclose(value, before[name], atol=1e-7) for name, value in model.named_parameters())
    objective(pictures.batch(), draws)
    objective.after_step()
    assert all(torch.allclose(value, before[name], atol=1e-7) for name, value in model.named_parameters())


def test_weights_are_perturbed_uphill(fresh: Fresh, pictures: Any) -> None:
    model = fresh().train()

    def loss() -> Tensor:
        return nn.functional.cross_entropy(model(pictures.images), pictures.labels)

    before, perturbation = loss().item(), WeightPerturbation(gamma=0.01)
    perturbation.ascend(model, loss, 0.0)
    assert loss().item() > before
    WeightPerturbation(gamma=0.01, warmup=0.5).ascend(model, lambda: pytest.fail("too early"), 0.4)


def test_averages_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    moving, mean = ExponentialAverage(model, decay=0.75), StochasticWeightAverage(model, start=0.5)
    for step, weight in enumerate((1.0, 2.0, 4.0, 8.0)):
        nn.init.constant_(model.weight, weight)
        moving.after_step(model)
        mean.after_epoch(model, (step + 1) / 4)
    mean.finish(model, list)
    assert model.weight.item() == 6  # of the last two epochs
    moving.finish(model, list)
    assert model.weight.item() == pytest.approx(((1 * 0.75 + 2 * 0.25) * 0.75 + 4 * 0.25) * 0.75 + 8 * 0.25)


def test_a_collapse_is_found_and_the_epoch_before_is_kept(
    fresh: Fresh, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.5, 0.6, 0.3, 0.9])
    monkeypatch.setattr("stormbench.defenses.training.collapse.CollapseDetector._accuracy", lambda *_: next(accuracies))
    kept = list[dict[str, Tensor]]()
    model = fresh()

    def note(step: Progress) -> None:
        if step.finished:
            kept.append({name: value.clone() for name, value in model.state_dict().items()})

    history = train_model(model, short("fast", "epochs=4"), pictures, len(pictures), report=note)
    assert [step.probed for step in history] == [0.5, 0.6, 0.3]
    assert all(torch.equal(value, kept[1][name]) for name, value in model.state_dict().items())


def test_too_few_images(fresh: Fresh, pictures: Any) -> None:
    with pytest.raises(InputError, match="1 images are too few to train on"):
        train_model(fresh(), short("standard"), pictures, 1)
