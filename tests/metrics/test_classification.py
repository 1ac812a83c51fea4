import numpy as np
import pytest

from stormbench.errors import InputError
from stormbench.metrics.classification import predict, rank_of_label, wrong_in_top


def coarse_logits(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Few distinct values, so that ties are everywhere."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def test_prediction_and_rank_follow_a_stable_sort() -> None:
    logits = coarse_logits((200, 12))
    labels = np.random.default_rng(1).integers(12, size=200)
    order = np.argsort(-logits, axis=1, kind="stable")
    assert (predict(logits) == order[:, 0]).all()
    assert (rank_of_label(logits, labels) == np.argmax(order == labels[:, None], axis=1)).all()


def test_rank_0_is_the_prediction() -> None:
    logits = coarse_logits((50, 7))
    assert (rank_of_label(logits, predict(logits)) == 0).all()


def test_infinite_logits_have_an_order() -> None:
    logits = np.array([[-np.inf, np.inf, 0.0], [-np.inf, -np.inf, -np.inf]])
    assert predict(logits).tolist() == [1, 0]
    assert rank_of_label(logits, np.array([0, 2])).tolist() == [2, 2]


def test_counts_in_the_top() -> None:
    ranks = np.arange(10)
    assert wrong_in_top(ranks, 1) == 9
    assert wrong_in_top(ranks, 5) == 5


@pytest.mark.parametrize("labels", [np.array([3]), np.array([-1])])
def test_labels_out_of_range_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"0\.\.2"):
        rank_of_label(np.zeros((1, 3)), labels)


def test_nan_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        predict(np.array([[0.0, np.nan]]))
    with pytest.raises(InputError, match="classes"):
        predict(np.zeros((3, 0)))
    with pytest.raises(InputError, match="labels"):
        rank_of_label(np.zeros((2, 3)), np.zeros(3, int))
