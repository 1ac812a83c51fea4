"""The contact sheet, as a function and as a subcommand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from stormbench.cli import app
from stormbench.corruptions.contact_sheet import GAP, HEADER, LABEL, MARGIN, contact_sheet

Photo = Callable[[int, int], np.ndarray]


def test_first_tile_of_a_row_is_the_image_itself(photo: Photo) -> None:
    image = photo(48, 32)
    sheet = contact_sheet(image, ["fog", "contrast"], tile=48, blocks=1)
    top, left = MARGIN + HEADER, MARGIN + LABEL
    np.testing.assert_array_equal(sheet[top : top + 48, left : left + 32], image)
    assert sheet.shape == (2 * MARGIN + HEADER + 2 * (48 + GAP), 2 * MARGIN + LABEL + 6 * (32 + GAP), 3)


def test_same_seed_same_sheet(photo: Photo) -> None:
    image = photo(32, 32)
    np.testing.assert_array_equal(contact_sheet(image, ["snow"], seed=3), contact_sheet(image, ["snow"], seed=3))
    assert (contact_sheet(image, ["snow"], seed=3) != contact_sheet(image, ["snow"], seed=4)).any()


def test_show_writes_the_sheet(photo: Photo, tmp_path: Path) -> None:
    Image.fromarray(photo(60, 90)).save(tmp_path / "cat.png")
    run = CliRunner().invoke(
        app, ["show", str(tmp_path / "cat.png"), "-o", str(tmp_path / "sheet.png"), "--size", "32"]
    )
    assert run.exit_code == 0, run.output
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 1000
    refused = CliRunner().invoke(app, ["show", str(tmp_path / "cat.png"), "-o", str(tmp_path / "sheet.xyz")])
    assert "names no image format" in str(refused.exception)
