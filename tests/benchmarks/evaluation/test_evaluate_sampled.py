import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stormbench.benchmarks import evaluate, load_model
from stormbench.benchmarks.analysis.sample_summary import summarise_sample
from stormbench.benchmarks.evaluation.sampled.evaluate import evaluate_sampled
from stormbench.benchmarks.evaluation.sampled.task import SampleTask
from stormbench.benchmarks.evaluation.verify import verify
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.run import Run
from stormbench.benchmarks.results.samples import Sample, write_sample
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.datasets import ImageSet, open_images
from stormbench.errors import BrokenImageError, InputError, ResultError, SettingsChangedError
from stormbench.execution.shards import Shard
from stormbench.metrics.sequential import looks

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
FEW = SUITES["cifar-c"].narrowed(["gaussian_noise", "fog", "pixelate"], [1, 5])


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


@pytest.fixture
def blocks_run(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The blocks that the model was asked about, as they come."""
    asked: list[int] = []
    call: Callable[[SampleTask, Shard], Any] = SampleTask.__call__

    def counted(task: SampleTask, block: Shard) -> Any:
        asked.append(block.index)
        return call(task, block)

    monkeypatch.setattr(SampleTask, "__call__", counted)
    return asked


def contents(sample: Sample) -> bytes:
    return (sample.path.parent / sample.result.outcomes.file).read_bytes()


def test_passes_are_those_of_a_full_run_and_all_blocks_are_the_full_run(plain: Model, tmp_path: Path) -> None:
    sample = evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=0.001, limit=60)
    run = evaluate(plain, "digits", FEW, out=tmp_path, limit=60)
    outcomes = run.outcomes
    image, cell = sample.plan.passes(0, 360)
    np.testing.assert_array_equal(sample.outcomes.prediction, outcomes.prediction[cell + 1, image])
    np.testing.assert_array_equal(sample.outcomes.rank, outcomes.rank[cell + 1, image])
    assert [sample.result.clean, *sample.result.cells] == run.result.cells
    assert summarise_sample(sample).estimate.half_width == 0


def test_outcomes_do_not_depend_on_workers_or_interruptions(plain: Model, tmp_path: Path) -> None:
    """Two workers come out of order and go beyond the last block that counts."""
    runs = {}
    for workers in (0, 2):
        runs[workers] = evaluate_sampled(
            plain, "digits", FEW, out=tmp_path / str(workers), precision=5, limit=300, workers=workers
        )
    assert 10 <= runs[0].result.plan.blocks < 100

    def stop(done: int, total: int) -> None:
        assert 0 <= done <= total
        if done > 6 * 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_sampled(plain, "digits", FEW, out=tmp_path / "again", precision=5, limit=300, progress=stop)
    runs[9] = evaluate_sampled(plain, "digits", FEW, out=tmp_path / "again", precision=5, limit=300)
    assert len({contents(run) for run in runs.values()}) == 1
    assert len({run.result.plan.bytes for run in runs.values()}) == 1
    assert [path.name for path in sorted((tmp_path / "again").iterdir())] == [
        runs[0].result.outcomes.file,
        runs[0].path.name,
    ]


def test_a_smaller_precision_goes_on_and_repeats_no_pass(plain: Model, tmp_path: Path, blocks_run: list[int]) -> None:
    rough = evaluate_sampled(plain, "digits", FEW, out=tmp_path / "a", precision=8, limit=300)
    fine = evaluate_sampled(plain, "digits", FEW, out=tmp_path / "a", precision=4, limit=300)
    assert rough.result.plan.blocks < fine.result.plan.blocks
    assert blocks_run == list(range(fine.result.plan.blocks))
    assert contents(fine) == contents(
        evaluate_sampled(plain, "digits", FEW, out=tmp_path / "b", precision=4, limit=300)
    )
    del blocks_run[:]
    assert evaluate_sampled(plain, "digits", FEW, out=tmp_path / "a", precision=6, limit=300).result == fine.result
    assert blocks_run == []


def test_the_run_stops_at_the_first_look_that_is_precise_enough(plain: Model, tmp_path: Path) -> None:
    sample = evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=5, limit=300)
    assert sample.result.plan.blocks in set(looks(300))
    assert summarise_sample(sample).estimate.half_width <= 5


def test_a_budget_ends_a_run_and_a_larger_one_continues_it(plain: Model, tmp_path: Path, blocks_run: list[int]) -> None:
    small = evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=0.1, budget=6 * 12 + 5, limit=300)
    assert small.result.plan.blocks == 12
    large = evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=None, budget=6 * 20, limit=300)
    assert large.result.plan.blocks == 20
    assert blocks_run == list(range(20))
    np.testing.assert_array_equal(large.outcomes.prediction[: 6 * 12], small.outcomes.prediction)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(80):
        folder = tmp_path / "photos" / "0123456789"[index % 10]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{index:03d}.png")
    return tmp_path / "photos"


def test_only_images_that_are_used_are_read(
    plain: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken image beyond the last block does no harm; one within is named, and what was before it is kept."""
    images = open_images(photos)
    used = evaluate_sampled(plain, photos, FEW, out=tmp_path / "a", precision=None, budget=60)
    order = [images.keys[index] for index in used.plan.image_order]
    (photos / order[-1]).write_bytes(b"no image")
    again = evaluate_sampled(plain, photos, FEW, out=tmp_path / "b", precision=None, budget=60)
    assert contents(again) == contents(used)
    (photos / order[45]).write_bytes(b"no image")
    with pytest.raises(BrokenImageError, match=order[45]):
        evaluate_sampled(plain, photos, FEW, out=tmp_path / "c", precision=None, budget=60)
    Image.new("RGB", (32, 32)).save(photos / order[45])
    assert evaluate_sampled(plain, photos, FEW, out=tmp_path / "c", precision=None, budget=60).result.plan.blocks == 10


def test_a_run_decodes_as_many_images_as_it_has_passes(
    plain: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = open_images(photos)
    reads: list[int] = []
    read = type(images).read

    def counted(of: ImageSet, index: int) -> Image.Image:
        reads.append(index)
        return read(of, index)

    monkeypatch.setattr(type(images), "read", counted)
    evaluate_sampled(plain, images, FEW, out=tmp_path, precision=None, budget=66)
    assert len(reads) == 66
    assert len(set(reads)) == 66


def test_what_cannot_be_asked_is_refused(plain: Model, tmp_path: Path) -> None:
    for wrong, said in [
        ({"precision": None}, "give a precision"),
        ({"precision": 0.0}, "above 0"),
        ({"precision": float("nan")}, "above 0"),
        ({"precision": 1, "budget": 5}, "one block of 6 passes, got 5"),
        ({"precision": 1, "defense": "rain:shift=0.05"}, "draws at random"),
    ]:
        with pytest.raises(InputError, match=said):
            evaluate_sampled(plain, "digits", FEW, out=tmp_path, limit=50, **wrong)
    assert not list(tmp_path.iterdir())


def test_other_settings_are_refused(plain: Model, tmp_path: Path) -> None:
    evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=None, budget=60, limit=100)
    for other in ({"seed": 1, "limit": 100}, {"limit": 90}):
        with pytest.raises(SettingsChangedError):
            evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=None, budget=120, **other)


