from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.corruptions.perturbations import perturb, video
from stormbench.corruptions.perturbations.film import film_strip, save_film
from stormbench.corruptions.perturbations.video import decode, encode
from stormbench.errors import DataError, InputError, MissingDependencyError

Photo = Callable[[int, int], np.ndarray]


@pytest.fixture
def frames(photo: Photo) -> list[np.ndarray]:
    return list(perturb(photo(64, 64), "tilt", rng=np.random.default_rng(0)))


def test_a_strip_shows_every_frame(frames: list[np.ndarray]) -> None:
    strip = film_strip(frames, title="tilt", columns=8)
    assert strip.shape == (30 + 4 + 4 * 68, 4 + 8 * 68, 3)
    np.testing.assert_array_equal(strip[34 + 68 + 20 : 34 + 68 + 64, 4 : 4 + 64], frames[8][20:])
    assert film_strip(frames[:2]).shape[1] == 4 + 2 * 68


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".GIF"])
def test_pillow_reads_what_is_saved(tmp_path: Path, frames: list[np.ndarray], suffix: str) -> None:
    path = tmp_path / f"tilt{suffix}"
    save_film(frames, path, title="tilt")
    with Image.open(path) as image:
        image.load()
        there_and_back = 2 * len(frames) - 2
        assert getattr(image, "n_frames", 1) == (there_and_back if suffix.lower() == ".gif" else 1)


def test_unknown_endings_are_refused(tmp_path: Path, frames: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"\.gif, \.mp4"):
        save_film(frames, tmp_path / "tilt.avi")


def test_mp4_keeps_the_frames_nearly(tmp_path: Path, frames: list[np.ndarray]) -> None:
    path = tmp_path / "tilt.mp4"
    save_film(frames, path)
    decoded = decode(path, frames=31)
    assert decoded.shape == (31, 64, 64, 3)
    difference = np.abs(decoded.astype(int) - np.stack(frames))
    assert 0 < difference.mean() < 4  # H.264 is lossy, and frame 0 is no longer the clean image


def test_a_single_frame_makes_a_film(tmp_path: Path, frames: list[np.ndarray]) -> None:
    (tmp_path / "one.mp4").write_bytes(encode(frames[:1], noise=True))
    assert len(decode(tmp_path / "one.mp4", frames=1)) == 1


def test_films_come_out_the_same_every_time(photo: Photo) -> None:
    noise = list(perturb(photo(64, 64), "gaussian_noise", rng=np.random.default_rng(0)))
    assert len({encode(noise, noise=flag) for flag in (True, True, True)}) == 1
    assert len({encode(noise, noise=flag) for flag in (False, False, False)}) == 1


@pytest.mark.parametrize("side", [299, 33])
def test_odd_sides(tmp_path: Path, photo: Photo, side: int) -> None:
    (tmp_path / "odd.mp4").write_bytes(encode([photo(side, side)] * 3, noise=False))
    assert decode(tmp_path / "odd.mp4", frames=3).shape == (3, side, side, 3)


def test_truncated_films_are_named(tmp_path: Path, frames: list[np.ndarray]) -> None:
    content = encode(frames, noise=False)
    path = tmp_path / "broken.mp4"
    for length in (0, 100, len(content) // 2, len(content) - 1000):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"broken\.mp4"):
            decode(path, frames=31)


def test_wrong_frame_counts_are_named(tmp_path: Path, frames: list[np.ndarray]) -> None:
    (tmp_path / "tilt.mp4").write_bytes(encode(frames, noise=False))
    with pytest.raises(DataError, match=r"tilt\.mp4 has 31 frames, wanted 41"):
        decode(tmp_path / "tilt.mp4", frames=41)


def test_without_pyav_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, frames: list[np.ndarray]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"stormbench\[video\]"):
        video.encode(frames, noise=False)
