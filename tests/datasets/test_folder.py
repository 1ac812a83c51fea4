"""Trees of images as people really have them: with hidden files, links, odd modes and broken files."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stormbench.datasets import open_images
from stormbench.datasets.images import decode_image, digest_of
from stormbench.errors import BrokenImageError, DataError


def save(path: Path, image: Image.Image | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.effect_noise((24, 20), 60).convert("RGB")).save(path, **options)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "val"
    for name in ("cat/b.JPEG", "cat/a.png", "cat/kittens/c.jpg", "dog/Z.PNG", "dog/a.webp"):
        save(root / name)
    (root / "cat/notes.txt").write_text("not an image")
    (root / "cat/.hidden.png").write_bytes(b"")
    (root / ".git").mkdir()
    (root / "README.md").write_text("not a class")
    return root


def test_order_and_labels(tree: Path) -> None:
    images = open_images(tree)
    assert images.name == "val"
    assert images.classes == ("cat", "dog")
    assert list(images.keys) == ["cat/a.png", "cat/b.JPEG", "cat/kittens/c.jpg", "dog/Z.PNG", "dog/a.webp"]
    assert images.labels.tolist() == [0, 0, 0, 1, 1]
    assert images.labels.dtype == np.int64


def test_order_is_that_of_torchvision(tree: Path) -> None:
    from stormbench.torchvision_guard import import_torchvision

    (tree / "cat/.hidden.png").unlink()
    (tree / ".git").rmdir()
    samples = import_torchvision().datasets.ImageFolder(tree).samples
    images = open_images(tree)
    assert [(str(tree / key), label) for key, label in zip(images.keys, images.labels, strict=True)] == samples


def test_reading(tree: Path) -> None:
    images = open_images(str(tree))
    pixels = images.read(0)
    assert pixels.mode == "RGB"
    assert pixels.size == (24, 20)
    assert images.digest(0) == digest_of((tree / "cat/a.png").read_bytes())


def test_subset_keeps_identity_and_survives_pickling(tree: Path) -> None:
    part = pickle.loads(pickle.dumps(open_images(tree).subset([4, 1])))
    assert list(part.keys) == ["dog/a.webp", "cat/b.JPEG"]
    assert part.labels.tolist() == [1, 0]
    assert part.classes == ("cat", "dog")
    assert part.read(1).size == (24, 20)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb_as_torchvision_does_it(tree: Path, mode: str) -> None:
    suffix = "jpg" if mode in ("CMYK", "YCbCr") else "png"
    path = save(tree / f"ant/x.{suffix}", Image.effect_noise((24, 20), 60).convert("RGB").convert(mode))
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(open_images(tree).read(0)), expected)


def test_palette_with_transparency_gives_no_warning(tree: Path) -> None:
    palette = Image.effect_noise((24, 20), 60).convert("RGB").quantize(16)
    save(tree / "ant/x.png", palette, transparency=bytes(range(16)))
    assert open_images(tree).read(0).mode == "RGB"


def test_exif_orientation_is_ignored(tree: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tree / "ant/x.jpg", exif=exif)
    assert open_images(tree).read(0).size == (24, 20)


def png() -> bytes:
    whole = io.BytesIO()
    Image.effect_noise((24, 20), 60).save(whole, format="PNG")
    return whole.getvalue()


BROKEN = {
    "empty.jpg": (b"", "empty"),
    "text.jpg": (b"this is a text, not an image\n", "no image of a known format"),
    "cut.png": (png()[:90], "trunc"),
    "damaged.png": (png()[:45] + bytes(8) + png()[53:], "damaged"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named(tree: Path, name: str) -> None:
    content, reason = BROKEN[name]
    path = tree / "ant" / name
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(BrokenImageError, match=reason) as caught:
        open_images(tree).read(0)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM"])
def test_damaged_bytes_raise_nothing_else(kind: str) -> None:
    """Whatever decoders stumble over, it ends in one kind of error, and no warning leaks."""
    buffer, rng = io.BytesIO(), np.random.default_rng(0)
    Image.effect_noise((40, 30), 60).convert("RGB").save(buffer, kind)
    for _ in range(60):
        content = np.frombuffer(buffer.getvalue(), np.uint8).copy()
        content[rng.integers(0, rng.choice([60, len(content)]), 4)] = rng.integers(0, 256, 4)
        try:
            assert decode_image(content.tobytes()).mode == "RGB"
        except ValueError as error:
            assert str(error) and "\n" not in str(error)  # noqa: PT017, PT018 - it need not fail


def test_truncated_jpeg_is_broken(tree: Path) -> None:
    path = save(tree / "ant/x.jpg", Image.effect_noise((200, 200), 60))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(BrokenImageError, match=r"x\.jpg.*truncated"):
        open_images(tree).read(0)


def test_deep_images_are_refused(tree: Path) -> None:
    save(tree / "ant/x.png", Image.fromarray(np.full((20, 20), 40000, np.uint16)))
    with pytest.raises(BrokenImageError, match="8 bits"):
        open_images(tree).read(0)


@pytest.mark.parametrize("limit", [300, 100])  # Pillow warns above the limit, and raises above twice the limit
def test_decompression_bombs_are_broken(tree: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    images = open_images(tree)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(BrokenImageError, match=r"a\.png"):
        images.read(0)


def test_missing_file_is_broken(tree: Path) -> None:
    images = open_images(tree)
    (tree / "cat/a.png").unlink()
    for look in (images.read, images.digest):
        with pytest.raises(BrokenImageError, match=r"a\.png cannot be read: No such file"):
            look(0)


def test_links_are_followed(tree: Path, tmp_path: Path) -> None:
    elsewhere = save(tmp_path / "store/1.png")
    (tree / "ant").mkdir()
    (tree / "ant/link.png").symlink_to(elsewhere)
    (tree / "bee").symlink_to(elsewhere.parent)
    (tree / "dog/gone.png").symlink_to(tmp_path / "nowhere.png")
    images = open_images(tree)
    assert list(images.keys[:2]) == ["ant/link.png", "bee/1.png"]
    assert images.read(0).size == (24, 20)
    with pytest.raises(BrokenImageError, match=r"gone\.png"):
        images.read(images.keys.index("dog/gone.png"))


def test_circles_are_refused(tree: Path) -> None:
    (tree / "cat/again").symlink_to(tree / "cat")
    with pytest.raises(DataError, match="again"):
        open_images(tree)


def test_empty_class_is_named(tree: Path) -> None:
    (tree / "eel").mkdir()
    with pytest.raises(DataError, match=r"1 of 3 class folders .*\(eel\)"):
        open_images(tree)


def test_images_without_class_folders(tmp_path: Path) -> None:
    save(tmp_path / "x.png")
    with pytest.raises(DataError, match="no sub-folders"):
        open_images(tmp_path)


def test_names_that_are_no_text(tree: Path) -> None:
    try:
        os.link(tree / "cat/a.png", os.fsencode(tree) + b"/cat/\xff.png")
    except OSError:
        pytest.skip("this file system takes only names that are text")
    images = open_images(tree)
    assert images.read(images.labels.tolist().index(1) - 2).size == (24, 20)
