"""What each frame of each sequence is, rule by rule, against plain statements of the rule."""

from collections.abc import Callable
from math import cos, radians, sin

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from stormbench.corruptions import SCALES
from stormbench.corruptions.kernels.motion import motion_blur
from stormbench.corruptions.perturbations import PERTURBATIONS, perturb

Photo = Callable[[int, int], np.ndarray]
SIZES = {"imagenet": (256, 300), "inception": (320, 400), "imagenet64": (64, 64), "cifar": (32, 32)}
WITH_CLEAN_FRAME = {
    "gaussian_noise": 0,
    "shot_noise": 0,
    "speckle_noise": 0,
    "zoom_blur": 0,
    "translate": {"imagenet": 20, "inception": 20, "imagenet64": 15, "cifar": 7},
    "rotate": 15,
    "shear": 15,
    "scale": {"imagenet": 24, "inception": 24, "imagenet64": 24, "cifar": 15},
}
WITHOUT = ["motion_blur", "snow", "spatter"]


def state(seed: int = 0) -> np.random.RandomState:
    return np.random.RandomState(seed)


def sequence(frame: np.ndarray, name: str, scale: str = "auto", level: int = 1) -> list[np.ndarray]:
    return list(perturb(frame, name, scale=scale, level=level, rng=state()))


def shown(frame: np.ndarray, scale: str) -> np.ndarray:
    """The unperturbed crop, by Pillow alone."""
    side, (height, width) = SCALES[scale], frame.shape[:2]
    if scale == "inception":
        h, w = int(height * 0.875), int(width * 0.875)
        top, left = round((height - h) / 2), round((width - w) / 2)
        crop = Image.fromarray(frame[top : top + h, left : left + w])
        return np.asarray(crop.resize((side, side), Image.Resampling.BILINEAR))
    top, left = round((height - side) / 2), round((width - side) / 2)
    return frame[top : top + side, left : left + side]


def pillow_affine(image: np.ndarray, degrees: float = 0, factor: float = 1, shear: float = 0) -> np.ndarray:
    """The affine map of the torchvision of that time, from the formula of its matrix, applied by Pillow."""
    height, width = image.shape[:2]
    a, h = radians(degrees), radians(shear)
    scaled = (1 / factor) / (cos(a + h) * cos(a) + sin(a + h) * sin(a))
    p, q, r, s = (scaled * m for m in (cos(a + h), sin(a + h), -sin(a), cos(a)))
    x, y = width * 0.5 + 0.5, height * 0.5 + 0.5
    matrix = (p, q, (p * -x + q * -y) + x, r, s, (r * -x + s * -y) + y)
    moved = Image.fromarray(image).transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(moved)


@pytest.mark.parametrize("scale", SIZES)
@pytest.mark.parametrize("name", PERTURBATIONS)
def test_length_and_shape(photo: Photo, name: str, scale: str) -> None:
    lengths = {
        "translate": {"imagenet": 41, "inception": 41, "imagenet64": 31, "cifar": 16},
        "motion_blur": {"imagenet": 31, "inception": 31, "imagenet64": 31, "cifar": 21},
    }
    frames = sequence(photo(*SIZES[scale]), name, scale)
    assert len(frames) == lengths.get(name, {}).get(scale, 31) == PERTURBATIONS[name].frames[scale]
    assert {(f.shape, f.dtype) for f in frames} == {((SCALES[scale], SCALES[scale], 3), np.dtype(np.uint8))}


@pytest.mark.parametrize("scale", SIZES)
@pytest.mark.parametrize("name", WITH_CLEAN_FRAME)
def test_which_frame_is_clean(photo: Photo, name: str, scale: str) -> None:
    frame = photo(*SIZES[scale])
    where = WITH_CLEAN_FRAME[name]
    clean = where if isinstance(where, int) else where[scale]
    same = [i for i, f in enumerate(sequence(frame, name, scale)) if (f == shown(frame, scale)).all()]
    assert same == [clean]


