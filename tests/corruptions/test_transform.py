"""``Corrupt`` in pipelines and in worker processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from stormbench.corruptions import CORRUPTIONS, Corrupt, corrupt
from stormbench.errors import InputError, UnknownNameError
from stormbench.randomness import stream
from stormbench.torchvision_guard import import_torchvision

Photo = Callable[[int, int], np.ndarray]


class Pieces(Dataset[tuple[int, Any]]):
    """Pieces of a photograph with their numbers, corrupted on the way out."""

    def __init__(self, images: list[np.ndarray], transform: Corrupt) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[int, Any]:
        return index, self.transform(torch.from_numpy(self.images[index]).permute(2, 0, 1))


def passes(pieces: Pieces, **options: Any) -> dict[int, bytes]:
    return {
        int(i): bytes(x.numpy())
        for indices, images in DataLoader(pieces, batch_size=3, **options)
        for i, x in zip(indices, images, strict=True)
    }


@pytest.fixture
def pieces(photo: Photo) -> Pieces:
    cat = photo(100, 300)
    return Pieces([cat[:40, x : x + 40].copy() for x in range(0, 200, 25)], Corrupt("shot_noise", 3, seed=1))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # where there are fewer cores
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_same_for_any_number_of_forked_workers_and_any_order(pieces: Pieces, workers: int) -> None:
    wanted = passes(pieces)
    assert len(set(wanted.values())) == len(pieces)
    assert passes(pieces, num_workers=workers, multiprocessing_context="fork") == wanted
    assert passes(pieces, num_workers=workers, multiprocessing_context="fork", shuffle=True) == wanted


@pytest.mark.slow
def test_same_in_spawned_workers(tmp_path: Path) -> None:
    script = tmp_path / "spawned.py"
    script.write_text(
        dedent("""
        from concurrent.futures import ProcessPoolExecutor
        from functools import partial
        from multiprocessing import get_context
        import numpy as np
        from stormbench.corruptions import Corrupt

        if __name__ == "__main__":
            images = list(np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8))
            for name in ("glass_blur",):
                step = Corrupt(name, 2, seed=3)
                wanted = [step(image).tobytes() for image in images]
                for workers in (1, 2, 3):
                    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                        assert [x.tobytes() for x in pool.map(step, images[::-1])] == wanted[::-1]
            print("same")
        """)
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env=dict(os.environ), timeout=120
    )
    assert done.stdout == "same\n", done.stderr


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_kind_out_is_kind_in(photo: Photo, name: str) -> None:
    array, step = photo(32, 40), Corrupt(name, 2)
    wanted = step(array)
    picture, tensor = step(Image.fromarray(array)), step(torch.from_numpy(array).permute(2, 0, 1))
    assert isinstance(picture, Image.Image)
    np.testing.assert_array_equal(np.asarray(picture), wanted)
    assert tensor.dtype == torch.uint8
    assert tensor.is_contiguous()
    np.testing.assert_array_equal(tensor.permute(1, 2, 0).numpy(), wanted)


def test_images_of_torchvision_stay_what_they_are(photo: Photo) -> None:
    import_torchvision()
    from torchvision import tv_tensors

    image = tv_tensors.Image(torch.from_numpy(photo(32, 40)).permute(2, 0, 1))
    assert type(Corrupt("fog", 1)(image)) is tv_tensors.Image


def test_grey_pictures_become_rgb(photo: Photo) -> None:
    grey = Image.fromarray(photo(32, 40)).convert("L")
    assert Corrupt("fog", 1)(grey).mode == "RGB"
    assert Corrupt("fog", 1)(torch.zeros(1, 32, 40, dtype=torch.uint8)).shape == (3, 32, 40)


def test_a_key_gives_what_the_data_sets_give(photo: Photo) -> None:
    image = photo(32, 32)
    wanted = corrupt(image, "snow", 4, rng=stream(7, "snow", 4, "cats/1.png"))
    np.testing.assert_array_equal(Corrupt("snow", 4, seed=7)(image, key="cats/1.png"), wanted)


def test_seeds_and_samples_differ(photo: Photo) -> None:
    image = photo(32, 32)
    other = image.copy()
    other[0, 0, 0] ^= 1
    outputs = [Corrupt("impulse_noise", 5, seed=s)(x)[1:].tobytes() for s in (0, 1) for x in (image, other)]
    assert len(set(outputs)) == 4


def test_refusals() -> None:
    with pytest.raises(UnknownNameError, match="did you mean fog"):
        Corrupt("fogg", 1)
    with pytest.raises(InputError, match=r"shape \(C, H, W\).* got \(2, 3, 32, 32\) on cpu"):
        Corrupt("fog", 1)(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(InputError, match="got float32"):
        Corrupt("fog", 1)(torch.zeros(3, 32, 32))
    with pytest.raises(InputError, match="got list"):
        Corrupt("fog", 1)([1, 2])


def test_the_documented_example_runs(photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_torchvision()
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    for number in range(5):
        Image.fromarray(photo(280, 300)[number:]).save(tmp_path / "photos" / "cats" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    example = dedent((Corrupt.__doc__ or "").split("Example::")[1])
    assert len(example.strip().splitlines()) == 5
    names: dict[str, Any] = {"Corrupt": Corrupt}
    exec(example, names)
    assert sum(len(images) for images, _ in names["loader"]) == 5


def test_torch_is_not_needed() -> None:
    code = """
import sys
import numpy as np
from stormbench.corruptions import Corrupt

Corrupt("contrast", 1)(np.zeros((16, 16, 3), np.uint8))
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
