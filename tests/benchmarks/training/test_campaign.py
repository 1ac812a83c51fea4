"""A campaign is what its single stages say, joined on the same images; it is continued, and it says what it is of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stormbench.benchmarks.experiments.campaign import CampaignPlan, at_equal_passes, campaign, figure
from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.results.campaigns import read_campaign
from stormbench.benchmarks.results.images import read_outcomes, read_result
from stormbench.benchmarks.suites.registry import corruption_suite
from stormbench.benchmarks.training.loader import loader
from stormbench.datasets import open_images
from stormbench.defenses.training import read_recipe
from stormbench.errors import InputError, ResultError

SHORT = ["epochs=1", "batch=32"]
RECIPES = [
    read_recipe("standard").changed(SHORT),
    read_recipe("pgd-at").changed([*SHORT, "inner.steps=1"]),
    read_recipe("noise").changed(SHORT),
]
TEST = open_images("digits")
PLAN = CampaignPlan(
    recipes=RECIPES,
    seeds=(0, 1),
    train=open_images("digits:train").subset(range(96)),
    test=TEST,
    suite=corruption_suite("cifar-c").narrowed(["contrast", "gaussian_noise"], [3]),
    limit=30,
    attacked=8,
)


def test_a_campaign_is_its_stages_and_is_continued(tmp_path: Path) -> None:
    path, found = campaign(PLAN, tmp_path / "camp")
    assert path == tmp_path / "camp" / "camp.campaign.json"
    assert read_campaign(path) == found
    assert [row.recipe for row in found.rows] == ["standard", "pgd-at", "noise"]
    standard, pgd, noise = found.rows
    folder = tmp_path / "camp" / "noise.seed-1"
    images, labels = loader(TEST, TEST.labels, None, "cpu")(torch.arange(30))
    with torch.no_grad():
        right = load_model(f"net:{folder / 'model.safetensors'}")(images).argmax(dim=1) == labels
    assert noise.clean.seeds[1] == pytest.approx(100 * float(right.float().mean()), abs=1e-4)
    wrong = []
    for name in ("noise.seed-0", "noise.seed-1", "standard.seed-0", "standard.seed-1"):
        at = tmp_path / "camp" / name / "score.json"
        wrong.append(read_outcomes(at, read_result(at)).rank[1:] > 0)
    assert noise.corrupted is not None
    assert noise.corrupted.value == pytest.approx(100 * np.mean(wrong[:2]))
    assert noise.less_standard is not None
    assert noise.less_standard.value == pytest.approx(100 * (np.mean(wrong[:2]) - np.mean(wrong[2:])))
    assert noise.unseen == noise.groups["digital"]  # noise was seen in training
    assert standard.unseen == standard.corrupted
    assert standard.less_standard is not None
    assert (standard.less_standard.value, standard.less_standard.low, standard.less_standard.high) == (0, 0, 0)
    assert pgd.less_pgd is not None
    assert pgd.less_pgd.value == 0
    assert (pgd.passes, pgd.total_passes, standard.total_passes) == (2, 2, 1)
    assert all(row.gap.value >= 0 for row in found.rows)
    before = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.safetensors")}
    path.unlink()
    (folder / "attack.json").unlink()
    (folder / "attack.npz").unlink()
    _, again = campaign(PLAN, tmp_path / "camp")
    assert again.rows == found.rows
    assert {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*.safetensors")} == before


def test_equal_passes_are_as_near_as_whole_epochs_allow() -> None:
    standard, pgd, free = (read_recipe(name) for name in ("standard", "pgd-at", "free"))
    assert [at_equal_passes(each, 110).epochs for each in (standard, pgd, free)] == [110, 10, 14]
    assert at_equal_passes(pgd, 3).epochs == 1


def test_a_figure_by_hand() -> None:
    found = figure([np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])])
    assert (found.value, found.seeds) == (62.5, [75.0, 50.0])
    assert found.low < 62.5 < found.high


def test_what_makes_no_campaign(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none twice"):
        replace(PLAN, recipes=[RECIPES[0], RECIPES[0]])
    with pytest.raises(InputError, match="a campaign has no teacher for rst"):
        replace(PLAN, recipes=[read_recipe("rst")])
    path = tmp_path / "broken.campaign.json"
    with pytest.raises(ResultError, match="cannot read "):
        read_campaign(path)
    path.write_text('{"kind": "campaign"}')
    with pytest.raises(ResultError, match="is not a campaign of schema 1: "):
        read_campaign(path)
