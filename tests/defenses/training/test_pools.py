"""Robust self-training's two pools."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from stormbench.defenses.training import build_training, read_recipe
from stormbench.defenses.training.pools import Sizes, TwoPools
from stormbench.errors import InputError


def test_every_batch_has_its_share_and_no_image_repeats_before_its_pool_is_used_up(draws: torch.Generator) -> None:
    batches = TwoPools(share=0.25).order(Sizes(labelled=12, pseudo=50, batch=8), draws)
    assert len(batches) == 62 // 8
    assert all(len(batch) == 8 and int((batch >= 12).sum()) == 2 for batch in batches)
    ours = torch.cat([batch[batch < 12] for batch in batches])
    assert sorted(ours[:12].tolist()) == list(range(12))
    others = torch.cat([batch[batch >= 12] for batch in batches])
    assert len(others.unique()) == len(others)


def test_weights_are_the_sources(pictures: Any) -> None:
    batch = pictures.batch()
    TwoPools(natural=0.9, robust=0.5).weigh(batch, labelled=4)
    assert batch.weights is not None
    assert torch.allclose(batch.weights[:4], torch.tensor([[0.1, 0.5]]))
    assert torch.allclose(batch.weights[4:], torch.tensor([[0.9, 0.5]]))


def test_pools_and_images_go_together(fresh: Callable[[], nn.Module], pictures: Any) -> None:
    with pytest.raises(InputError, match="recipe rst needs images without labels and a teacher"):
        build_training(fresh(), read_recipe("rst"), pictures, 50)
    with pytest.raises(InputError, match="recipe pgd-at has no use for images without labels; rst"):
        build_training(fresh(), read_recipe("pgd-at"), pictures, 50, labelled=20)
    with pytest.raises(InputError, match="both pools hold images"):
        build_training(fresh(), read_recipe("rst"), pictures, 50, labelled=50).run()


def test_rst_with_equal_weights_is_the_plain_mean(fresh: Callable[[], nn.Module], pictures: Any) -> None:
    recipe = read_recipe("rst").changed(["inner.steps=1", "pools.natural=0.5"])
    losses = []
    for pools in (TwoPools(), None):
        training = build_training(fresh().train(), recipe, pictures, 50, labelled=20)
        batch = pictures.batch()
        if pools:
            pools.weigh(batch, labelled=4)
        losses.append(training.objective(batch, torch.Generator().manual_seed(0)).loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