@pytest.mark.parametrize("name", WITHOUT)
def test_which_sequences_have_no_clean_frame(photo: Photo, name: str) -> None:
    frame = photo(256, 300)
    assert not any((f == shown(frame, "imagenet")).all() for f in sequence(frame, name))


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("scale", ["imagenet", "cifar"])
def test_gaussian_noise_has_its_law(scale: str, level: int) -> None:
    """Every frame but the first is an independent draw over the clean one, truncated."""
    sigma = {"imagenet": [0.03, 0.05, 0.08], "cifar": [0.02, 0.04, 0.06]}[scale][level - 1]
    frames = np.array(sequence(np.full((*SIZES[scale], 3), 120, np.uint8), "gaussian_noise", scale, level), float)[1:]
    noise = frames - 120 + 0.5
    count = noise.size
    assert noise.mean() == pytest.approx(0, abs=4.5 * 255 * sigma / np.sqrt(count))
    assert noise.std() == pytest.approx(np.hypot(255 * sigma, 1 / np.sqrt(12)), rel=4.5 / np.sqrt(2 * count))
    neighbours = np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]
    assert abs(neighbours) < 4.5 / np.sqrt(count)


def test_gaussian_noise_is_truncated_and_clipped() -> None:
    black, white = (
        np.array(sequence(np.full((32, 32, 3), v, np.uint8), "gaussian_noise", level=3))[1:] for v in (0, 255)
    )
    assert (black == 0).mean() == pytest.approx(0.5 + 0.026, abs=0.01)  # all below 1/255 is 0: sigma is 15 levels
    assert (white == 255).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_shot_noise_counts_photons(level: int) -> None:
    photons = [300, 120, 60][level - 1]
    frames = np.array(sequence(np.full((256, 256, 3), 100, np.uint8), "shot_noise", level=level))[1:]
    assert set(np.unique(frames)) <= set((np.arange(4 * photons) / photons * 255).clip(0, 255).astype(int).tolist())
    assert (frames / 255).var() == pytest.approx(100 / 255 / photons, rel=0.02)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_speckle_noise_grows_with_the_value(level: int) -> None:
    sigma = [0.05, 0.10, 0.15][level - 1]
    dark, light = (
        np.array(sequence(np.full((256, 256, 3), v, np.uint8), "speckle_noise", level=level))[1:] for v in (50, 120)
    )
    assert light.std() == pytest.approx(120 * sigma, rel=0.02)
    assert dark.std() == pytest.approx(np.hypot(50 * sigma, 1 / np.sqrt(12)), rel=0.02)


@pytest.mark.parametrize(
    ("scale", "radius", "sigma", "angles"),
    [
        ("imagenet", 10, 3, range(-120, 1, 4)),
        ("inception", 13, 3, range(-120, 1, 4)),
        ("cifar", 6, 1.8, range(-180, 1, 9)),
    ],
)
def test_motion_blur_turns(photo: Photo, scale: str, radius: float, sigma: float, angles: range) -> None:
    frame = photo(*SIZES[scale])
    clean = np.ascontiguousarray(shown(frame, scale))
    for got, angle in zip(sequence(frame, "motion_blur", scale), angles, strict=True):
        np.testing.assert_array_equal(got, motion_blur(clean, radius, sigma, angle))


def test_motion_blur_at_64_acts_before_the_resize(photo: Photo) -> None:
    frame = photo(180, 180)
    for got, angle in zip(sequence(frame, "motion_blur", "imagenet64"), range(-150, 1, 5), strict=True):
        blurred = Image.fromarray(motion_blur(frame, 14, 3, angle))
        np.testing.assert_array_equal(got, np.asarray(blurred.resize((64, 64), Image.Resampling.BILINEAR)))
    wide = photo(90, 180)
    assert sequence(wide, "motion_blur", "imagenet64")[0].shape == (64, 64, 3)


@pytest.mark.parametrize("scale", ["imagenet", "cifar"])
def test_zoom_blur_is_a_running_mean(photo: Photo, scale: str) -> None:
    frame = photo(*SIZES[scale])
    total = np.float32(0)
    for i, got in enumerate(sequence(frame, "zoom_blur", scale)):
        total = total + shown(pillow_affine(frame, factor=1 + 0.004 * i), scale).astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(got, (total / np.float32(i + 1) * np.float32(255)).astype(np.uint8), str(i))


