import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from stormbench.benchmarks import load_model
from stormbench.benchmarks.analysis.baselines import as_baseline, find_baseline
from stormbench.benchmarks.analysis.sequence_summary import summarise_sequences
from stormbench.benchmarks.evaluation import sequence_task as scoring
from stormbench.benchmarks.evaluation.evaluate import evaluate
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.images import read_result
from stormbench.benchmarks.results.run import Run, SequenceRun
from stormbench.benchmarks.results.sequences import SequenceResult, read_sequence_outcomes, read_sequence_result
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.corruptions.perturbations import PERTURBATIONS, perturb
from stormbench.datasets import open_images
from stormbench.errors import InputError, ResultError, SettingsChangedError, UnknownNameError
from stormbench.execution.journal import Journal
from stormbench.metrics import TEST_PERTURBATIONS, flip_probability, top5_distance
from stormbench.metrics.baselines import write_baseline
from stormbench.randomness import stream

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
FEW = SUITES["cifar10-p"].narrowed(["gaussian_noise", "motion_blur", "translate"], [1])


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


@pytest.fixture(scope="module")
def run(plain: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SequenceResult]:
    suite = SUITES["cifar-p"].narrowed(None, [1])
    return evaluate(plain, "digits", suite, out=tmp_path_factory.mktemp("run"), limit=6, name="all")


def contents(path: Path) -> tuple[bytes, list[object]]:
    return path.with_suffix(".npz").read_bytes(), json.loads(path.read_text())["cells"]


def test_counts_are_those_of_a_plain_loop(plain: Model, tmp_path: Path) -> None:
    _, result = evaluate(plain, "digits", FEW, out=tmp_path, limit=7, batch_size=10)
    digits = open_images("digits")
    for cell in result.cells:
        name, reference = cell.perturbation, PERTURBATIONS[cell.perturbation].reference
        sequences = [
            np.stack(
                list(perturb(np.asarray(digits.read(i)), name, rng=stream(0, f"sequence/{name}", 1, digits.keys[i])))
            )
            for i in range(7)
        ]
        frames = np.stack(sequences)
        with torch.inference_mode():
            logits = plain(torch.from_numpy(frames.reshape(-1, 32, 32, 3)).permute(0, 3, 1, 2) / 255).numpy()
        logits = logits.reshape(7, len(sequences[0]), -1)
        assert cell.frames == len(sequences[0]) == {"gaussian_noise": 31, "motion_blur": 21, "translate": 16}[name]
        assert cell.flip_probability == pytest.approx(
            flip_probability(logits.argmax(2), reference=reference), abs=1e-12
        )
        assert cell.top5_distance == pytest.approx(top5_distance(logits, reference=reference), abs=1e-12)


def test_outcomes_do_not_depend_on_workers_or_batches(plain: Model, tmp_path: Path) -> None:
    first, *others = [
        contents(evaluate(plain, "digits", FEW, out=tmp_path / f"{w}-{b}", limit=9, workers=w, batch_size=b).path)
        for w, b in ((0, 32), (2, 32), (0, 7))
    ]
    assert all(other == first for other in others)


def test_an_image_has_the_same_frames_alone_and_in_a_full_pass(plain: Model, tmp_path: Path) -> None:
    path, whole = evaluate(plain, "digits", FEW, out=tmp_path / "all", limit=8)
    part = open_images("digits").subset(range(5, 8))
    path_part, some = evaluate(plain, part, FEW, out=tmp_path / "part")
    full, few = read_sequence_outcomes(path, whole), read_sequence_outcomes(path_part, some)
    np.testing.assert_array_equal(full.top[5:], few.top)


