"""Sampling, the weighted loss, the attack and the recipe against hand-made cases."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from stormbench.defenses.oat import ConditionalModel, Recipe
from stormbench.defenses.oat.objective import ConditionalObjective, mixed_loss, training_attack
from stormbench.defenses.oat.sampling import sample_lambdas
from stormbench.defenses.oat.spec import PUBLISHED_LAMBDAS
from stormbench.defenses.training import Batch
from stormbench.errors import InputError

Build = Callable[..., ConditionalModel]


def batch_of(images: Tensor, labels: Tensor, lambdas: Tensor) -> Batch:
    batch = Batch(images, labels)
    batch.views["lambdas"] = lambdas
    return batch


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("batch", "zeros"), [(128, 22), (6, 1), (7, 2), (1, 1)])
def test_a_fixed_number_of_zeros_comes_first(batch: int, zeros: int) -> None:
    for seed in range(5):
        drawn = sample_lambdas(batch, PUBLISHED_LAMBDAS, generator(seed))
        assert (drawn[:zeros] == 0).all()
        assert (drawn[zeros:] > 0).all()


def test_the_others_are_drawn_evenly() -> None:
    drawn = sample_lambdas(60_000, PUBLISHED_LAMBDAS, generator())
    for value in PUBLISHED_LAMBDAS[1:]:
        assert int(drawn.isclose(torch.tensor(value)).sum()) == pytest.approx(10_000, abs=400)


@pytest.mark.parametrize(
    ("lambdas", "share", "zeros"),
    [((0.0,), None, 8), ((0.5,), None, 0), ((0.0, 1.0), 0.25, 2), ((0.0, 1.0), 0.3, 3), ((0.0, 1.0), 0.0, 0)],
)
def test_other_sets_and_shares(lambdas: tuple[float, ...], share: float | None, zeros: int) -> None:
    assert int((sample_lambdas(8, lambdas, generator(), zero_share=share) == 0).sum()) == zeros


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"share of zeros is in 0..1, not 2"):
        sample_lambdas(8, (0.0, 1.0), generator(), zero_share=2)


def test_the_loss_by_hand() -> None:
    clean, adversarial = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([9.0, 4.0, 5.0])
    # (1 * 1 + 0 * 9) + (0.75 * 2 + 0.25 * 4) + (0 * 3 + 1 * 5) = 1 + 2.5 + 5
    assert mixed_loss(clean, adversarial, torch.tensor([0.0, 0.25, 1.0])).item() == pytest.approx(8.5 / 3)


def test_the_objective_is_the_published_sum(build: Build, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    model, labels = build(), torch.tensor([0, 1, 2, 0, 1, 2])
    lambdas = torch.tensor([0.0, 0.0, 0.1, 0.4, 1.0, 1.0])
    asked = []

    def shifted(_: ConditionalModel, chosen: Batch, *__: object, **___: float) -> Tensor:
        asked.append((chosen.images, chosen.views["lambdas"]))
        return (chosen.images + 0.1).clamp(0, 1)

    monkeypatch.setattr("stormbench.defenses.oat.objective.training_attack", shifted)
    outcome = ConditionalObjective(model, Recipe()).eval()(batch_of(images, labels, lambdas), generator())
    assert torch.equal(asked[0][0], images[2:])  # only images with a positive lambda are attacked, with their own
    assert torch.equal(asked[0][1], lambdas[2:])
    total = 0.0
    for image, label, lam in zip(images, labels, lambdas.tolist(), strict=True):
        clean = functional.cross_entropy(model(image[None], lam), label[None]).item()
        moved = functional.cross_entropy(model((image[None] + 0.1).clamp(0, 1), lam), label[None]).item()
        total += (1 - lam) * clean + lam * (moved if lam else 0)
    assert outcome.loss.item() == pytest.approx(total / 6, rel=1e-4)
    assert outcome.attacked == 4


def test_every_width_is_attacked_with_its_own_network(
    build: Build, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = []

    def note(_: ConditionalModel, chosen: Batch, *__: object, width: float) -> Tensor:
        widths.append(width)
        return chosen.images

    monkeypatch.setattr("stormbench.defenses.oat.objective.training_attack", note)
    model, labels, lambdas = build(widths=(0.5, 0.75, 1.0)), torch.zeros(6, dtype=torch.long), torch.full((6,), 0.4)
    objective = ConditionalObjective(model, Recipe()).eval()
    batch = batch_of(images, labels, lambdas)
    whole = objective(batch, generator()).loss
    assert widths == [1.0, 0.75, 0.5]
    parts = [objective.at_width(width, batch, generator()).loss for width in (1.0, 0.75, 0.5)]
    assert whole.item() == pytest.approx(sum(part.item() for part in parts))


def test_batch_norms_are_chosen_by_lambda_and_not_by_attack(build: Build, images: Tensor) -> None:
    """Undisturbed images with a positive lambda move the statistics of the adversarial norm too."""
    model, calls = build(), []
    for name, module in model.network.named_modules():
        if name in ("norms.0.norms.1.clean", "norms.0.norms.1.adversarial"):
            kind = name.rpartition(".")[2]
            module.register_forward_hook(
                lambda layer, given, _, kind=kind: calls.append((kind, layer.training, len(given[0])))
            )
    lambdas = torch.tensor([0.0, 0.0, 0.1, 0.1, 1.0, 1.0])
    batch = batch_of(images, torch.zeros(6, dtype=torch.long), lambdas)
    ConditionalObjective(model, Recipe(attack_steps=1)).train()(batch, generator())
    undisturbed = [("clean", True, 2), ("adversarial", True, 4)]
    attack, attacked = ("adversarial", False, 4), ("adversarial", True, 4)
    assert calls == [*undisturbed, attack, attacked]


def test_the_attack_climbs_inside_the_ball_and_leaves_the_model_alone(build: Build, images: Tensor) -> None:
    model, labels, lambdas = build().train(), torch.tensor([0, 1, 2, 0, 1, 2]), torch.full((6,), 0.4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recipe = Recipe(eps=0.05)
    moved = training_attack(model, batch_of(images, labels, lambdas), recipe, generator())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (moved - images).abs().max() <= 0.05 + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    model.eval()
    losses = [functional.cross_entropy(model(each, lambdas), labels).item() for each in (images, moved)]
    assert losses[1] > losses[0]


def test_the_published_step() -> None:
    assert Recipe().attack_step * 255 == pytest.approx(1.43, abs=0.005)
    assert Recipe(eps=32 / 255).attack_step * 255 == pytest.approx(36 / 7)
    steps = Recipe(schedule="steps")
    assert [steps.rate_at(share) for share in (0.2, 0.25, 0.8)] == pytest.approx([0.1, 0.01, 0.001])


def test_the_published_recipe() -> None:
    recipe = Recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.rate, recipe.momentum) == (200, 128, 0.1, 0.9)
    assert (recipe.weight_decay, recipe.attack_steps, recipe.eps, recipe.schedule) == (5e-4, 7, 8 / 255, "cosine")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"rate": 0.0}, {"eps": -1.0}, {"schedule": "linear"}])
def test_a_recipe_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Recipe(**wrong)  # type: ignore[arg-type]
