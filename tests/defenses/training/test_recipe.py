"""Recipes as data: what is shipped can be built, what is written wrongly is refused by name."""

from pathlib import Path

import pytest
from torch import nn

from stormbench.defenses.training import Recipe, build_objective, read_recipe, recipes
from stormbench.defenses.training.build import make
from stormbench.defenses.training.recipe import parts_of
from stormbench.defenses.training.registry import AVERAGES, OPTIMISERS, SCHEDULES, VIEWS
from stormbench.errors import InputError, UnknownNameError


@pytest.mark.parametrize("recipe", recipes().values(), ids=list(recipes()))
def test_a_shipped_recipe_can_be_built(recipe: Recipe) -> None:
    model = nn.Linear(2, 2)
    objective = build_objective(model, recipe)
    assert objective.passes >= 1
    assert make(OPTIMISERS, recipe.optimiser, model.parameters()).defaults["lr"] > 0
    schedule = make(SCHEDULES, recipe.schedule)
    assert all(0 <= schedule(share / 10) <= 1 for share in range(11))
    make(AVERAGES, recipe.average, model)
    views = [make(VIEWS, spec) for spec in parts_of(recipe.views)]
    assert len(views) == len(parts_of(recipe.views))
    assert recipe.source


def test_gaussian_noise_in_training_is_declared() -> None:
    """Noise is one of the test corruptions: a recipe that shows it says so."""
    for recipe in recipes().values():
        noisy = "noise:" in recipe.views or recipe.space.startswith("gaussian")
        assert ("noise" in recipe.trained_on) == noisy, recipe.name


def test_passes_are_those_of_the_sources() -> None:
    passes = {name: build_objective(nn.Linear(2, 2), recipe).passes for name, recipe in recipes().items()}
    wanted = {"standard": 1, "pgd-at": 11, "mart": 12, "fast": 2, "stability": 2, "awp": 12}
    assert {name: passes[name] for name in wanted} == wanted


def test_one_setting_of_a_part_is_changed() -> None:
    recipe = read_recipe("pgd-at").changed(["inner.steps=7", "epochs=3", "inner.mode=train"])
    assert recipe.inner == "pgd:steps=7,step=2/255,start=uniform,mode=train"
    assert recipe.epochs == 3
    assert recipe.digest != read_recipe("pgd-at").digest
    assert recipe.digest == recipe.changed(["seed=5"]).digest  # seeds are repetitions of one recipe


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", "no setting of a recipe named 'epoch'; did you mean epochs"),
        ("epochs=many", "epochs wants a whole number, not 'many'"),
        ("epochs", "write KEY=VALUE"),
        ("inner.stepz=3", "there is no setting 'stepz'; there are: steps, step, start"),
        ("inner.steps=0", "at least 1 step"),
        ("space.eps=-1", "eps is a distance"),
        ("inner=pgdd", "no inner maximiser named 'pgdd'; did you mean pgd"),
        ("inner=none", "its objective needs moved images, but inner is none"),
        ("space=gaussian", "can be drawn from, not ascended"),
        ("update=plain:gamma=1", "plain has no settings"),
        ("passes=both", "passes is one of joint, natural-first, adversarial-first, not 'both'"),
        ("objective=pair:natural=0", "natural and adversarial are not both 0"),
        ("trained_on=dust", "no corruption group named 'dust'"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_objective(nn.Linear(2, 2), read_recipe("pgd-at").changed([setting]))


def test_a_file_inherits_from_a_shipped_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "trades"\nname = "mine"\nsource = "me"\nepochs = 2\n')
    recipe = read_recipe(str(path))
    assert (recipe.name, recipe.epochs, recipe.objective) == ("mine", 2, read_recipe("trades").objective)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('name = "a"\nsource = "b"\ninnner = "pgd"', "'innner'; did you mean inner"),
        ('name = "a"\nsource = "b"\nepochs = "3"', "epochs is a whole number, not '3'"),
        ('name = "a"\nsource = "b"\nepochs = true', "epochs is a whole number, not True"),
        ('name = "a"\nsource = "b"\ndepartures = "none"', "departures is a list of texts"),
        ('name = "a"', "a recipe says its source"),
        ('base = "tradse"', "'tradse'; did you mean trades"),
        ("name = ", "is no TOML file"),
        ('name = "a"\nsource = "b"\nbatch = 1', "2 images in a batch"),
    ],
)
def test_a_wrong_file_is_refused_by_name(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_recipe(str(path))
    assert "mine" in str(caught.value) or "recipe a" in str(caught.value)


def test_what_is_not_there() -> None:
    with pytest.raises(UnknownNameError, match="did you mean trades"):
        read_recipe("tradess")
    with pytest.raises(InputError, match=r"there is no recipe file none\.toml"):
        read_recipe("none.toml")
