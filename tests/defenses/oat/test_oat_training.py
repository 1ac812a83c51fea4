"""Training learns, repeats under a seed, continues to the same weights, and says what it does."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stormbench.defenses.oat import ConditionalModel, NetworkSpec, Recipe, train
from stormbench.defenses.training.distributed import Strategy, launch
from stormbench.defenses.training.loop import Progress
from stormbench.defenses.training.views.augmentation import augmented
from stormbench.errors import InputError, MissingDependencyError, ModelError, SettingsChangedError

COUNT = 48
RECIPE = Recipe(epochs=3, batch_size=16, attack_steps=2, rate=0.05, seed=3)


def pictures() -> tuple[Tensor, Tensor]:
    """Dark, middling and bright noise: what a few steps learn."""
    labels = torch.arange(COUNT) % 3
    noise = torch.rand(COUNT, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.2
    return noise + labels.view(-1, 1, 1, 1) * 0.3, labels


IMAGES, LABELS = pictures()


def load(indices: Tensor) -> tuple[Tensor, Tensor]:
    return IMAGES[indices], LABELS[indices]


def fresh(arch: str = "small", **changes: object) -> ConditionalModel:
    torch.manual_seed(0)
    settings: dict[str, object] = {"arch": arch, "channels": 4, "classes": 3, "code_length": 8, "residual": True}
    return ConditionalModel(NetworkSpec(**settings | changes))  # type: ignore[arg-type]


def same(one: ConditionalModel, other: ConditionalModel) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


def test_it_learns_and_tells_how_it_goes() -> None:
    model, told = fresh(), list[Progress]()
    history = train(model, load, COUNT, Recipe(epochs=12, batch_size=16, attack_steps=2), report=told.append)
    assert not model.training
    assert len(told) == 12 * 3
    assert [step.epoch for step in history] == list(range(12))
    assert (told[-1].images, told[-1].total) == (12 * COUNT, 12 * COUNT)
    assert history[-1].loss < history[0].loss
    assert history[-1].clean > 0.8
    assert 0 <= (history[-1].robust or -1) <= 1
    with torch.no_grad():
        right = model(IMAGES, torch.tensor([0.0, 0.1, 0.4, 1.0]).repeat(12)).argmax(dim=1) == LABELS
    assert right.float().mean() > 0.8


def test_a_dedicated_model_at_zero_is_never_attacked() -> None:
    history = train(fresh(lambdas=(0.0,), encoding=None, dual=False), load, COUNT, RECIPE)
    assert history[-1].robust is None


def test_a_seed_repeats_and_another_does_not() -> None:
    one, two, other = fresh(), fresh(), fresh()
    train(one, load, COUNT, RECIPE)
    train(two, load, COUNT, RECIPE)
    train(other, load, COUNT, Recipe(epochs=3, batch_size=16, attack_steps=2, rate=0.05, seed=4))
    assert same(one, two)
    assert not same(one, other)


@pytest.mark.parametrize("arch", ["small", "wrn-16-8"])  # the second has dropout
def test_an_interrupted_training_ends_with_the_same_weights(arch: str, tmp_path: Path) -> None:
    whole, broken, state = fresh(arch), fresh(arch), tmp_path / "state"
    recipe = Recipe(epochs=2, batch_size=16, attack_steps=1, seed=3)

    def interrupt(step: Progress) -> None:
        if step.epoch == 1:
            raise KeyboardInterrupt

    histories = [train(whole, load, COUNT, recipe)]
    with pytest.raises(KeyboardInterrupt):
        train(broken, load, COUNT, recipe, checkpoint=state, report=interrupt)
    torch.manual_seed(99)  # another process has another state, and other weights
    continued = ConditionalModel(broken.spec)
    histories.append(train(continued, load, COUNT, recipe, checkpoint=state))
    assert same(whole, continued)
    assert histories[0] == histories[1]


def test_a_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    train(fresh(), load, COUNT, RECIPE, checkpoint=state)
    with pytest.raises(SettingsChangedError, match="choose another output or remove it"):
        train(fresh(), load, COUNT, Recipe(epochs=4, batch_size=16), checkpoint=state)
    with pytest.raises(SettingsChangedError):
        train(fresh(dual=False), load, COUNT, RECIPE, checkpoint=state)


def test_torch_random_state_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    model = fresh()
    torch.random.set_rng_state(before)
    train(model, load, COUNT, RECIPE)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_loss_that_is_no_number_is_an_error() -> None:
    model = fresh()
    torch.nn.init.constant_(model.network.linear.weight, float("nan"))
    with pytest.raises(ModelError, match="the loss became nan in epoch 1"):
        train(model, load, COUNT, RECIPE)


def test_augmentation_moves_and_mirrors_within_four_pixels() -> None:
    images = torch.zeros(400, 3, 16, 16)
    images[:, :, 7, 7] = 1
    found = augmented(images, torch.Generator().manual_seed(0)).nonzero()[::3]
    assert found[:, 0].tolist() == list(range(400))  # no mark is lost, and all channels move together
    assert set(found[:, 2].tolist()) == set(range(3, 12))
    assert set(found[:, 3].tolist()) == set(range(3, 13))  # 7 +- 4, and mirrored 8 +- 4
    edges = augmented(torch.ones(400, 3, 16, 16), torch.Generator().manual_seed(0))
    assert edges[:, :, 4:12, 4:12].min() == 1
    assert edges.min() == 0


def test_without_several_devices_nothing_else_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lightning_fabric", None)
    seen = list[Strategy]()
    launch(seen.append)
    assert (seen[0].rank, seen[0].processes, seen[0].device.type) == (0, 1, "cpu")
    with pytest.raises(MissingDependencyError, match=r"pip install 'stormbench\[lightning\]'"):
        launch(seen.append, precision="bf16-mixed")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="device 'tpu9' cannot be used"):
        launch(lambda _: None, device="tpu9")
    with pytest.raises(InputError, match="the precision is one of 32-true, bf16-mixed, 16-mixed"):
        launch(lambda _: None, precision="8-true")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="2 devices of a kind are 'cpu', not 'cpu:0'"):
        launch(lambda _: None, device="cpu:0", devices=2)


class _Trained:
    """Trains in another process and leaves its weights in a file."""

    def __init__(self, out: Path, check: Callable[[Strategy], None] | None = None) -> None:
        self.out, self.check = out, check

    def __call__(self, strategy: Strategy) -> None:
        model = fresh()
        train(model, load, COUNT, RECIPE, strategy=strategy)
        torch.save(model.state_dict(), self.out / f"{strategy.rank}.pt")


def test_mixed_precision_learns(tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    launch(_Trained(tmp_path), precision="bf16-mixed")
    state = torch.load(tmp_path / "0.pt", weights_only=True)
    assert all(value.dtype != torch.bfloat16 and value.isfinite().all() for value in state.values())


@pytest.mark.slow
def test_two_processes_hold_the_same_weights(tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    launch(_Trained(tmp_path), devices=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    named = {name for name in one if "running" in name or "tracked" in name}  # every process has its own statistics
    assert all(torch.equal(one[name], other[name]) for name in one.keys() - named)
    start = fresh().state_dict()
    assert not torch.equal(one["network.linear.weight"], start["network.linear.weight"])
