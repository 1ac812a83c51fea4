from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from stormbench.benchmarks import load_model, score
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.images import Result, read_outcomes
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.corruptions import corrupt
from stormbench.datasets import open_images
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.errors import DataError, InputError, ModelError, ResultError, SettingsChangedError, UnknownNameError
from stormbench.execution.journal import Journal
from stormbench.randomness import stream

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
FEW = SUITES["cifar-c"].narrowed(["gaussian_noise", "fog", "pixelate"], [1, 5])


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


def cells_of(result: Result) -> dict[tuple[str, int], tuple[int, int, int]]:
    return {(cell.corruption, cell.severity): (cell.images, cell.wrong, cell.wrong_top5) for cell in result.cells}


def test_counts_are_those_of_a_plain_loop(plain: Model, tmp_path: Path) -> None:
    path, result = score(plain, "digits", FEW, out=tmp_path, limit=70)
    digits = open_images("digits")
    clean = [np.asarray(digits.read(index)) for index in range(70)]
    for (name, severity), counts in cells_of(result).items():
        images = clean
        if severity:
            rngs = (stream(0, name, severity, digits.keys[index]) for index in range(70))
            images = [corrupt(image, name, severity, rng=rng) for image, rng in zip(clean, rngs, strict=True)]
        with torch.inference_mode():
            logits = plain(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255)
        top = logits.topk(5).indices.numpy()
        hits = top == digits.labels[:70, None]
        assert counts == (70, int((~hits[:, 0]).sum()), int((~hits.any(axis=1)).sum()))
    assert path == tmp_path / f"{result.run}.json"
    assert result.model.digest == plain.digest


def test_outcomes_do_not_depend_on_workers(plain: Model, tmp_path: Path) -> None:
    contents = []
    for workers in (0, 2, 3):
        path, _ = score(plain, "digits", FEW, out=tmp_path / str(workers), limit=100, workers=workers, batch_size=16)
        contents.append(path.with_suffix(".npz").read_bytes())
    assert contents[0] == contents[1] == contents[2]


def test_an_image_has_the_same_pixels_alone_and_in_a_full_pass(plain: Model, tmp_path: Path) -> None:
    path_all, all_images = score(plain, "digits", FEW, out=tmp_path / "all", limit=40)
    part = open_images("digits").subset(range(20, 30))
    path_part, part_images = score(plain, part, FEW, out=tmp_path / "part")
    full, some = read_outcomes(path_all, all_images), read_outcomes(path_part, part_images)
    assert some.keys.tolist() == full.keys[20:30].tolist()
    np.testing.assert_array_equal(some.rank, full.rank[:, 20:30])


def test_another_seed_draws_other_noise(plain: Model, tmp_path: Path) -> None:
    first, second = (score(plain, "digits", FEW, out=tmp_path / str(seed), limit=64, seed=seed) for seed in (0, 1))
    predictions = [run.outcomes.prediction for run in (first, second)]
    deterministic = [row for row, (name, _) in enumerate(first.cells) if name in ("clean", "pixelate")]
    assert (predictions[0] != predictions[1]).any()
    np.testing.assert_array_equal(predictions[0][deterministic], predictions[1][deterministic])


def test_an_interrupted_run_continues(plain: Model, tmp_path: Path) -> None:
    """Stopped after two shards, it does the rest and comes to the same outcomes."""

    class StopError(Exception):
        pass

    def stop_after_two(done: int, _: int) -> None:
        if done >= 32:
            raise StopError

    whole, _ = score(plain, "digits", FEW, out=tmp_path / "whole", limit=80, batch_size=16)
    with pytest.raises(StopError):
        score(plain, "digits", FEW, out=tmp_path / "cut", limit=80, batch_size=16, progress=stop_after_two)
    seen: list[tuple[int, int]] = []
    cut, _ = score(
        plain, "digits", FEW, out=tmp_path / "cut", limit=80, batch_size=16, progress=lambda *both: seen.append(both)
    )
    assert seen == [(32, 80), (48, 80), (64, 80), (80, 80)]
    assert cut.with_suffix(".npz").read_bytes() == whole.with_suffix(".npz").read_bytes()
    assert sorted(path.name for path in cut.parent.iterdir()) == sorted(path.name for path in whole.parent.iterdir())


def test_a_finished_run_is_not_done_again(plain: Model, tmp_path: Path) -> None:
    path, first = score(plain, "digits", FEW, out=tmp_path, limit=20)
    before = path.stat().st_mtime_ns
    again, second = score(plain, "digits", FEW, out=tmp_path, limit=20)
    assert (again, second) == (path, first)
    assert path.stat().st_mtime_ns == before


