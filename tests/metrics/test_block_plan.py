from collections import Counter

import numpy as np
import pytest

from stormbench.errors import InputError
from stormbench.metrics.block_plan import BlockPlan


def plan(images: int, cells: int, seed: int = 0) -> BlockPlan:
    return BlockPlan.of([f"image {index}" for index in range(images)], [f"cell {at}" for at in range(cells)], seed)


SIZES = [(500, 75), (100, 75), (76, 75), (74, 75), (7, 75), (75, 75), (1, 75), (60, 10), (10, 50), (13, 1)]


@pytest.mark.parametrize(("images", "cells"), SIZES)
def test_all_blocks_together_are_the_full_run_and_no_pass_comes_twice(images: int, cells: int) -> None:
    image, cell = plan(images, cells).passes(0, images * cells)
    assert len(set(zip(image.tolist(), cell.tolist(), strict=True))) == images * cells


@pytest.mark.parametrize(("images", "cells"), SIZES)
def test_every_block_shows_each_cell_once_and_every_round_each_image_once(images: int, cells: int) -> None:
    image, cell = plan(images, cells).passes(0, images * cells)
    assert (np.sort(cell.reshape(images, cells), axis=1) == np.arange(cells)).all()
    assert (np.sort(image.reshape(cells, images), axis=1) == np.arange(images)).all()


@pytest.mark.parametrize(("images", "cells"), SIZES)
def test_every_image_is_shown_clean_once_and_one_pass_in_five_brings_one(images: int, cells: int) -> None:
    design = plan(images, cells)
    rounds = min(5, cells)
    image, _ = design.passes(0, images * rounds)
    clean = design.shown_clean(0, images * rounds)
    counts = Counter(image[clean].tolist())
    assert set(counts.values()) <= {1}
    if cells >= 5:
        assert len(counts) == images
    assert not design.shown_clean(images * rounds, images * cells).any()


def test_a_plan_does_not_depend_on_the_order_in_which_images_are_given() -> None:
    names, cells = [f"{index}.png" for index in range(40)], [f"fog/{severity}" for severity in range(1, 6)]
    design, turned = BlockPlan.of(names, cells, 3), BlockPlan.of(names[::-1], cells, 3)
    assert [names[index] for index in design.image_order] == [names[::-1][index] for index in turned.image_order]


def test_another_seed_gives_other_orders() -> None:
    first, second = plan(500, 75, seed=0), plan(500, 75, seed=1)
    assert (first.image_order != second.image_order).mean() > 0.9
    assert (first.cell_order != second.cell_order).mean() > 0.9


def test_neighbours_in_the_order_of_passes_are_no_neighbours_in_the_suite() -> None:
    """The severities of a corruption would otherwise meet on one image in the second and third round."""
    gaps = np.abs(np.diff(plan(500, 75).cell_order))
    assert (gaps == 1).mean() < 0.15


def test_values_by_cell_are_the_values_of_the_passes() -> None:
    design = plan(20, 6)
    image, cell = design.passes(0, 120)
    table = design.by_cell(image * 100 + cell)
    assert (table % 100 == np.arange(6)).all()
    assert (table // 100 == design.images_by_cell(20)).all()


@pytest.mark.parametrize(
    ("images", "cells", "said"), [([], ["a"], "images"), (["a", "a"], ["b"], "images"), (["a"], ["b", "b"], "cells")]
)
def test_names_must_differ(images: list[str], cells: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        BlockPlan.of(images, cells, 0)


def test_passes_beyond_the_full_run_are_refused() -> None:
    with pytest.raises(InputError, match=r"0\.\.60, got 0\.\.61"):
        plan(10, 6).passes(0, 61)
    with pytest.raises(InputError, match="whole blocks of 6 passes, got 7"):
        plan(10, 6).by_cell(np.zeros(7))