def test_changed_results_are_found_out(plain: Model, tmp_path: Path) -> None:
    sample = evaluate_sampled(plain, "digits", FEW, out=tmp_path / "a", precision=None, budget=60, limit=100)
    assert Sample.open(sample.path).result == sample.result
    document = json.loads(sample.path.read_text())

    def changed(**changes: Any) -> Path:
        folder = tmp_path / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sample.path.parent, folder)
        (folder / sample.path.name).write_text(json.dumps(document | changes))
        return folder / sample.path.name

    for changes, said in [
        ({"seed": 1}, "seal"),
        ({"plan": document["plan"] | {"blocks": 9}}, "count 9 images"),
        ({"plan": document["plan"] | {"blocks": 101}}, "101 blocks"),
        ({"kind": "images"}, "chosen precision"),
    ]:
        with pytest.raises(ResultError, match=said):
            Sample.open(changed(**changes))
    path = changed()
    (path.parent / sample.result.outcomes.file).unlink()
    with pytest.raises(ResultError, match="cannot read the outcomes"):
        Sample.open(path)


def test_verify_recomputes_blocks_and_the_rule_of_stopping(plain: Model, photos: Path, tmp_path: Path) -> None:
    sample = evaluate_sampled(PLAIN, photos, FEW, out=tmp_path / "a", precision=8)
    found = verify(sample.path, PLAIN, photos, sample=1.0)
    assert (found.recomputed, found.equal) == (sample.result.passes, sample.result.passes)
    with pytest.raises(ResultError, match="weights"):
        verify(sample.path, "python:stormbench.benchmarks.demo.networks:noisy", photos)
    outcomes = replace(
        sample.outcomes,
        prediction=(sample.outcomes.labels[sample.plan.passes(0, sample.result.passes)[0]]).astype(np.int32),
        rank=np.zeros_like(sample.outcomes.rank),
    )
    settings = Settings(**{name: getattr(sample.result, name) for name in Settings.model_fields})
    path = tmp_path / "forged" / "forged.json"
    forged = write_sample(settings, sample.result.keys, sample.result.plan, outcomes, path)
    with pytest.raises(ResultError, match="had to stop after 10"):
        verify(forged.path, PLAIN, photos)
    record = sample.result.plan.model_copy(update={"precision": None, "budget": sample.result.passes})
    forged = write_sample(settings, sample.result.keys, record, outcomes, path)
    assert not verify(forged.path, PLAIN, photos, sample=1.0).passed
    used = sample.plan.image_order[3]
    Image.new("RGB", (32, 32)).save(photos / open_images(photos).keys[used])
    with pytest.raises(ResultError, match="other bytes"):
        verify(sample.path, PLAIN, photos)


def test_where_full_runs_are_wanted_a_sentence_says_so(plain: Model, tmp_path: Path) -> None:
    sample = evaluate_sampled(plain, "digits", FEW, out=tmp_path, precision=None, budget=60, limit=100)
    with pytest.raises(ResultError, match="a full run is wanted"):
        Run.open(sample.path)
