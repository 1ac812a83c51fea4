"""Every defended model obeys the contract: shapes, seeds, fixed draws, votes, nesting, specifications."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses import DEFENSES, RAIN, defend, fixed_draw, own_weights_digest, reseed
from stormbench.defenses.base import Defense, RandomDefense, votes
from stormbench.defenses.specs import find
from stormbench.errors import InputError, UnknownNameError


@pytest.fixture
def images() -> Tensor:
    return torch.rand(5, 3, 33, 40, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", list(DEFENSES))
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 40)])
def test_same_contract_as_the_model(name: str, size: tuple[int, int], model: nn.Module) -> None:
    defended = defend(model, name)
    images = torch.rand(2, 3, *size)
    before = images.clone()
    seen = defended.transform(images)
    assert defended(images).shape == (2, 4)
    assert seen.shape[:2] == (2, 3)
    if name != "smoothing":  # whose certificate is for noise that is not cut off
        assert seen.min() >= 0
        assert seen.max() <= 1
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", list(DEFENSES))
def test_a_seed_means_the_same_twice_and_the_global_state_is_untouched(
    name: str, model: nn.Module, images: Tensor
) -> None:
    state = torch.get_rng_state()
    defended = defend(model, name)
    defended.reseed(7)
    first = defended(images)
    again = defended(images)
    defended.reseed(7)
    assert torch.equal(defended(images), first)
    assert torch.equal(defended(images), again)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", list(DEFENSES))
def test_a_fixed_draw_is_one_function_of_each_image(name: str, model: nn.Module, images: Tensor) -> None:
    defended = defend(model, name)
    defended.reseed(3)
    with defended.fixed_draw():
        whole = defended(images)
        torch.testing.assert_close(defended(images), whole)
        torch.testing.assert_close(defended(images[2:3]), whole[2:3])  # alone as in a batch
    defended.reseed(3)
    free = defended(images)
    defended.reseed(3)
    with defended.fixed_draw():
        defended(images)
    assert torch.equal(defended(images), free)  # the context left the stream where it was


@pytest.mark.parametrize("name", list(DEFENSES))
def test_survives_copies_and_pickling(name: str, model: nn.Module, images: Tensor) -> None:
    defended = defend(model, name)
    copies: list[Callable[[nn.Module], nn.Module]] = [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))]
    for duplicate in copies:
        twin = duplicate(defended)
        reseed(twin, 1)
        defended.reseed(1)
        assert torch.equal(twin(images), defended(images))


RANDOM = [name for name, entry in DEFENSES.items() if issubclass(find(entry.target), RandomDefense)]


@pytest.mark.parametrize("name", RANDOM)
def test_random_images_differ_and_per_batch_ones_agree(name: str, model: nn.Module) -> None:
    images = torch.rand(1, 3, 64, 64).expand(6, -1, -1, -1)
    own = defend(model, name).transform(images)
    shared = defend(model, f"{name}:per_batch=true").transform(images)
    assert not torch.equal(own[0], own[1])
    assert all(torch.equal(shared[0], each) for each in shared)


def test_a_defense_without_a_transformation_is_none(model: nn.Module) -> None:
    class Nothing(Defense):
        pass

    with pytest.raises(TypeError, match="transform"):
        Nothing(model)  # type: ignore[abstract]


def test_a_vote_is_the_mean_softmax_of_its_draws(model: nn.Module, images: Tensor) -> None:
    single, vote = defend(model, "rain:seed=5"), defend(model, "rain:seed=5,draws=3")
    mean = torch.stack([single(images).softmax(1) for _ in range(3)]).mean(0)
    torch.testing.assert_close(vote(images).softmax(1), mean)


def test_nested_defenses_draw_apart_and_vote_once(model: nn.Module, images: Tensor) -> None:
    nested = defend(defend(model, "rain:draws=4"), "rain")
    outer, inner = (part for part in nested.modules() if isinstance(part, RandomDefense))
    nested.reseed(0)
    assert not torch.equal(outer.randomness.uniform(images, 3), inner.randomness.uniform(images, 3))
    with votes(nested, 2):
        assert (outer.draws, inner.draws) == (2, 1)
    assert (outer.draws, inner.draws) == (1, 4)
    with fixed_draw(nested):
        torch.testing.assert_close(nested(images), nested(images))


def test_a_specification_may_nest(model: nn.Module, images: Tensor) -> None:
    both = defend(model, "jpeg:quality=50 + rain:shift=0,seed=3")
    apart = defend(defend(model, "rain:shift=0,seed=3"), "jpeg:quality=50")
    assert torch.equal(both(images), apart(images))
    with pytest.raises(InputError, match="'rain:shfit=0': there is no setting 'shfit'"):
        defend(model, "jpeg + rain:shfit=0")


def test_the_digest_covers_every_layer(model: nn.Module) -> None:
    inner = defend(model, "rain")
    inner.enhancer = nn.Conv2d(3, 12, 1)
    outer = defend(inner, "jpeg")
    before = own_weights_digest(outer)
    assert before is not None
    assert before != own_weights_digest(inner)  # the same weights in another place
    nn.init.ones_(next(model.parameters()))
    assert own_weights_digest(outer) == before
    nn.init.ones_(inner.enhancer.weight)
    assert own_weights_digest(outer) != before


def test_specifications_are_read_against_the_constructor(model: nn.Module) -> None:
    rain = defend(model, "rain:shift=1/16, downsampling=bicubic ,draws=2")
    assert isinstance(rain, RAIN)
    assert (rain.shift, rain.downsampling, rain.draws) == (0.0625, "bicubic", 2)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rain:shfit=0.1", "no setting 'shfit'; there are: shift, shift_per_batch"),
        ("rain:shift=far", "shift wants float, not 'far'"),
        ("rain:shift=2", "shift is a share of the side from 0 to 1, not 2.0"),
        ("rain:draws=0", "draws is at least 1, not 0"),
        ("rain:shift", "write shift=VALUE once"),
        ("rain:shift=0,shift=1", "write shift=VALUE once"),
        ("rain:upsampler=esdr", "upsampler is one of bilinear, bicubic, small, edsr"),
        ("rain:upsampler=edsr", "upsampler=edsr needs weights=FILE"),
        ("rain:weights=x.pth", "upsampler=bilinear has no weights"),
        ("rain:per_batch=maybe", "per_batch wants bool, not 'maybe'"),
    ],
)
def test_bad_specifications_get_one_clear_line(spec: str, message: str, model: nn.Module) -> None:
    with pytest.raises(InputError) as caught:
        defend(model, spec)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_defense_is_answered_with_the_near_ones(model: nn.Module) -> None:
    with pytest.raises(UnknownNameError, match="did you mean rain"):
        defend(model, "rian")


@pytest.mark.parametrize(
    "wrong", [torch.zeros(3, 32, 32), torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 32, 32, dtype=torch.uint8)]
)
def test_what_is_no_batch_of_images_is_refused(wrong: Tensor, model: nn.Module) -> None:
    with pytest.raises(InputError, match=r"\(N, 3, H, W\)"):
        defend(model, "rain")(wrong)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", list(DEFENSES))
def test_a_seed_means_the_same_on_the_gpu(name: str, model: nn.Module, images: Tensor) -> None:
    defended = defend(model, name)
    on_cpu = defended.transform(images)
    defended.reseed(0)
    defended.to("cuda")
    there = defended.transform(images.cuda())
    defended.reseed(0)
    torch.testing.assert_close(defended.transform(images.cuda()), there)
    assert there.shape == on_cpu.shape


def test_listing_needs_no_torch() -> None:
    code = "import sys, stormbench.defenses as d; print(list(d.DEFENSES)); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_entry_names_a_defense() -> None:
    assert all(issubclass(find(entry.target), Defense) for entry in DEFENSES.values())
