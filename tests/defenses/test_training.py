"""Training changes the enhancer alone, continues where it stopped, and repeats under a seed."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses import RAIN
from stormbench.defenses.rain.small import SmallEnhancer
from stormbench.defenses.rain.training import Step, TrainingSettings, train_enhancer
from stormbench.errors import InputError, ModelError, SettingsChangedError

COUNT = 48
SETTINGS = TrainingSettings(restoration_epochs=2, task_epochs=2, batch_size=16, seed=3)


def pictures() -> tuple[Tensor, Tensor]:
    """Stripes, upright or level: detail that halving destroys and an enhancer can learn."""
    wave = (torch.arange(16) * 1.1).sin() * 0.4 + 0.5
    labels = torch.arange(COUNT) % 2
    stripes = wave.expand(16, 16)
    images = torch.stack([stripes if label else stripes.T for label in labels])
    shade = torch.rand(COUNT, 3, 1, 1, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.5
    return images[:, None] * shade, labels


IMAGES, LABELS = pictures()


def load(indices: Tensor) -> tuple[Tensor, Tensor]:
    return IMAGES[indices], LABELS[indices]


def fresh() -> RAIN:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 2)
    )
    rain = RAIN(net)
    rain.enhancer = SmallEnhancer(features=6, blocks=1)
    return rain


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_only_the_enhancer_learns_and_everything_is_left_as_it_was() -> None:
    rain = fresh().train()
    rain.model.eval()
    rain.model[0].weight.requires_grad_(False)  # type: ignore[index,union-attr,operator]
    classifier, enhancer = weights_of(rain.model), weights_of(rain.enhancer)
    train_enhancer(rain, load, COUNT, SETTINGS)
    assert same(weights_of(rain.model), classifier)
    assert not same(weights_of(rain.enhancer), enhancer)
    assert rain.training
    assert not rain.model.training
    wanted = [parameter.requires_grad for parameter in rain.model.parameters()]
    assert not wanted[0]
    assert all(wanted[1:])
    assert all(parameter.grad is None for parameter in rain.parameters())


def test_restoration_restores() -> None:
    losses: list[float] = []
    settings = TrainingSettings(restoration_epochs=12, task_epochs=0, batch_size=16, restoration_rate=0.01)
    train_enhancer(fresh(), load, COUNT, settings, report=lambda step: losses.append(step.loss))
    assert losses[-1] < 0.7 * losses[0]


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("when", [1, 2, 3])  # in the first part, between the parts, in the second
def test_interrupted_training_ends_with_the_same_weights(when: int, tmp_path: Path) -> None:
    whole = fresh()
    train_enhancer(whole, load, COUNT, SETTINGS)

    def stop(step: Step) -> None:
        if step.epoch == when:
            raise StoppedError

    path = tmp_path / "enhancer.unfinished"
    with pytest.raises(StoppedError):
        train_enhancer(fresh(), load, COUNT, SETTINGS, checkpoint=path, report=stop)
    continued = fresh()
    epochs: list[int] = []
    train_enhancer(continued, load, COUNT, SETTINGS, checkpoint=path, report=lambda step: epochs.append(step.epoch))
    assert min(epochs) == when
    assert same(weights_of(continued), weights_of(whole))


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.unfinished"
    train_enhancer(fresh(), load, COUNT, SETTINGS, checkpoint=path)
    with pytest.raises(SettingsChangedError, match="was made with"):
        train_enhancer(fresh(), load, COUNT, TrainingSettings(seed=4), checkpoint=path)


def test_moving_batch_norm_moves_statistics_but_no_weight() -> None:
    rain = fresh().eval()
    before = weights_of(rain.model)
    train_enhancer(rain, load, COUNT, TrainingSettings(0, 1, batch_size=16, moving_batch_norm=True))
    changed = {name for name, value in rain.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert not any(module.training for module in rain.modules())


def test_a_loss_that_is_no_number_stops_the_training() -> None:
    rain = fresh()
    rain.model.register_forward_hook(lambda _, __, logits: logits * float("nan"))
    with pytest.raises(ModelError, match=r"the loss became nan in epoch 1 \(task\), step 1"):
        train_enhancer(rain, load, COUNT, TrainingSettings(0, 1))


@pytest.mark.parametrize(
    "wrong", [{"restoration_epochs": 0, "task_epochs": 0}, {"batch_size": 0}, {"task_rate": -1.0}, {"task_epochs": -1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        TrainingSettings(**wrong)  # type: ignore[arg-type]
