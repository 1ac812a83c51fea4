"""Verifying a result by asking the model again."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stormbench.benchmarks.evaluation.evaluate import evaluate, score
from stormbench.benchmarks.evaluation.verify import verify
from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.leaderboard import build_boards, read_entries
from stormbench.benchmarks.leaderboard.site import render
from stormbench.benchmarks.results.arrays import arrays_from
from stormbench.benchmarks.results.documents import seal_of
from stormbench.benchmarks.results.images import OUTCOME_ARRAYS, Outcomes, count, read_result
from stormbench.benchmarks.results.sequences import read_sequence_outcomes, read_sequence_result, write_sequence_result
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.results.verifications import read_verification, write_verification
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.errors import InputError, ResultError
from stormbench.files import npz

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
NOISY = "python:stormbench.benchmarks.demo.networks:noisy"
SUITE = SUITES["cifar-c"].narrowed(["contrast", "pixelate"], None)


def outcomes_from(content: bytes, where: str) -> Outcomes:
    return Outcomes(**arrays_from(content, OUTCOME_ARRAYS, where))


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    path, _ = score(PLAIN, "digits", SUITE, out=folder, name="bare", limit=40, batch_size=8)
    return path


@pytest.fixture
def result(scored: Path, tmp_path: Path) -> Path:
    for suffix in (".json", ".npz"):
        shutil.copy(scored.with_suffix(suffix), tmp_path)
    return tmp_path / scored.name


def test_a_sound_result_is_verified_and_the_page_says_so(result: Path) -> None:
    found = verify(result, PLAIN, "digits", sample=0.2)
    assert found.passed
    assert found.recomputed == found.equal
    assert found.recomputed >= 0.2 * 11 * 40
    write_verification(found, result)
    assert read_verification(result) == found
    board = build_boards(read_entries(result.parent))[0]
    assert f"verified on {found.recomputed} samples" in render([board])


def test_a_random_defense_draws_the_same_again(tmp_path: Path) -> None:
    spec = "resize-pad"
    path, _ = score(PLAIN, "digits", SUITE, out=tmp_path, name="defended", limit=24, batch_size=8, defense=spec)
    found = verify(path, PLAIN, "digits", sample=1)
    assert found.equal == found.recomputed == 11 * 24


def test_all_of_a_result_can_be_recomputed_and_the_sample_is_random(result: Path) -> None:
    assert verify(result, PLAIN, "digits", sample=1).recomputed == 11 * 40
    assert verify(result, PLAIN, "digits").seed != verify(result, PLAIN, "digits").seed
    with pytest.raises(InputError, match="above 0 and at most 1"):
        verify(result, PLAIN, "digits", sample=0)


def test_a_forger_who_makes_everything_add_up_is_found_out(result: Path) -> None:
    """The forged result has right outcomes in one image of ten, and counts, digest and seal to match."""
    before = read_result(result)
    outcomes = outcomes_from(result.with_suffix(".npz").read_bytes(), "here")
    rank, prediction = outcomes.rank.copy(), outcomes.prediction.copy()
    rank[:, ::10], prediction[:, ::10] = 1, (outcomes.labels[::10] + 1) % 10
    forged = Outcomes(outcomes.keys, outcomes.labels, prediction, rank)
    content = npz(vars(forged))
    result.with_suffix(".npz").write_bytes(content)
    cells = count([(cell.corruption, cell.severity) for cell in before.cells], forged)
    document = json.loads(result.read_text())
    document["cells"] = [cell.model_dump() for cell in cells]
    document["outcomes"]["sha256"] = hashlib.sha256(content).hexdigest()
    result.write_text(json.dumps(document | {"seal": seal_of(document)}))
    found = verify(result, PLAIN, "digits", sample=0.5)
    assert not found.passed
    write_verification(found, result)
    assert "verification failed" in render(build_boards(read_entries(result.parent)))


def test_other_weights_and_other_images_are_refused(result: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="was made with the weights"):
        verify(result, NOISY, "digits")
    rng = np.random.default_rng(0)
    others = tmp_path / "others.npz"
    np.savez(others, images=rng.integers(0, 256, size=(40, 32, 32, 3), dtype=np.uint8), labels=np.arange(40) % 10)
    with pytest.raises(ResultError, match="give the very images that were scored"):
        verify(result, PLAIN, others)


def test_results_on_released_files_are_verified_on_them(result: Path, tmp_path: Path) -> None:
    written = tmp_path / "set"
    generate("digits", written, SUITE, limit=40)
    path, _ = score(PLAIN, "digits", SUITE, out=tmp_path, name="released", limit=40, batch_size=8, released=written)
    assert verify(path, PLAIN, "digits", released=written).passed
    with pytest.raises(ResultError, match="was scored on released files"):
        verify(path, PLAIN, "digits")
    with pytest.raises(ResultError, match="was scored on images made on the fly"):
        verify(result, PLAIN, "digits", released=written)


def test_a_record_says_nothing_about_another_file(result: Path) -> None:
    write_verification(verify(result, PLAIN, "digits"), result)
    result.write_text(result.read_text() + "\n")
    assert read_verification(result) is None
    result.with_suffix(".verified").write_text("{}")
    with pytest.raises(ResultError, match="is not the record of a verification"):
        read_verification(result)


@pytest.fixture(scope="module", params=[None, "resize-pad"], ids=["bare", "behind a random defense"])
def sequences(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    suite = SUITES["cifar-p"].narrowed(["translate", "gaussian_noise"], [1])
    folder = tmp_path_factory.mktemp("sequences")
    path, _ = evaluate(PLAIN, "digits", suite, out=folder, name="run", limit=6, defense=request.param)
    return path


def test_sequences_are_verified_frame_by_frame(sequences: Path) -> None:
    frames = sum(cell.frames for cell in read_sequence_result(sequences).cells)
    seen: list[tuple[int, int]] = []
    found = verify(sequences, PLAIN, "digits", sample=1, progress=lambda *at: seen.append(at))
    assert found.recomputed == found.equal == 6 * frames
    assert seen[-1] == (6 * frames, 6 * frames)


def test_forged_sequences_are_found_out(sequences: Path, tmp_path: Path) -> None:
    """Where the guesses never move, nothing flips: counts, digest and seal are made to match."""
    result = read_sequence_result(sequences)
    outcomes = read_sequence_outcomes(sequences, result)
    still = np.repeat(outcomes.top[:, :1], outcomes.top.shape[1], axis=1)
    cells = [(key, cell.frames) for key, cell in zip(result.keys, result.cells, strict=True)]
    settings = Settings(**{name: getattr(result, name) for name in Settings.model_fields})
    forged = tmp_path / "forged.json"
    written = write_sequence_result(settings, cells, replace(outcomes, top=still), forged)
    assert all(cell.flips == 0 for cell in written.cells)
    read_sequence_outcomes(forged, written)
    assert not verify(forged, PLAIN, "digits", sample=0.5).passed
    with pytest.raises(ResultError, match="was made with the weights"):
        verify(forged, NOISY, "digits")
