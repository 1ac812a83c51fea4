"""Our own stream follows the reference's laws: the tables exactly, the rest by comparing samples."""

from collections.abc import Callable

import corruptions_plain
import numpy as np
import pytest
import skimage.data
from scipy import stats

from stormbench.corruptions import C_BAR, CORRUPTIONS, IMAGENET_C, SCALES, corrupt, noise
from stormbench.corruptions.draws import Draws
from stormbench.corruptions.kernels.alias import alias_tables, law_of
from stormbench.randomness import stream

LEVELS = np.arange(256.0)
SURE = 1e-5
"""P-values below it fail: the streams are fixed, so a test that passes once passes always."""


def rows(name: str) -> list[dict[str, float]]:
    tables = CORRUPTIONS[name].severities
    return [dict(row) for row in {tuple(row.items()): row for scale in SCALES for row in tables[scale]}.values()]


def exact_normal(centre: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """P(trunc(clip(N(centre, sigma**2), 0, 255)) = b) for b = 0 .. 255, by the upper tail where it is the smaller."""
    law = stats.norm(centre[:, np.newaxis], sigma[:, np.newaxis])
    edges = np.arange(1.0, 256.0)
    upper, lower = law.sf(edges), law.cdf(edges)
    inner = np.where(edges[:-1] > centre[:, np.newaxis], upper[:, :-1] - upper[:, 1:], lower[:, 1:] - lower[:, :-1])
    return np.hstack([lower[:, :1], inner, upper[:, -1:]])


@pytest.mark.parametrize("row", rows("gaussian_noise"), ids=str)
def test_gaussian_table_is_exact_for_every_grey_level(row: dict[str, float]) -> None:
    shifts = law_of(noise._shift_table(**row))
    wanted = exact_normal(LEVELS, np.full(256, 255 * row["sigma"]))
    for level in range(256):
        outcomes = np.clip(level + np.arange(512) - 255, 0, 255)
        np.testing.assert_allclose(np.bincount(outcomes, shifts, 256), wanted[level], rtol=0, atol=1e-9)


@pytest.mark.parametrize("row", rows("speckle_noise"), ids=str)
def test_speckle_tables_are_exact_for_every_grey_level(row: dict[str, float]) -> None:
    tables = noise._speckle_tables(**row)
    wanted = exact_normal(LEVELS[1:], LEVELS[1:] * row["sigma"])
    np.testing.assert_allclose([law_of(table) for table in tables[1:]], wanted, rtol=0, atol=1e-9)
    assert law_of(tables[0])[0] == 1


@pytest.mark.parametrize("row", rows("shot_noise"), ids=str)
def test_shot_tables_are_exact_for_every_grey_level(row: dict[str, float]) -> None:
    photons = row["photons"]
    counts = np.arange(int(photons) * 3 + 60)
    outcomes = (np.clip(counts / photons, 0, 1) * 255).astype(np.uint8)
    for level, table in enumerate(noise._shot_tables(photons)):
        wanted = np.bincount(outcomes, stats.poisson.pmf(counts, level / 255 * photons), 256)
        np.testing.assert_allclose(law_of(table), wanted, rtol=0, atol=1e-9)


def test_tables_hold_any_law_to_a_unit() -> None:
    rng = np.random.default_rng(0)
    laws = np.vstack([rng.dirichlet(np.full(256, 0.05), 20), np.eye(256)[[0, 100, 255]], np.full((1, 256), 1 / 256)])
    for law, table in zip(laws, alias_tables(laws), strict=True):
        np.testing.assert_allclose(law_of(table), law, rtol=0, atol=2.0**-32)


@pytest.mark.parametrize("fraction", [0.01, 0.27])
def test_impulses_are_half_black_half_white(fraction: float) -> None:
    image = np.full((500, 500, 3), 100, np.uint8)
    out = noise.impulse_noise(image, Draws(stream(0, "impulse", 1, "x")), fraction=fraction)
    counts = np.bincount(out.ravel(), minlength=256)[[0, 255, 100]]
    assert counts.sum() == image.size
    assert stats.chisquare(counts, image.size * np.array([fraction / 2, fraction / 2, 1 - fraction])).pvalue > SURE


def test_normal_numbers() -> None:
    draws = Draws(stream(0, "normal", 1, "x"))
    numbers = draws.normal(0.0, 1.0, (2_000_000,))
    assert stats.kstest(numbers, "norm").pvalue > SURE
    moments = [(numbers**k).mean() for k in (1, 2, 3, 4, 6)]
    errors = np.sqrt(np.array([1, 2, 15, 96, 10170]) / numbers.size)
    assert (np.abs(np.array(moments) - [0, 1, 0, 3, 15]) < 5 * errors).all()
    for edge in (3.0, 3.6541528853610088, 4.0):  # where the layers end and the tail begins
        assert stats.binomtest(int((np.abs(numbers) > edge).sum()), numbers.size, 2 * stats.norm.sf(edge)).pvalue > SURE
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 5 / np.sqrt(numbers.size)


def test_uniform_numbers_and_choices() -> None:
    draws = Draws(stream(0, "uniform", 1, "x"))
    numbers = draws.uniform(-2.0, 3.0, (1000, 1000))
    assert stats.kstest(numbers.ravel(), stats.uniform(-2, 5).cdf).pvalue > SURE
    for reach in (1, 3, 5):
        pairs = np.bincount(draws.shifts(reach, 500_000), minlength=(2 * reach) ** 2)
        assert pairs.size == (2 * reach) ** 2
        assert stats.chisquare(pairs).pvalue > SURE
    assert stats.chisquare(np.bincount([draws.index(5) for _ in range(20_000)])).pvalue > SURE
    assert stats.kstest([draws.angle(-45, 45) for _ in range(20_000)], stats.uniform(-45, 90).cdf).pvalue > SURE


def test_a_twister_of_32_bits_serves_too() -> None:
    numbers = Draws(np.random.Generator(np.random.MT19937(0))).unit(200_000)
    assert stats.kstest(numbers, "uniform").pvalue > SURE


STOCHASTIC = [name for name in IMAGENET_C if CORRUPTIONS[name].stochastic]


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_residuals_on_photographs_follow_the_reference(name: str, severity: int) -> None:
    """One statistic of the residual (its mean, spread, a value) for each of many draws: the two samples agree."""
    row = CORRUPTIONS[name].severities["cifar"][severity - 1]
    for photo in (skimage.data.chelsea()[40:72, 60:92], skimage.data.coffee()[100:132, 200:232]):
        image = np.ascontiguousarray(photo)
        ours = [corrupt(image, name, severity, rng=stream(1, name, severity, str(i))) for i in range(300)]
        theirs = [getattr(corruptions_plain, name)(image, np.random.RandomState(i), **row) for i in range(300)]
        for statistic in (np.mean, np.std, lambda residual: residual[16, 9, 1]):
            samples = [[statistic(out.astype(float) - image) for out in outs] for outs in (ours, theirs)]
            assert stats.ks_2samp(*samples, method="asymp").pvalue > SURE


@pytest.mark.parametrize(
    ("scale", "name"),
    [(scale, name) for scale, names in C_BAR.items() for name in names if CORRUPTIONS[name].stochastic],
)
def test_c_bar_under_our_stream_follows_the_legacy_one(scale: str, name: str) -> None:
    """The legacy state gives the reference's own pixels: our stream must have the law of these."""
    image = np.ascontiguousarray(skimage.data.chelsea()[40:72, 60:92])
    ours = [corrupt(image, name, 3, scale=scale, rng=stream(1, name, 3, str(i))) for i in range(300)]
    theirs = [corrupt(image, name, 3, scale=scale, rng=np.random.RandomState(i)) for i in range(300)]
    for statistic in (np.mean, np.std, lambda residual: residual[16, 9, 1], lambda residual: residual[3, 28].sum()):
        samples = [[statistic(out.astype(float) - image) for out in outs] for outs in (ours, theirs)]
        assert stats.ks_2samp(*samples, method="asymp").pvalue > SURE


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"])
def test_noise_on_photographs_has_the_moments_and_the_law_of_the_reference(name: str, severity: int) -> None:
    row = CORRUPTIONS[name].severities["imagenet"][severity - 1]
    residuals = []
    for rng in (stream(2, name, severity, "x"), np.random.RandomState(2)):
        images = [np.ascontiguousarray(photo[:224, :224]) for photo in (skimage.data.chelsea(), skimage.data.coffee())]
        outs = [
            corrupt(i, name, severity, rng=rng)
            if isinstance(rng, np.random.Generator)
            else getattr(corruptions_plain, name)(i, rng, **row)
            for i in images
        ]
        residuals.append(
            np.concatenate([(out.astype(float) - image).ravel() for out, image in zip(outs, images, strict=True)])
        )
    ours, theirs = residuals
    for power in (1, 2, 3, 4):
        mine, yours = ours**power, theirs**power
        error = np.sqrt((mine.var() + yours.var()) / ours.size)
        assert abs(mine.mean() - yours.mean()) < 5 * error
    assert stats.ks_2samp(ours, theirs, method="asymp").pvalue > SURE


def test_streams_have_nothing_in_common(photo: Callable[[int, int], np.ndarray]) -> None:
    """Streams of different severities, corruptions and images have nothing in common."""
    image = photo(64, 64)
    outs = [
        corrupt(image, "gaussian_noise", 3, rng=stream(0, "gaussian_noise", s, k)).astype(float) - image
        for s in (1, 2)
        for k in "ab"
    ]
    correlations = np.corrcoef([out.ravel() for out in outs]) - np.eye(4)
    assert np.abs(correlations).max() < 5 / 64 / np.sqrt(3)  # independent fields: 1 / sqrt(n)