def test_zoom_blur_at_299_knows_no_surroundings(photo: Photo) -> None:
    """zoom_blur and scale act on the cropped image there, so what lies outside the crop cannot matter."""
    frame = photo(320, 400)
    framed = frame.copy()
    framed[:19] = framed[:, :24] = 255
    for name in ("zoom_blur", "scale"):
        np.testing.assert_array_equal(sequence(frame, name, "inception"), sequence(framed, name, "inception"))
    assert (sequence(frame, "rotate", "inception")[0] != sequence(framed, "rotate", "inception")[0]).any()


def test_snow_is_one_field_and_its_half_turn() -> None:
    frames = sequence(np.zeros((256, 256, 3), np.uint8), "snow")
    ground = int(0.15 * 0.5 * 255)  # black is whitened to (1 - w) 0.5
    for frame in frames:
        assert frame.min() == ground
        np.testing.assert_array_equal(frame, frame[::-1, ::-1])
    flakes = [np.flatnonzero(frame[:, :, 0] > ground + 60) for frame in frames]
    shared = len(np.intersect1d(flakes[0], flakes[1])) / len(flakes[0])
    assert shared > 0.5  # the wind turns by four degrees, the flakes stay


@pytest.mark.parametrize(("scale", "step"), [("imagenet", 0.02), ("cifar", 0.015)])
def test_brightness_shifts_the_value(scale: str, step: float) -> None:
    grey = np.full((*SIZES[scale], 3), 100, np.uint8)
    got = [int(f[0, 0, 0]) for f in sequence(grey, "brightness", scale)]
    exact = [np.clip(100 / 255 + (i - 15) * step, 0, 1) * 255 for i in range(31)]
    assert all(abs(g - (e - 0.5)) <= 0.5 + 1e-6 for g, e in zip(got, exact, strict=True))


def test_brightness_passes_the_image_itself(photo: Photo) -> None:
    """There and back through HSV, truncated: a level is lost here and there."""
    frame = photo(256, 300)
    lost = shown(frame, "imagenet").astype(int) - sequence(frame, "brightness")[15]
    assert set(np.unique(lost)) <= {0, 1}


@pytest.mark.parametrize("scale", SIZES)
def test_translate_moves_whole_pixels_to_the_right(photo: Photo, scale: str) -> None:
    frame = photo(*SIZES[scale])
    still = WITH_CLEAN_FRAME["translate"][scale]
    for i, got in enumerate(sequence(frame, "translate", scale)):
        moved = np.zeros_like(frame)
        s = i - still
        moved[:, max(s, 0) : frame.shape[1] + min(s, 0)] = frame[:, max(-s, 0) : frame.shape[1] - max(s, 0)]
        np.testing.assert_array_equal(got, shown(moved, scale))


def test_translate_shows_black_only_beyond_the_margin() -> None:
    """Short side 256: sixteen pixels of surroundings on either side, then up to four columns of black."""
    narrow, wide = (sequence(np.full((256, w, 3), 200, np.uint8), "translate") for w in (256, 300))
    assert [int((f[0, :, 0] == 0).sum()) for f in narrow] == [4, 3, 2, 1] + [0] * 33 + [1, 2, 3, 4]
    assert not any((f == 0).any() for f in wide)


@pytest.mark.parametrize("scale", ["imagenet", "inception", "imagenet64", "cifar"])
@pytest.mark.parametrize("name", ["rotate", "shear"])
def test_rotate_and_shear_by_a_degree_a_frame(photo: Photo, name: str, scale: str) -> None:
    """On the whole frame first, the crop second."""
    frame = photo(*SIZES[scale])
    argument = {"rotate": "degrees", "shear": "shear"}[name]
    for i, got in enumerate(sequence(frame, name, scale)):
        np.testing.assert_array_equal(got, shown(pillow_affine(frame, **{argument: i - 15.0}), scale), str(i))


@pytest.mark.parametrize(
    ("scale", "factors"),
    [("imagenet", [(2.5 * i + 40) / 100 for i in range(31)]), ("cifar", [(2 * i + 70) / 100 for i in range(31)])],
)
def test_scale_grows(photo: Photo, scale: str, factors: list[float]) -> None:
    frame = photo(*SIZES[scale])
    for got, factor in zip(sequence(frame, "scale", scale), factors, strict=True):
        np.testing.assert_array_equal(got, shown(pillow_affine(frame, factor=factor), scale), str(factor))


