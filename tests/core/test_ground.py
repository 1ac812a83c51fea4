import errno
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import stormbench
from stormbench.errors import DataError, InputError, StormbenchError, UnknownNameError
from stormbench.files import atomic_write
from stormbench.randomness import stream
from stormbench.registry import Registry


@dataclass(frozen=True)
class Row:
    name: str


ROWS = Registry("storm", [Row("fog"), Row("snow"), Row("hail")])


def test_public_names() -> None:
    assert stormbench.__all__ == sorted(stormbench.__all__)
    assert all(hasattr(stormbench, name) for name in stormbench.__all__)


def test_a_registry_is_an_ordered_mapping() -> None:
    assert list(ROWS) == ["fog", "snow", "hail"]
    assert "fog" in ROWS
    assert "rain" not in ROWS
    assert ROWS.get("rain") is None
    assert [] not in ROWS


def test_an_unknown_name_is_answered_with_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no storm named 'snwo'; did you mean snow\?") as caught:
        ROWS["snwo"]
    assert isinstance(caught.value, StormbenchError)
    assert isinstance(caught.value, KeyError)
    with pytest.raises(UnknownNameError, match="there are fog, hail, snow"):
        ROWS["zzz"]


@pytest.mark.parametrize("error", [UnknownNameError("storm", "snwo", ROWS), InputError("no"), DataError("no")])
def test_errors_travel_between_processes(error: StormbenchError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), str(error))


def test_a_name_can_be_taken_once() -> None:
    with pytest.raises(ValueError, match="'fog'"):
        Registry("storm", [Row("fog"), Row("fog")])


def test_streams_are_the_same_on_every_machine_and_release() -> None:
    """Pinned: when this moves, every random pixel of every data set moves with it."""
    raw = stream(0, "fog", 3, "n01440764/ILSVRC2012_val_00000293.JPEG").bit_generator.random_raw(3)
    assert raw.tolist() == [6385075364616313248, 452409779286751585, 4488079914714756966]


def test_streams_differ_in_every_argument() -> None:
    arguments = [(0, "fog", 3, "7"), (1, "fog", 3, "7"), (0, "snow", 3, "7"), (0, "fog", 4, "7"), (0, "fog", 3, "8")]
    assert len({stream(*each).random() for each in arguments}) == len(arguments)


def test_streams_of_neighbours_are_not_correlated() -> None:
    fields = np.stack([stream(0, "fog", 1, str(index)).standard_normal(2000) for index in range(40)])
    correlations = np.corrcoef(fields)[np.triu_indices(40, k=1)]
    assert abs(correlations).max() < 5 / np.sqrt(2000)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file.bin"
    atomic_write(path, b"first")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(path, b"second", durable=True)
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]
