"""Sets that a stranger prepared: verify, repair and generate change nothing outside of them, and say what is wrong."""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.generation.repair import repair_set, verify_set
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.errors import StormbenchError

CELLS = {"corruptions": ["contrast"], "severities": [1]}
JPEG = SUITES["imagenet64-c"].narrowed(["contrast"], [1])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source") / "photos"
    for number in range(3):
        path = root / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (40 * number, 90, 120)).save(path)
    return root


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    root = tmp_path_factory.mktemp("sets")
    generate(source, root / "folders", JPEG)
    generate(source, root / "npy", JPEG, format="npy")
    generate(source, root / "webdataset", JPEG, format="webdataset")
    return root


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    """What belongs to the user: it lies beside the set, under the names that hostile sets aim at."""
    root = tmp_path / "neighbour"
    for name in ("precious.txt", "lock", "contrast.npy", "1/class0/0.png", "class0/0.png", "contrast-1.jsonl"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"precious")
    return root


def snapshot(root: Path) -> dict[str, tuple[bool, bytes]]:
    files = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(root).as_posix(): (path.is_symlink(), path.read_bytes()) for path in files}


def document(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    found = json.loads((root / "manifest.json").read_text())
    change(found)
    (root / "manifest.json").write_text(json.dumps(found))


def listed(root: Path, name: str, *entries: tuple[str, int, str]) -> None:
    """Adds entries to a list, and has the manifest agree."""
    path = root / "files" / f"{name}.jsonl"
    path.write_text(path.read_text() + "".join(f"{json.dumps(entry)}\n" for entry in entries))
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    document(root, lambda found: found["lists"].update({name: digest}))


def moved(path: Path, to: Path) -> None:
    """Puts a link in the place of a folder or file."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(to)


def a_cell_that_climbs(root: Path, neighbour: Path) -> None:
    document(root, lambda found: found["cells"].append(["../neighbour", 1]))


def a_cell_that_is_absolute(root: Path, neighbour: Path) -> None:
    document(root, lambda found: found.update(cells=[[str(neighbour), 1]]))


def a_list_that_climbs(root: Path, neighbour: Path) -> None:
    document(root, lambda found: found["lists"].update({"../../neighbour/contrast-1": "0" * 32}))


def an_entry_that_climbs(root: Path, neighbour: Path) -> None:
    listed(root, "contrast-1", ("contrast/1/../../../neighbour/precious.txt", 1, "0" * 32))


def an_entry_that_is_absolute(root: Path, neighbour: Path) -> None:
    listed(root, "contrast-1", (str(neighbour / "precious.txt"), 1, "0" * 32))


def an_entry_of_no_cell(root: Path, neighbour: Path) -> None:
    listed(root, "contrast-1", ("fog/1/class0/0.png", 1, "0" * 32))


def an_entry_spelt_otherwise(root: Path, neighbour: Path) -> None:
    listed(root, "contrast-1", ("contrast/01/class0/0.png", 1, "0" * 32))


def nested_brackets(root: Path, neighbour: Path) -> None:
    (root / "files/contrast-1.jsonl").write_text("[" * 100_000)
    digest = hashlib.blake2b(b"[" * 100_000, digest_size=16).hexdigest()
    document(root, lambda found: found["lists"].update({"contrast-1": digest}))


def a_linked_cell(root: Path, neighbour: Path) -> None:
    moved(root / "contrast/1", neighbour)


def a_linked_corruption(root: Path, neighbour: Path) -> None:
    moved(root / "contrast", neighbour)


def a_linked_class(root: Path, neighbour: Path) -> None:
    moved(root / "contrast/1/class0", neighbour / "class0")


def a_linked_class_and_no_list(root: Path, neighbour: Path) -> None:
    moved(root / "contrast/1/class0", neighbour / "class0")
    (root / "files/contrast-1.jsonl").unlink()


def linked_lists(root: Path, neighbour: Path) -> None:
    moved(root / "files", neighbour)


def a_linked_journal(root: Path, neighbour: Path) -> None:
    (root / ".unfinished").symlink_to(neighbour)


def a_linked_lock(root: Path, neighbour: Path) -> None:
    (root / ".unfinished").mkdir()
    (root / ".unfinished/lock").symlink_to(neighbour / "lock")
    (root / "contrast/1/class0/0.png").unlink()


def a_hard_linked_lock(root: Path, neighbour: Path) -> None:
    (root / ".unfinished").mkdir()
    (root / ".unfinished/lock").hardlink_to(neighbour / "lock")
    (root / "contrast/1/class0/0.png").unlink()


def a_linked_array_that_grows(root: Path, neighbour: Path) -> None:
    (root / "contrast.npy").unlink()
    (root / ".contrast.part").symlink_to(neighbour / "contrast.npy")


def a_hard_linked_array_that_grows(root: Path, neighbour: Path) -> None:
    (root / "contrast.npy").unlink()
    (root / ".contrast.part").hardlink_to(neighbour / "contrast.npy")


def a_linked_tar_folder(root: Path, neighbour: Path) -> None:
    moved(root / "contrast/1", neighbour)


def a_linked_list(root: Path, neighbour: Path) -> None:
    moved(root / "files/contrast-1.jsonl", neighbour / "contrast-1.jsonl")


HOSTILE: list[tuple[str, Callable[[Path, Path], None]]] = [
    *(
        ("folders", plant)
        for plant in (
            *(a_cell_that_climbs, a_cell_that_is_absolute, a_list_that_climbs, an_entry_that_climbs),
            *(an_entry_that_is_absolute, an_entry_of_no_cell, an_entry_spelt_otherwise, nested_brackets),
            *(a_linked_cell, a_linked_corruption, a_linked_class, a_linked_class_and_no_list, linked_lists),
            *(a_linked_journal, a_linked_lock, a_hard_linked_lock, a_linked_list),
        )
    ),
    ("npy", a_linked_array_that_grows),
    ("npy", a_hard_linked_array_that_grows),
    ("npy", a_cell_that_climbs),
    ("webdataset", a_linked_tar_folder),
]


def verify(root: Path, source: Path, layout: str) -> None:
    assert not verify_set(root).sound


def repair(root: Path, source: Path, layout: str) -> None:
    repair_set(root, verify_set(root), source=str(source))


def generate_again(root: Path, source: Path, layout: str) -> None:
    generate(source, root, JPEG, format=layout)


def generate_more(root: Path, source: Path, layout: str) -> None:
    generate(source, root, SUITES["imagenet64-c"].narrowed(["contrast"], [1, 2]), format=layout)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", [verify, repair, generate_again, generate_more], ids=lambda each: each.__name__)
@pytest.mark.parametrize(("layout", "plant"), HOSTILE, ids=lambda each: getattr(each, "__name__", each))
def test_nothing_outside_changes(
    tmp_path: Path,
    neighbour: Path,
    source: Path,
    sets: Path,
    layout: str,
    plant: Callable[[Path, Path], None],
    command: Callable[[Path, Path, str], None],
) -> None:
    shutil.copytree(sets / layout, tmp_path / "set")
    plant(tmp_path / "set", neighbour)
    before, photos = snapshot(neighbour), snapshot(source)
    with suppress(StormbenchError, OSError):  # some are sound but for what lies beside; which, is for other tests
        command(tmp_path / "set", source, layout)
    assert snapshot(neighbour) == before
    assert snapshot(source) == photos


def test_output_folders_with_links_below(tmp_path: Path, neighbour: Path, source: Path) -> None:
    """A folder that somebody prepared, and no set yet."""
    for place in ("contrast", "files", ".unfinished"):
        out = tmp_path / f"out-{place}"
        out.mkdir()
        (out / place).symlink_to(neighbour)
        before = snapshot(neighbour)
        with pytest.raises(StormbenchError, match="is a link"):
            generate(source, out, JPEG)
        assert snapshot(neighbour) == before
        assert [entry.name for entry in out.iterdir()] == [place]