def test_an_interrupted_run_continues(plain: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = contents(evaluate(plain, "digits", FEW, out=tmp_path / "whole", limit=12).path)

    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if 0 < done < total:
            raise StopError

    with pytest.raises(StopError):
        evaluate(plain, "digits", FEW, out=tmp_path, limit=12, progress=stop)
    seen: list[int] = []
    path, _ = evaluate(plain, "digits", FEW, out=tmp_path, limit=12, progress=lambda done, _: seen.append(done))
    assert seen[0] > 0
    assert contents(path) == whole
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.mark.slow
def test_a_killed_run_continues(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stormbench", "score", PLAIN, "--data", "digits", "--suite", "cifar10-p"]
    options = ["--perturbations", "tilt,snow", "--limit", "60", "--workers", "2", "--name", "run", "-o"]
    subprocess.run([*command, *options, str(tmp_path / "whole")], check=True, capture_output=True)
    process = subprocess.Popen([*command, *options, str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    journal = tmp_path / "killed/run.unfinished"
    deadline = time.monotonic() + 120
    while len(list(journal.glob("shard-*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/run.json").exists()
    subprocess.run([*command, *options, str(tmp_path / "killed")], check=True, capture_output=True)
    assert contents(tmp_path / "killed/run.json") == contents(tmp_path / "whole/run.json")


def test_a_finished_run_is_returned_and_another_refused(plain: Model, tmp_path: Path) -> None:
    result = evaluate(plain, "digits", FEW, out=tmp_path, limit=4).result
    assert evaluate(plain, "digits", FEW, out=tmp_path, limit=4).result == result
    with pytest.raises(SettingsChangedError, match="seed"):
        evaluate(plain, "digits", FEW, out=tmp_path, limit=4, seed=1)


def test_random_defenses_are_seeded(plain: Model, tmp_path: Path) -> None:
    suite = FEW.narrowed(["tilt"], None)
    runs = [
        evaluate(plain, "digits", suite, out=tmp_path / str(i), limit=4, seed=s, defense="rain:shift=0.2")
        for i, s in enumerate((0, 0, 1))
    ]
    tops = [run.outcomes.top for run in runs]
    np.testing.assert_array_equal(tops[0], tops[1])
    assert runs[0].result.defense is not None


def test_figures_without_a_baseline(run: SequenceRun) -> None:
    path, result = run
    summary = summarise_sequences(SequenceRun(path, result), None, resamples=50)
    assert set(summary.flip_probability) == {(name, 1) for name in TEST_PERTURBATIONS}
    cell = next(cell for cell in result.cells if cell.perturbation == "tilt")
    assert summary.flip_probability["tilt", 1].value == pytest.approx(100 * cell.flip_probability)
    assert summary.top5_distance["tilt", 1].value == pytest.approx(cell.top5_distance)
    mean = np.mean([cell.flip_probability for cell in result.cells])
    assert summary.mean_flip_probability is not None
    assert summary.mean_flip_probability.value == pytest.approx(100 * mean)
    assert (
        summary.mean_flip_probability.low <= summary.mean_flip_probability.value <= summary.mean_flip_probability.high
    )
    assert summary.mfr is summary.mt5d is None
    assert summary.notes == ()  # CIFAR's suites report plain means


def test_imagenet_p_without_a_baseline_says_what_to_do(run: SequenceRun) -> None:
    path, result = run
    as_imagenet = result.model_copy(update={"suite": result.suite.model_copy(update={"name": "imagenet-p"})})
    (note,) = summarise_sequences(SequenceRun(path, as_imagenet), None, resamples=20).notes
    assert "torchvision:alexnet --suite imagenet-p" in note


def test_a_run_against_itself_is_100(run: SequenceRun, tmp_path: Path) -> None:
    path, result = run
    write_baseline(as_baseline(SequenceRun(path, result)), tmp_path / "own.json")
    steady = dict.fromkeys(TEST_PERTURBATIONS, 0.1)  # on six digits some perturbations flip nothing
    own = find_baseline(str(tmp_path / "own.json"))
    assert own == find_baseline(str(path)) == as_baseline(SequenceRun(path, result))
    baseline = own.model_copy(update={"flip_probability": steady, "top5_distance": own.top5_distance})
    summary = summarise_sequences(SequenceRun(path, result), baseline, resamples=20)
    wanted = 100 * np.mean([cell.flip_probability / 0.1 for cell in result.cells])
    assert summary.mfr is not None
    assert summary.mfr.value == pytest.approx(wanted)
    assert summary.mt5d is not None
    assert summary.mt5d.value == pytest.approx(100.0)
    assert summary.flip_rate["tilt"].value == pytest.approx(100 * result.cells[8].flip_probability / 0.1)


def test_wrong_baselines_are_refused(run: SequenceRun) -> None:
    path, result = run
    with pytest.raises(InputError, match="has no flip probabilities"):
        find_baseline("alexnet", "imagenet-p")
    other = as_baseline(SequenceRun(path, result)).model_copy(update={"suite": "imagenet-p"})
    with pytest.raises(InputError, match="imagenet-p, this run of cifar-p"):
        summarise_sequences(SequenceRun(path, result), other)


def test_mfr_needs_all_ten(plain: Model, tmp_path: Path) -> None:
    path, result = evaluate(plain, "digits", FEW, out=tmp_path, limit=4)
    baseline = as_baseline(SequenceRun(path, result)).model_copy(
        update={"flip_probability": dict.fromkeys(("tilt", "snow"), 0.1)}
    )
    summary = summarise_sequences(SequenceRun(path, result), baseline, resamples=10)
    assert summary.mfr is None
    assert "lacking" in summary.notes[0]


def test_results_of_both_kinds_lie_in_one_folder(run: SequenceRun) -> None:
    path, result = run
    assert isinstance(Run.open(path), SequenceRun)
    assert read_sequence_result(path) == result
    with pytest.raises(ResultError, match="is a result on sequences"):
        read_result(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d | {"cells": [*d["cells"], d["cells"][0]]}, "stands twice"),
        (lambda d: d | {"seed": 7}, "seal"),
        (lambda d: d | {"surprise": 1}, "surprise"),
        (lambda d: d | {"cells": [d["cells"][0] | {"flips": 10**6}]}, "flips"),
        (lambda d: d | {"cells": [d["cells"][0] | {"perturbation": "tlt"}]}, "tlt"),
    ],
)
def test_changed_results_are_refused(run: SequenceRun, tmp_path: Path, change: object, complaint: str) -> None:
    document = json.loads(run.path.read_text())
    (tmp_path / "r.json").write_text(json.dumps(change(document)))
    with pytest.raises(ResultError, match=rf"r\.json.*{complaint}"):
        read_sequence_result(tmp_path / "r.json")


def test_changed_outcomes_are_refused(run: SequenceRun, tmp_path: Path) -> None:
    path, result = run
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    with pytest.raises(ResultError, match="cannot read"):
        read_sequence_outcomes(copy, result)
    copy.with_suffix(".npz").write_bytes(path.with_suffix(".npz").read_bytes()[:-1] + b"x")
    with pytest.raises(ResultError, match="digest differs"):
        read_sequence_outcomes(copy, result)


def test_suites() -> None:
    imagenet, cifar = SUITES["imagenet-p"], SUITES["cifar10-p"]
    assert imagenet.perturbations == TEST_PERTURBATIONS
    assert "spatter" in cifar.perturbations
    assert "snow" not in cifar.perturbations
    assert imagenet.narrowed(["shear", "shot_noise"], [1, 3]).cells == [
        ("shot_noise", 1),
        ("shot_noise", 3),
        ("shear", 1),
    ]
    with pytest.raises(UnknownNameError, match="tilt"):
        imagenet.narrowed(["tlt"], None)
    with pytest.raises(InputError, match="levels are 1 to 3"):
        imagenet.narrowed(None, [4])
    with pytest.raises(InputError, match="only noise"):
        imagenet.narrowed(["tilt"], [2])


def test_memory_holds_a_batch_and_not_a_sequence(plain: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are made as the model takes them."""
    alive: list[int] = []
    original = scoring.SequenceTask.logits

    def counted(self: scoring.SequenceTask, frames: np.ndarray, cell: tuple[str, int], names: list[str]) -> np.ndarray:
        alive.append(len(frames))
        return original(self, frames, cell, names)

    monkeypatch.setattr(scoring.SequenceTask, "logits", counted)
    evaluate(plain, "digits", FEW, out=tmp_path, limit=3, batch_size=20)
    assert max(alive) == 20
    assert sum(alive) == 3 * (31 + 21 + 16)
    assert len(alive) == sum(-(-3 * frames // 20) for frames in (31, 21, 16))


def test_the_journal_of_other_cells_is_refused(plain: Model, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run.unfinished", {"cells": []})
    with journal.open():
        journal.record(scoring.Shard(0, 0, 1), {"top": np.zeros((1, 1, 5))})
    with pytest.raises(SettingsChangedError):
        evaluate(plain, "digits", FEW, out=tmp_path, limit=4, name="run")