def test_what_a_run_left_that_was_killed_at_its_very_end_is_removed(plain: Model, tmp_path: Path) -> None:
    run = score(plain, "digits", FEW, out=tmp_path, limit=20)
    left = run.path.with_suffix(".unfinished")
    left.mkdir()
    (left / "settings.json").write_text("{}")
    assert score(plain, "digits", FEW, out=tmp_path, limit=20) == run
    assert not left.exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 1}, "seed 0"), ({"limit": 19}, r"data\.images 20"), ({"batch_size": 8}, "batch_size 32")],
)
def test_a_changed_setting_is_refused_and_named(
    plain: Model, tmp_path: Path, change: dict[str, int], named: str
) -> None:
    settings = {"limit": 20}
    score(plain, "digits", FEW, out=tmp_path, **settings)
    with pytest.raises(SettingsChangedError, match=named):
        score(plain, "digits", FEW, out=tmp_path, **(settings | change))


def test_other_cells_are_another_setting(plain: Model, tmp_path: Path) -> None:
    score(plain, "digits", FEW, out=tmp_path, limit=20)
    with pytest.raises(SettingsChangedError, match="cells"):
        score(plain, "digits", FEW.narrowed(["fog"], [1]), out=tmp_path, limit=20)


def test_a_run_belongs_to_one_process(plain: Model, tmp_path: Path) -> None:
    path, _ = score(plain, "digits", FEW, out=tmp_path / "elsewhere", limit=20)
    folder = tmp_path / path.with_suffix(".unfinished").name
    with Journal(folder, {}).open(), pytest.raises(ResultError, match="another process"):
        score(plain, "digits", FEW, out=tmp_path, limit=20)


class _Answers(nn.Module):
    """Gives a fixed value for every class."""

    def __init__(self, value: float, classes: int) -> None:
        super().__init__()
        self.value, self.classes = value, classes

    def forward(self, images: Tensor) -> Tensor:
        # Fine on the grey image that models are tried with, and only there.
        value = 0.0 if images.std() == 0 else self.value
        return torch.full((len(images), self.classes), value)


def test_nan_is_an_error_and_not_an_answer(tmp_path: Path) -> None:
    model = Model(_Answers(float("nan"), 10), "test:nan", Preprocessing())
    with pytest.raises(ModelError, match=r"NaN or infinite logits for '1297' of the batch .* \(clean, severity 0\)"):
        score(model, "digits", FEW, out=tmp_path, limit=4)


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="10"):
        score(Model(_Answers(0.0, 7), "test:seven", Preprocessing()), "digits", FEW, out=tmp_path, limit=4)


def photo_tree(folder: Path, count: int = 4) -> Path:
    rng = np.random.default_rng(0)
    for index in range(count):
        path = folder / f"class {index % 2}" / f"photo {index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    return folder


def test_broken_images_stop_the_run_or_are_recorded(tmp_path: Path) -> None:
    data = photo_tree(tmp_path / "data")
    (data / "class 0" / "cut.png").write_bytes((data / "class 0" / "photo 0.png").read_bytes()[:200])
    (data / "class 1" / "empty.jpg").touch()
    model = Model(_Answers(0.0, 2), "test:two", Preprocessing())
    with pytest.raises(DataError, match=r"2 of 6 images(.|\n)*cut\.png(.|\n)*empty\.jpg"):
        score(model, data, FEW, out=tmp_path / "results")
    _, result = score(model, data, FEW, out=tmp_path / "results", skip_broken=True)
    assert result.data.skipped == ["class 0/cut.png", "class 1/empty.jpg"]
    assert result.data.images == 4


def test_images_of_several_sizes_are_named(tmp_path: Path) -> None:
    data = photo_tree(tmp_path / "data")
    Image.new("RGB", (40, 32)).save(data / "class 1" / "wide.png")
    model = Model(_Answers(0.0, 2), "test:two", Preprocessing())
    with pytest.raises(DataError, match="32x32, 40x32"):
        score(model, data, FEW, out=tmp_path / "results")
    _, result = score(model, data, FEW.resized(32, 32, None), out=tmp_path / "results")
    assert result.suite.geometry is not None


def test_images_pass_the_codec_of_the_published_set(plain: Model, tmp_path: Path) -> None:
    lossless, lossy = (
        score(plain, "digits", suite, out=tmp_path / str(suite.jpeg_quality), limit=60)
        for suite in (FEW, replace(FEW, jpeg_quality=5))
    )
    first, second = read_outcomes(*lossless), read_outcomes(*lossy)
    assert (first.prediction[1:] != second.prediction[1:]).any()
    np.testing.assert_array_equal(first.prediction[0], second.prediction[0])  # clean images are not re-encoded


def test_suites_are_narrowed_in_the_papers_order() -> None:
    suite = SUITES["imagenet-c"].narrowed(["spatter", "fog", "gaussian_noise"], [5, 1])
    assert suite.cells == [(name, s) for name in ("gaussian_noise", "fog", "spatter") for s in (1, 5)]
    with pytest.raises(UnknownNameError, match="fogg"):
        suite.narrowed(["fogg"], None)
    with pytest.raises(InputError, match="0"):
        suite.narrowed(None, [0, 1])
