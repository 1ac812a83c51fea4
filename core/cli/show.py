"""``stormbench show``: the contact sheet."""

from pathlib import Path
from typing import Annotated

import typer


def show(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Any image that Pillow reads.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the sheet goes; the ending names the format.")],
    size: Annotated[
        int, typer.Option(min=16, help="The photo is shrunk and cropped to a square of so many pixels.")
    ] = 224,
    scale: Annotated[str, typer.Option(help="Severities made for: imagenet, inception, imagenet64, cifar.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the random corruptions.")] = 0,
) -> None:
    """Draws every corruption at every severity on one sheet."""
    from PIL import Image

    from stormbench.corruptions.contact_sheet import contact_sheet
    from stormbench.datasets.geometry import Geometry
    from stormbench.datasets.images import read_image
    from stormbench.errors import InputError

    if output.suffix.lower() not in Image.registered_extensions():
        raise InputError(f"{output} names no image format; end it with .png, .jpg, .webp, ...")
    if not output.parent.is_dir():
        raise InputError(f"there is no folder {output.parent}; make it first")
    sheet = contact_sheet(Geometry(size, size)(read_image(photo)), scale=scale, seed=seed)
    Image.fromarray(sheet).save(output)
    typer.echo(f"wrote {output}: every corruption at every severity, on {photo.name} at {size} x {size}")
