"""Severities between the published ones, and compositions."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormbench.corruptions import CORRUPTIONS, Composition, Corrupt, corrupt
from stormbench.corruptions.severity import quantities_at
from stormbench.errors import InputError, UnknownNameError
from stormbench.randomness import stream

Photo = Callable[[int, int], np.ndarray]


def at(image: np.ndarray, name: str, severity: float) -> np.ndarray:
    return corrupt(image, name, severity, rng=np.random.RandomState(7))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_whole_numbers_are_the_columns_and_0_is_the_image(photo: Photo, name: str) -> None:
    image = photo(32, 40)
    for severity in (1, 4):
        np.testing.assert_array_equal(at(image, name, float(severity)), at(image, name, severity))
    nothing = at(image, name, 0)
    np.testing.assert_array_equal(nothing, image)
    assert not np.shares_memory(nothing, image)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_real_number_in_between_is_a_severity(photo: Photo, name: str) -> None:
    image = photo(32, 32)
    outs = [at(image, name, severity) for severity in (0.25, 1.5, 2.3, 3.5, 4.9)]
    assert all(out.shape == image.shape and out.dtype == np.uint8 for out in outs)


@pytest.mark.parametrize("name", ["brightness", "contrast", "gaussian_noise", "fog", "perlin_noise", "brownish_noise"])
def test_between_two_severities_lies_an_image_between(photo: Photo, name: str) -> None:
    """Under one state of the generator the distance from the image grows with the severity, fraction by fraction."""
    image = photo(224, 224)
    severities = np.arange(0, 3.01, 0.25)
    distances = [np.abs(at(image, name, float(s)).astype(int) - image).mean() for s in severities]
    assert (np.diff(distances) > 0).all()


def test_below_1_the_image_is_mixed_with_severity_1(photo: Photo) -> None:
    image, one = photo(64, 64), at(photo(64, 64), "frost", 1)
    np.testing.assert_array_equal(
        at(image, "frost", 0.25), np.rint(0.75 * image.astype(float) + 0.25 * one).astype(np.uint8)
    )


@given(severity=st.floats(1, 5), name=st.sampled_from(list(CORRUPTIONS)))
def test_quantities_lie_between_their_columns(severity: float, name: str) -> None:
    for columns in CORRUPTIONS[name].severities.values():
        lower, upper = columns[int(severity) - 1], columns[min(int(severity), 4)]
        for quantity, value in quantities_at(columns, severity).items():
            ends = sorted([lower[quantity], upper[quantity]])
            assert ends[0] <= value <= ends[1]
            assert type(value) is type(lower[quantity])


def test_spatter_changes_its_liquid_at_once() -> None:
    columns = CORRUPTIONS["spatter"].severities["imagenet"]
    assert [quantities_at(columns, s)["mud_sigma"] for s in (3, 3.4, 3.5, 4)] == [0, 0, 1.5, 1.5]
    assert [quantities_at(columns, s)["water_strength"] for s in (3, 3.4, 3.5, 4)] == [0.5, 0.5, 0, 0]
    assert quantities_at(columns, 3.4)["smoothing"] == pytest.approx(1.6)


def test_steps_have_the_streams_they_have_alone(photo: Photo) -> None:
    image = photo(64, 48)
    foggy = corrupt(image, "fog", 2, rng=stream(5, "fog", 2, "a.png"))
    wanted = corrupt(foggy, "shot_noise", 1.5, rng=stream(5, "shot_noise", 1.5, "a.png"))
    composition = Composition.parse("fog:2.0 + shot_noise:1.5")
    np.testing.assert_array_equal(composition.apply(image, seed=5, key="a.png"), wanted)
    np.testing.assert_array_equal(Corrupt("fog:2+shot_noise:1.5", seed=5)(image, key="a.png"), wanted)
    np.testing.assert_array_equal(Corrupt("fog", 2.0, seed=5)(image, key="a.png"), foggy)
    assert str(composition) == "fog:2+shot_noise:1.5"
    assert Composition.parse(str(composition)) == composition


def test_a_step_that_comes_twice_draws_anew(photo: Photo) -> None:
    image = photo(32, 32)
    twice = Composition.parse("impulse_noise:5+impulse_noise:5").apply(image, seed=0, key="x")
    once = Composition.parse("impulse_noise:5").apply(image, seed=0, key="x")
    assert (twice != once).mean() > 0.03


@pytest.mark.parametrize("spec", ["fog", "fog:", ":2", "", "fog:2+", "fog:two", "fog:2,snow:1"])
def test_what_is_no_composition_is_refused_by_name(spec: str) -> None:
    with pytest.raises(InputError, match="is no composition of corruptions; write name:severity"):
        Composition.parse(spec)


def test_its_parts_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="did you mean fog"):
        Composition.parse("fogg:2")
    for spec in ("fog:6", "fog:nan", "fog:-1"):
        with pytest.raises(InputError, match="severity must be a number from 0 to 5, got"):
            Composition.parse(spec)
    with pytest.raises(InputError, match="severity must be a number"):
        Corrupt("fog", 7)
