"""Results that earlier releases wrote read as they did: counts, seals, verdicts; and the same run gives them again."""

import json
import shutil
from pathlib import Path

import pytest

from stormbench.benchmarks import SUITES, Run, attack, evaluate
from stormbench.benchmarks.evaluation.verify import verify
from stormbench.benchmarks.leaderboard import build_boards, read_curves, read_entries
from stormbench.benchmarks.results.attacks import verdict_of
from stormbench.benchmarks.results.documents import seal_of
from stormbench.benchmarks.results.tradeoffs import read_tradeoff
from stormbench.benchmarks.results.verifications import read_verification

FROZEN = Path(__file__).parent / "frozen"
PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
RESULTS = sorted(path for path in FROZEN.rglob("*.json") if "tradeoff" not in path.name)


def stored(path: Path) -> dict[str, object]:
    return json.loads(path.read_text())


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_kind_reads_with_its_counts_and_its_seal(path: Path) -> None:
    run, document = Run.open(path), stored(path)
    assert run.result.model_dump(mode="json", include={"cells"})["cells"] == document["cells"]
    assert run.result.seal == document["seal"] == seal_of(document)
    assert len(run.outcomes.keys) == document["data"]["images"]  # which holds the outcomes against the counts


def test_the_verdict_follows_from_the_outcomes() -> None:
    run = Run.open(FROZEN / "attacked.json")
    assert run.attack is not None
    assert run.result.adversarial.correct.adaptive == int(run.robust.sum()) == 4
    assert verdict_of(run.result.adversarial, run.attack, run.result.model.classes)


@pytest.mark.parametrize("version", [1, 2])
def test_older_schemas_read(tmp_path: Path, version: int) -> None:
    document = stored(FROZEN / "images.json") | {"schema_version": version}
    document = {key: value for key, value in document.items() if key != "seal"}
    document |= {"seal": seal_of(document)} if version == 2 else {}
    (tmp_path / "old.json").write_text(json.dumps(document))
    shutil.copy(FROZEN / "images.npz", tmp_path)
    run = Run.open(tmp_path / "old.json")
    assert run.outcomes.rank.shape == (16, 24)
    assert (run.result.seal is None) == (version == 1)


def test_curves_and_verifications_read() -> None:
    tradeoff = read_tradeoff(FROZEN / "curve" / "oat.tradeoff.json")
    (curve,) = read_curves(FROZEN / "curve")
    assert len(tradeoff.points) == curve.recounted == 2
    verification = read_verification(FROZEN / "images.json")
    assert verification is not None
    assert verification.passed
    assert verification.recomputed == 240


def test_all_kinds_stand_on_boards() -> None:
    entries = read_entries(FROZEN)
    assert len(entries) == len(RESULTS)
    assert {board.index for board in build_boards(entries)} >= {"mean_error", "flip_probability", "robust_accuracy"}


def test_the_same_runs_give_the_same_counts(tmp_path: Path) -> None:
    cifar = SUITES["cifar-c"]
    images = evaluate(
        PLAIN, "digits", cifar.narrowed(["gaussian_noise", "fog", "contrast"], None), out=tmp_path, limit=24
    )
    random = evaluate(
        PLAIN, "digits", cifar.narrowed(["fog"], [1, 5]), out=tmp_path, limit=16, defense="resize-pad", name="random"
    )
    sequences = evaluate(
        PLAIN, "digits", SUITES["cifar10-p"].narrowed(["gaussian_noise", "tilt"], [1]), out=tmp_path, limit=6
    )
    for run, name in ((images, "images"), (random, "random-defense"), (sequences, "sequences")):
        assert run.result.cells == Run.open(FROZEN / f"{name}.json").result.cells


def test_the_same_attack_leaves_the_same(tmp_path: Path) -> None:
    _, result = attack(
        PLAIN, "digits", "cifar-c", out=tmp_path, eps=8 / 255, budget="quick", limit=8, defense="jpeg", name="attacked"
    )
    then = Run.open(FROZEN / "attacked.json").result.adversarial
    assert result.adversarial.correct == then.correct
    assert [row.correct for row in result.adversarial.rows] == [row.correct for row in then.rows]


def test_what_was_scored_before_verifies_now() -> None:
    found = verify(FROZEN / "images.json", PLAIN, "digits", sample=0.2, seed=0)
    assert found.recomputed == found.equal
