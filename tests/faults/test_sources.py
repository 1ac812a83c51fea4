"""Sources with everything that people's folders hold: odd names, broken files, bombs, links, and images that change."""

import os
import struct
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest
from PIL import Image

from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.generation.repair import verify_set
from stormbench.benchmarks.suites.corruptions import CorruptionSuite
from stormbench.datasets import Geometry, open_images
from stormbench.datasets.readers.arrays import ArrayImages
from stormbench.errors import BrokenImageError, DataError, SettingsChangedError

Start = Callable[..., "subprocess.Popen[str]"]
BytesOf = Callable[[Path], dict[str, bytes]]
SMALL = CorruptionSuite("small-c", "", "cifar", Geometry(40, 32), 85, None, ("contrast",), (1, 3))
RECIPE = ("--suite", "imagenet64-c", "--corruptions", "contrast", "--severities", "1", "--workers", "0")


def ended(run: "subprocess.Popen[str]") -> tuple[int, str]:
    said, messages = run.communicate()
    assert "Traceback" not in messages, messages
    return run.returncode, said + messages


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 40 gigapixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def test_odd_names_live_through_everything(start: Start, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "-out"
    assert ended(start("generate", *RECIPE, "--", photos.name, out.name))[0] == 0
    assert {path.name for path in (out / "contrast/1").rglob("*.png")} == {path.name for path in photos.rglob("*.png")}
    assert ended(start("verify", "--workers", "0", "--", out.name))[0] == 0
    for path in (out / "contrast/1").rglob("*.png"):
        path.unlink()
    code, said = ended(start("verify", "--workers", "0", "--", out.name))
    assert (code, said.count("missing  ")) == (1, 7)
    assert ended(start("verify", "--repair", "--workers", "0", "--", out.name))[0] == 0


def test_broken_files_are_named(start: Start, photos: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "teal").save(photos / "class b/cut.jpg")
    content = (photos / "class b/cut.jpg").read_bytes()
    (photos / "class b/cut.jpg").write_bytes(content[: len(content) // 2])
    (photos / "class b/empty.png").touch()
    (photos / "class b/bomb.png").write_bytes(bomb())
    code, said = ended(start("generate", *RECIPE, "--", photos.name, "out"))
    assert code == 1
    for name in ("cut.jpg", "empty.png", "bomb.png", "3 of 10 images cannot be decoded", "exceeds limit"):
        assert name in said
    assert ended(start("generate", "--skip-broken", *RECIPE, "--", photos.name, "out"))[0] == 0
    assert len(list((tmp_path / "out/contrast").rglob("*.png"))) == 7


def test_a_link_out_of_the_source_is_read_and_nothing_more(photos: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.png"
    Image.new("RGB", (64, 64), "navy").save(elsewhere)
    before = elsewhere.read_bytes()
    (photos / "class b/link.png").symlink_to(elsewhere)
    generate(photos, tmp_path / "out", SMALL)
    written = tmp_path / "out/contrast/1/class b/link.png"
    assert written.is_file()
    assert not written.is_symlink()
    assert elsewhere.read_bytes() == before


def test_a_link_out_of_the_target_is_not_followed(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/contrast").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is a link"):
        generate(photos, tmp_path / "out", SMALL)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_image_replaced_between_runs(photos: Path, tmp_path: Path, bytes_of: BytesOf) -> None:
    """Another image under the same name, with the same times, is not mixed in."""
    generate(photos, tmp_path / "out", SMALL)
    before = bytes_of(tmp_path / "out")
    victim = photos / "class b/plain.png"
    times = victim.stat()
    Image.open(victim).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(victim)
    os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(SettingsChangedError, match="fingerprint"):
        generate(photos, tmp_path / "out", SMALL)
    assert bytes_of(tmp_path / "out") == before
    assert verify_set(tmp_path / "out").sound


def test_an_image_that_breaks_while_others_are_made(tmp_path: Path, bytes_of: BytesOf) -> None:
    """It is named; everything but its shard is done, and the same call continues when it is there again."""
    generate("digits", tmp_path / "whole", SMALL, limit=100)
    images = open_images("digits").subset(range(100))
    breaking = Breaking(*(getattr(images, part.name) for part in fields(images)))
    with pytest.raises(BrokenImageError, match=r"image 40 .*are done and kept"):
        generate(breaking, tmp_path / "out", SMALL)
    assert len(list((tmp_path / "out/.unfinished").glob("shard-*"))) == 3
    generate(images, tmp_path / "out", SMALL)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


@dataclass(frozen=True)
class Breaking(ArrayImages):
    """Images of which one cannot be read after it has been looked at once."""

    looked: list[int] = field(default_factory=list)

    def read(self, index: int) -> Image.Image:
        if index == 40 and self.looked:
            raise BrokenImageError("image 40 has gone")
        self.looked.extend([40] if index == 40 else [])
        return super().read(index)
