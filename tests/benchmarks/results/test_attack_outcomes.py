"""What became of each image under attack: kept with the result, and every count held against it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stormbench.benchmarks.leaderboard.submissions import add_result
from stormbench.benchmarks.results.arrays import arrays_from
from stormbench.benchmarks.results.attacks import (
    AdversarialRecord,
    AttackRecord,
    CorrectRecord,
    recounted,
    verdict_of,
)
from stormbench.benchmarks.results.documents import seal_of
from stormbench.benchmarks.results.images import OUTCOME_ARRAYS, read_attack, read_result
from stormbench.defenses.robustness import BUDGETS
from stormbench.defenses.robustness.budgets import Row
from stormbench.defenses.robustness.outcomes import Judged, attack_arrays
from stormbench.defenses.robustness.robust_accuracy import Evaluation, evaluate
from stormbench.defenses.robustness.schedule import Subject, passes_of
from stormbench.errors import ResultError
from stormbench.files import npz

WriteRun = Callable[..., Path]
Document = dict[str, Any]


@pytest.fixture
def attacked(write_attacked: WriteRun, tmp_path: Path) -> Path:
    return write_attacked("attacked", 20, folder=tmp_path / "inbox")


def refused(path: Path, folder: Path) -> str:
    with pytest.raises(ResultError) as refusal:
        add_result(path, folder)
    return str(refusal.value)


def rewritten(path: Path, document: Document) -> Path:
    path.write_text(json.dumps(document | {"seal": seal_of(document)}))
    return path


def places(record: Document) -> Iterator[tuple[Any, ...]]:
    """Where a record of an attack has a count that follows from the outcomes."""
    yield from ((name,) for name in ("images", "adaptive_vote", "gradients_per_image"))
    yield from (("correct", name) for name in record["correct"])
    yield from (("rows", at, name) for at in range(len(record["rows"])) for name in ("correct", "correct_vote"))


def test_a_sound_result_is_filed_with_what_became_of_each_image(attacked: Path, tmp_path: Path) -> None:
    place = add_result(attacked, tmp_path / "board").path
    found = read_attack(place, read_result(place))
    assert found is not None
    assert found.correct.sum(axis=1).tolist() == [60, 60, 20]


def test_every_count_is_held_against_the_outcomes(attacked: Path, tmp_path: Path) -> None:
    """Also where whoever changed it wrote a new seal."""
    original = json.loads(attacked.read_text())
    for place in places(original["adversarial"]):
        for change in (-1, 1):
            document = json.loads(json.dumps(original))
            inner = document["adversarial"]
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = (inner[place[-1]] or 0) + change
            refused(rewritten(attacked, document), tmp_path / "board")


def test_the_verdict_is_held_against_the_outcomes(attacked: Path, tmp_path: Path) -> None:
    document = json.loads(attacked.read_text())
    document["adversarial"]["verdict"] = "raises the cost only"
    assert "its outcomes say 'withstood these attacks'" in refused(rewritten(attacked, document), tmp_path / "board")


def forged(path: Path, **changed: Any) -> Path:
    """Other outcomes, with their digest and a new seal, and the old counts."""
    beside = path.with_suffix(".npz")
    arrays = arrays_from(beside.read_bytes(), [*OUTCOME_ARRAYS, *attack_arrays(gradients=False)], "here")
    beside.write_bytes(npz(arrays | changed))
    document = json.loads(path.read_text())
    document["outcomes"]["sha256"] = hashlib.sha256(beside.read_bytes()).hexdigest()
    return rewritten(path, document)


@pytest.mark.parametrize("name", ["correct", "correct_vote"])
def test_no_outcome_can_be_changed_alone(attacked: Path, tmp_path: Path, name: str) -> None:
    found = read_attack(attacked, read_result(attacked))
    assert found is not None
    for row in range(3):
        for image in (0, 30, 59):
            changed = getattr(found, name).copy()
            changed[row, image] ^= True
            path = forged(attacked, **{f"attack_{name}": changed})
            assert "do not add up to the counts" in refused(path, tmp_path / "board")


IMPOSSIBLE: dict[str, tuple[Any, str]] = {
    "too few images": ({"attack_correct": np.zeros((3, 59), dtype=bool)}, "attack_correct has shape"),
    "too few rows": ({"attack_danger": np.zeros((2, 60))}, "attack_danger has shape"),
    "counts for bits": ({"attack_correct": np.ones((3, 60), dtype=np.int64)}, "attack_correct has shape"),
    "no number": ({"attack_danger": np.full((3, 60), np.nan)}, "is no number"),
    "another array": ({"attack_luck": np.zeros(3)}, "holds the arrays"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_outcomes_that_cannot_be(attacked: Path, tmp_path: Path, what: str) -> None:
    changed, message = IMPOSSIBLE[what]
    assert message in refused(forged(attacked, **changed), tmp_path / "board")


def test_outcomes_cannot_be_left_out(attacked: Path, tmp_path: Path) -> None:
    document = json.loads(attacked.read_text())
    document["adversarial"]["by_image"] = False
    assert "holds the arrays" in refused(rewritten(attacked, document), tmp_path / "board")
    beside = attacked.with_suffix(".npz")
    arrays = arrays_from(beside.read_bytes(), [*OUTCOME_ARRAYS, *attack_arrays(gradients=False)], "here")
    beside.write_bytes(npz({name: arrays[name] for name in OUTCOME_ARRAYS}))
    document["outcomes"]["sha256"] = hashlib.sha256(beside.read_bytes()).hexdigest()
    assert "only counts were kept" in refused(rewritten(attacked, document), tmp_path / "board")


def test_attacks_of_schema_2_are_read_with_their_counts(attacked: Path) -> None:
    document = json.loads(attacked.read_text()) | {"schema_version": 2}
    del document["adversarial"]["by_image"]
    result = read_result(rewritten(attacked, document))
    assert result.adversarial is not None
    assert not result.adversarial.by_image
    assert read_attack(attacked, result) is None


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("random", "budget"), [(True, "thorough"), (False, "thorough"), (False, "autoattack"), (True, "quick")]
)
def test_counts_and_verdict_are_those_of_the_evaluation(seed: int, budget: str, random: bool) -> None:
    """What is recomputed from stored outcomes is what the evaluation itself said."""
    rng = np.random.default_rng(seed)
    subject = Subject(random, random, defended=True, sources=("other",), classes=10)
    ease = rng.uniform(-2, 2)

    def run(rows: Any, settled: Judged | None = None) -> dict[Row, Judged]:
        return {row: judged() for row in rows}

    def judged() -> Judged:
        danger = rng.normal(ease, 1, size=50)
        right = [danger + rng.normal(size=50) < 0 for _ in range(2)]
        return Judged(danger.astype(np.float32), *right, rng.integers(0, 3, 50, dtype=np.uint8))

    found = evaluate(run, BUDGETS[budget], subject)
    record = record_of(found, budget)
    again = recounted(record, found.outcomes)
    assert dict(again.correct) == found.counts
    assert again.adaptive_vote == int(found.adaptive_vote.sum())
    assert again.gradients_per_image == found.gradients_per_image
    assert verdict_of(record, found.outcomes, 10) == found.verdict.value


def record_of(found: Evaluation, budget: str) -> AdversarialRecord:
    """The record of an evaluation, without its counts."""
    return AdversarialRecord(
        norm="linf",
        eps=0.03,
        budget=budget,
        images=found.images,
        correct=CorrectRecord(clean=0, oblivious=None, adaptive=0, fixed_draw=None, noise=0),
        adaptive_vote=0,
        verdict="",
        reason="",
        gradients_per_image=0,
        rows=[
            AttackRecord(
                role=row.role.value,
                attack=row.attack,
                source=row.source,
                correct=0,
                correct_vote=0,
                passes=passes_of(row),
            )
            for row in found.rows
        ],
        by_image=True,
    )


def effort(row: Row) -> dict[str, Any]:
    return {"attack": row.attack, "passes": passes_of(row)}
