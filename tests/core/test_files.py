"""Files are written whole, also by two at the same time, and through no link that somebody has planted."""

import hashlib
import os
from pathlib import Path

import pytest

from stormbench.files import atomic_write, new_whole, read_regular


def temporary_of(path: Path) -> Path:
    """The usual temporary name."""
    return path.with_name(f".{hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()}.tmp")


def test_two_writers_of_one_path_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with new_whole(path) as first:
        first.write(b"A" * 5)
        first.flush()
        with new_whole(path) as second:
            second.write(b"B" * 9)
        assert path.read_bytes() == b"B" * 9
        first.write(b"A" * 5)
    assert path.read_bytes() == b"A" * 10
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    temporary_of(path).write_bytes(b"half a file that is longer than the next")
    atomic_write(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("planted", ["symlink", "hard link", "fifo", "folder", "dangling"])
def test_a_planted_temporary_name_leads_nowhere(tmp_path: Path, planted: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / "out" / "result.json"
    victim.write_bytes(b"precious")
    path.parent.mkdir()
    place = temporary_of(path)
    match planted:
        case "symlink":
            place.symlink_to(victim)
        case "dangling":
            place.symlink_to(tmp_path / "created")
        case "hard link":
            place.hardlink_to(victim)
        case "fifo":
            os.mkfifo(place)
        case _:
            place.mkdir()
    atomic_write(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "created").exists()


def test_a_link_under_the_name_itself_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "result.json").symlink_to(tmp_path / "victim")
    atomic_write(tmp_path / "result.json", b"whole")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "result.json").is_symlink()


def test_bounded_reads_say_what_is_wrong(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(11))
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path / "pipe", 10)
    with pytest.raises(OSError, match="11 bytes, more than 10"):
        read_regular(tmp_path / "large", 10)
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path, 10)
    assert read_regular(tmp_path / "large", 11) == bytes(11)
