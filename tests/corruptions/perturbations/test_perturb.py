"""The registry, the refusals, and randomness as an argument."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from stormbench.corruptions.perturbations import PERTURBATIONS, SCORED, SCORED_CIFAR, perturb
from stormbench.corruptions.perturbations.catalogue import Perturbation
from stormbench.corruptions.perturbations.sampling import affine, affine_map
from stormbench.corruptions.perturbations.view import view_of
from stormbench.errors import InputError, UnknownNameError
from stormbench.randomness import stream

Photo = Callable[[int, int], np.ndarray]


def test_the_papers_order() -> None:
    assert SCORED == (
        "gaussian_noise",
        "shot_noise",
        "motion_blur",
        "zoom_blur",
        "snow",
        "brightness",
        "translate",
        "rotate",
        "tilt",
        "scale",
    )
    assert tuple(PERTURBATIONS)[10:] == ("speckle_noise", "gaussian_blur", "spatter", "shear")
    assert SCORED_CIFAR[4] == "spatter"


def test_facts_of_the_entries() -> None:
    noises = [name for name, entry in PERTURBATIONS.items() if entry.reference == "first"]
    assert noises == ["gaussian_noise", "shot_noise", "speckle_noise"]
    assert all(entry.reference == "previous" for name, entry in PERTURBATIONS.items() if name not in noises)
    assert all(len(PERTURBATIONS[n].levels["imagenet"]) == (3 if n in noises else 1) for n in PERTURBATIONS)
    with_margin = {n for n, entry in PERTURBATIONS.items() if entry.margin["imagenet"]}
    assert with_margin == {"zoom_blur", "translate", "rotate", "tilt", "scale", "shear"}
    assert all(entry.margin["imagenet"] in (0, 16) and entry.margin["cifar"] == 0 for entry in PERTURBATIONS.values())
    assert [n for n, e in PERTURBATIONS.items() if e.stochastic] == [*noises[:2], "snow", "speckle_noise", "spatter"]


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_only_stochastic_ones_draw(photo: Photo, name: str) -> None:
    a, b = (list(perturb(photo(32, 32), name, rng=np.random.default_rng(seed))) for seed in (0, 1))
    assert np.array_equal(a, b) != PERTURBATIONS[name].stochastic


def test_the_table_is_held_against_the_kernel() -> None:
    tilt = PERTURBATIONS["tilt"]
    wrong = {scale: ({"frames": 31, "still": 15},) for scale in tilt.levels}
    with pytest.raises(ValueError, match="tilt"):
        Perturbation("tilt", "digital", "previous", False, tilt.kernel, tilt.margin, wrong)
    with pytest.raises(ValueError, match="scales"):
        Perturbation("tilt", "digital", "previous", False, tilt.kernel, {}, {})


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_frames_are_made_when_asked_for(photo: Photo, name: str) -> None:
    frames = perturb(photo(40, 40), name, scale="cifar", rng=np.random.default_rng(0))
    assert iter(frames) is frames
    assert next(frames).shape == (32, 32, 3)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_frames_are_new_arrays_and_the_source_is_left_alone(photo: Photo, name: str) -> None:
    source = photo(256, 260)
    before = source.copy()
    source.setflags(write=False)
    frames = list(perturb(source, name, rng=np.random.default_rng(0)))
    assert np.array_equal(source, before)
    for frame in frames:
        assert frame.flags.writeable
        assert frame.flags.c_contiguous
        assert not np.shares_memory(frame, source)
    assert not any(np.shares_memory(a, b) for a, b in pairwise(frames))


def test_sequences_do_not_depend_on_order_or_workers(photo: Photo) -> None:
    def run(job: tuple[str, str]) -> bytes:
        name, key = job
        return np.stack(list(perturb(photo(64, 64), name, rng=stream(7, name, 1, key)))).tobytes()

    jobs = [(name, key) for name in PERTURBATIONS for key in ("a.png", "b.png")]
    alone = {job: run(job) for job in jobs}
    backwards = {job: run(job) for job in reversed(jobs)}
    with ThreadPoolExecutor(3) as pool:
        together = dict(zip(jobs, pool.map(run, jobs), strict=True))
    assert alone == backwards == together
    assert alone["snow", "a.png"] != alone["snow", "b.png"]


def test_auto_picks_by_the_short_side(photo: Photo) -> None:
    sizes = [(32, 32), (64, 64), (256, 290), (400, 290)]
    sides = [next(perturb(photo(*size), "tilt", rng=np.random.default_rng(0))).shape[0] for size in sizes]
    assert sides == [32, 64, 224, 299]


def test_grey_and_transparent_frames(photo: Photo) -> None:
    grey = photo(32, 32)[:, :, 0]
    frames = list(perturb(grey, "rotate", rng=np.random.default_rng(0)))
    assert all((f[:, :, :1] == f).all() for f in frames)
    alpha = np.dstack([photo(32, 32), np.zeros((32, 32), np.uint8)])
    with_alpha, without = (list(perturb(f, "tilt", rng=np.random.default_rng(0))) for f in (alpha, photo(32, 32)))
    assert np.array_equal(with_alpha, without)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"level": 2}, "only noise has more"),
        ({"level": 0}, "got 0"),
        ({"level": True}, "got True"),
        ({"name": "gaussian_noise", "level": 4}, "1, 2 or 3"),
        ({"frame": np.zeros((200, 300, 3), np.uint8), "scale": "imagenet"}, "224 rows and columns or more"),
        ({"frame": np.zeros((64, 64, 3))}, "uint8"),
        ({"rng": 0}, "rng"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], complaint: str) -> None:
    given = {"frame": np.zeros((64, 64, 3), np.uint8), "name": "tilt", "rng": np.random.default_rng(0), **arguments}
    frame, name = given.pop("frame"), given.pop("name")
    with pytest.raises(InputError, match=complaint):
        perturb(frame, name, **given)


def test_unknown_names_get_near_ones() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(UnknownNameError, match="did you mean translate"):
        perturb(frame, "translat", rng=np.random.default_rng(0))
    with pytest.raises(UnknownNameError, match="imagenet"):
        perturb(frame, "tilt", scale="imagnet", rng=np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(8))
def test_affine_is_pillows(photo: Photo, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = photo(int(rng.integers(32, 90)), int(rng.integers(32, 90)))
    height, width = image.shape[:2]
    degrees, factor, shear = rng.uniform(-180, 180), rng.uniform(0.2, 3), rng.uniform(-40, 40)
    matrix = affine_map(width, height, degrees=degrees, factor=factor, shear=shear)
    wanted = Image.fromarray(image).transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    view = view_of(image, "cifar", margin=1)
    got = affine(view, matrix)
    np.testing.assert_array_equal(got, view.show(np.asarray(wanted)))


def test_affine_map_is_the_formula() -> None:
    """Rotation is clockwise, magnification divides, and the centre is half a pixel beside the middle."""
    turn = affine_map(10, 20, degrees=90)
    assert turn == pytest.approx((0, 1, -5, -1, 0, 16))
    assert affine_map(10, 20, factor=2) == pytest.approx((0.5, 0, 2.75, 0, 0.5, 5.25))
    assert affine_map(10, 20, shear=45) == pytest.approx((1, 1, -10.5, 0, 2**0.5, 10.5 * (1 - 2**0.5)))
    assert affine_map(10, 20) == (1, 0, 0, 0, 1, 0)