def test_scale_starts_in_a_black_frame() -> None:
    first = sequence(np.full((256, 256, 3), 200, np.uint8), "scale")[0]
    assert (first[:, 112] > 0).any(axis=1).sum() == pytest.approx(0.4 * 256, abs=1)


@pytest.mark.parametrize(("scale", "step"), [("imagenet", 1.0), ("cifar", 0.75)])
def test_tilt_is_a_plane_seen_in_perspective(photo: Photo, scale: str, step: float) -> None:
    """Each output pixel's ray meets the rotated plane; interpolated in floating point, so a level or two of slack."""
    frame = photo(*SIZES[scale])
    frame = ndimage.gaussian_filter(frame, (2, 2, 0))
    height, width = frame.shape[:2]
    far = np.hypot(width, height)
    for i in (0, 7, 15, 22, 30):
        a = radians(step * (i - 15))
        y, x = np.mgrid[:height, :width] - np.array([height, width])[:, None, None] / 2
        # a point (p, q) of the plane at depth 1: about y, then about x, pushed away by the diagonal
        about_y = np.array([[cos(a), 0, -sin(a)], [0, 1, 0], [sin(a), 0, cos(a)]])
        about_x = np.array([[1, 0, 0], [0, cos(a), -sin(a)], [0, sin(a), cos(a)]])
        turn = about_x @ about_y
        to_screen = np.diag([far, far, 1.0]) @ (turn + np.array([[0, 0, 0], [0, 0, 0], [0, 0, far]]))
        p, q, r = np.tensordot(np.linalg.inv(to_screen), np.stack([x, y, np.ones_like(x)]), 1)
        where = [q / r + height / 2, p / r + width / 2]
        exact = np.stack([ndimage.map_coordinates(frame[:, :, c].astype(float), where, order=1) for c in range(3)], 2)
        inside = shown(ndimage.map_coordinates(np.ones((height, width)), where, order=1) > 0.999, scale)
        got = sequence(frame, "tilt", scale)[i].astype(float)
        assert np.abs(got - shown(exact, scale))[inside].max() < 2.5


def test_tilt_leaves_no_frame_quite_alone(photo: Photo) -> None:
    """The plane lies one unit behind the turning point: at 0 degrees it is f / (f + 1) as large."""
    frame = photo(256, 300)
    middle = sequence(frame, "tilt")[15].astype(int)
    assert 0 < np.abs(middle - shown(frame, "imagenet")).mean() < 5


@pytest.mark.parametrize(
    ("scale", "first", "growth", "truncate"),
    [
        ("imagenet", 0.25, 0.035, 6),
        ("inception", 0.35, 0.035, 6),
        ("imagenet64", 0.35, 0.014, 7),
        ("cifar", 0.3, 0.015, 7),
    ],
)
def test_gaussian_blur_widens(photo: Photo, scale: str, first: float, growth: float, truncate: float) -> None:
    frame = photo(*SIZES[scale])
    for i, got in enumerate(sequence(frame, "gaussian_blur", scale)):
        sigma = (first + growth * i, first + growth * i, 0)
        wanted = ndimage.gaussian_filter(shown(frame, scale) / 255.0, sigma, mode="nearest", truncate=truncate)
        np.testing.assert_array_equal(got, (wanted * 255).astype(np.uint8), str(i))


def test_spatter_runs_down() -> None:
    """Each frame looks most like the next one when that is lifted by about a pixel."""
    frames = [f[8:-8, :, 1].astype(float) for f in sequence(np.zeros((256, 256, 3), np.uint8), "spatter")]

    def fall(before: np.ndarray, after: np.ndarray) -> int:
        return max(range(-3, 4), key=lambda rows: float((before[4:-4] * np.roll(after, -rows, axis=0)[4:-4]).sum()))

    assert 0.5 < np.mean([fall(frames[i], frames[i + 1]) for i in range(10)]) < 2


def test_spatter_pales_to_turquoise() -> None:
    black = sequence(np.zeros((256, 256, 3), np.uint8), "spatter")[0].astype(float)
    lit = black[black[:, :, 1] > 60]
    assert lit[:, 0] / lit[:, 1] == pytest.approx(175 / 238, abs=0.03)
    assert (np.abs(lit[:, 1] - lit[:, 2]) <= 1).all()
