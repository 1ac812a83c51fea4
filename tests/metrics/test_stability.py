import numpy as np
import pytest
import stability_reference

from stormbench.corruptions.perturbations import SCORED, SCORED_CIFAR
from stormbench.errors import InputError
from stormbench.metrics import (
    CIFAR_PERTURBATIONS,
    TEST_PERTURBATIONS,
    flip_probability,
    flip_rate,
    mean_flip_rate,
    mean_top5_distance,
    top5_distance,
    zipf_distance,
)
from stormbench.metrics.classification import ranks, top_classes
from stormbench.metrics.stability import mean_over, sequence_flip_probabilities, sequence_top5_distances

MODES = [("previous", 1), ("previous", 2), ("previous", 3), ("first", 1), ("first", 2), ("first", 3)]


def tied_logits(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Few values, so that most classes are tied with others."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize(("reference", "stride"), MODES)
@pytest.mark.parametrize("classes", [5, 6, 23])
def test_top5_distance_is_the_papers(reference: str, stride: int, classes: int) -> None:
    logits = tied_logits((6, 11, classes))
    wanted = stability_reference.top5_distance(logits.tolist(), reference, stride)
    assert top5_distance(logits, reference=reference, stride=stride) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(("reference", "stride"), MODES)
def test_top5_distance_without_ties(reference: str, stride: int) -> None:
    walk = np.random.default_rng(1).normal(size=(4, 31, 40)).cumsum(axis=1)
    wanted = stability_reference.top5_distance(walk.tolist(), reference, stride)
    assert 0 < wanted < 15
    assert top5_distance(walk, reference=reference, stride=stride) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(("reference", "stride"), MODES)
def test_zipf_distance_is_the_literal_one(reference: str, stride: int) -> None:
    logits = tied_logits((5, 9, 17))
    wanted = stability_reference.zipf_distance(logits.tolist(), reference, stride)
    assert zipf_distance(logits, reference=reference, stride=stride) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(("reference", "stride"), MODES)
def test_flip_probability_is_the_papers(reference: str, stride: int) -> None:
    predictions = np.random.default_rng(2).integers(3, size=(7, 13))
    wanted = stability_reference.flip_probability(predictions.tolist(), reference, stride)
    assert flip_probability(predictions, reference=reference, stride=stride) == pytest.approx(wanted, abs=1e-12)


def test_identical_frames_have_distance_0_and_disjoint_ones_15() -> None:
    same = np.repeat(tied_logits((3, 1, 12)), 4, axis=1)
    assert top5_distance(same, reference="previous") == 0
    assert zipf_distance(same, reference="first") == 0
    lists = np.array([[[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]])
    assert sequence_top5_distances(lists, reference="previous").tolist() == [15.0]


def test_the_distance_is_not_symmetric() -> None:
    a, b = [0, 1, 2, 3, 4], [1, 2, 3, 4, 5]
    forth, back = (sequence_top5_distances(np.array([[x, y]]), reference="previous")[0] for x, y in ((a, b), (b, a)))
    assert (forth, back) == (9.0, 5.0)


def test_noise_is_compared_with_the_first_frame() -> None:
    """Two frames that agree with each other and not with the clean one flip both times."""
    predictions = np.array([[0, 1, 1]])
    assert flip_probability(predictions, reference="first") == 1.0
    assert flip_probability(predictions, reference="previous") == 0.5


def test_a_stride_pools_all_its_subsequences() -> None:
    """0 1 0 1 0 flips at every step of one and at none of two."""
    predictions = np.array([[0, 1, 0, 1, 0]])
    assert [flip_probability(predictions, reference="previous", stride=s) for s in (1, 2, 3)] == [1.0, 0.0, 1.0]


def test_figures_are_means_over_sequences() -> None:
    predictions = np.array([[0, 1, 0], [0, 0, 0]])
    assert sequence_flip_probabilities(predictions, reference="previous").tolist() == [1.0, 0.0]
    assert flip_probability(predictions, reference="previous") == 0.5


@pytest.mark.parametrize("shape", [(30, 9), (4, 6, 12), (8,)])
def test_top_classes_follow_a_stable_sort(shape: tuple[int, ...]) -> None:
    logits = tied_logits(shape)
    order = np.argsort(-logits, axis=-1, kind="stable")
    assert (top_classes(logits, 5) == order[..., :5]).all()
    assert (np.take_along_axis(ranks(logits), order, axis=-1) == np.arange(1, shape[-1] + 1)).all()


def test_top_classes_with_infinite_and_whole_logits() -> None:
    masked = np.full((1, 8), -np.inf)
    masked[0, [2, 6]] = [1.0, np.inf]
    assert top_classes(masked).tolist() == [[6, 2, 0, 1, 3]]
    assert top_classes(np.array([[1, 9, 9, 0, 3, 2]])).tolist() == [[1, 2, 4, 5, 0]]


def test_logits_are_not_changed() -> None:
    logits = tied_logits((2, 3, 7))
    before = logits.copy()
    top5_distance(logits, reference="previous")
    assert (logits == before).all()


@pytest.mark.parametrize("index", [mean_flip_rate, mean_top5_distance])
def test_means_of_ratios(index: object) -> None:
    rng = np.random.default_rng(0)
    figures, baseline = ({name: rng.uniform(0.1, 1) for name in TEST_PERTURBATIONS} for _ in range(2))
    wanted = 100 * np.mean([figures[name] / baseline[name] for name in TEST_PERTURBATIONS])
    assert index(figures, baseline) == pytest.approx(wanted)
    assert index(baseline, baseline) == 100.0
    assert index({**figures, "spatter": 0.9}, baseline) == index(figures, baseline)
    with pytest.raises(InputError, match="figures table lacks tilt"):
        index({n: f for n, f in figures.items() if n != "tilt"}, baseline)
    with pytest.raises(InputError, match="never changes on scale"):
        index(figures, {**baseline, "scale": 0.0})


def test_the_tens() -> None:
    assert TEST_PERTURBATIONS == SCORED
    assert CIFAR_PERTURBATIONS == SCORED_CIFAR
    assert set(SCORED) ^ set(SCORED_CIFAR) == {"snow", "spatter"}
    figures = {name: 0.01 * place for place, name in enumerate(CIFAR_PERTURBATIONS)}
    assert mean_over(figures, CIFAR_PERTURBATIONS) == pytest.approx(0.045)
    with pytest.raises(InputError, match="lacks snow"):
        mean_over(figures)


@pytest.mark.parametrize(
    ("predictions", "options", "complaint"),
    [
        (np.zeros((0, 5)), {}, "sequence"),
        (np.zeros(5), {}, "2 dimensions"),
        (np.zeros((2, 1)), {}, "stride 1, 1 frames"),
        (np.zeros((2, 5)), {"stride": 5}, "stride 5, 5 frames"),
        (np.zeros((2, 5)), {"stride": 0}, "stride"),
        (np.zeros((2, 5)), {"reference": "noise"}, "'noise'"),
    ],
)
def test_wrong_sequences_are_refused(predictions: np.ndarray, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        flip_probability(predictions, **{"reference": "previous", **options})


def test_wrong_logits_are_refused() -> None:
    with pytest.raises(InputError, match="top 5 of 5 or more classes, got 4"):
        top5_distance(np.zeros((1, 2, 4)), reference="previous")
    with pytest.raises(InputError, match="NaN"):
        top5_distance(np.full((1, 2, 6), np.nan), reference="previous")
    with pytest.raises(InputError, match="frames, 5"):
        sequence_top5_distances(np.zeros((1, 2, 6), int), reference="previous")


def test_a_baseline_that_never_flips_is_refused() -> None:
    assert flip_rate(0.1, 0.4) == 25.0
    with pytest.raises(InputError, match="nothing can be measured"):
        flip_rate(0.1, 0.0)
