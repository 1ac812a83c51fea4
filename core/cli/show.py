"""``stormbench show``: the contact sheet, or one perturbation sequence."""

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
    suite: Annotated[
        str | None, typer.Option(help="The corruptions of this suite; the 19 of ImageNet-C if not given.")
    ] = None,
    perturbation: Annotated[str | None, typer.Option(help="Instead: this sequence, as .gif, .mp4 or a strip.")] = None,
    level: Annotated[int, typer.Option(help="Of a noise sequence: 1, 2 or 3.")] = 1,
) -> None:
    """Draws the corruptions of a suite at every severity on one sheet, or shows one perturbation sequence."""
    from PIL import Image

    from stormbench.corruptions.contact_sheet import contact_sheet
    from stormbench.datasets.geometry import Geometry
    from stormbench.datasets.images import read_image
    from stormbench.errors import InputError

    if not output.parent.is_dir():
        raise InputError(f"there is no folder {output.parent}; make it first")
    if perturbation is not None:
        frames = _save_sequence(photo, output, perturbation, scale, level, seed)
        typer.echo(f"wrote {output}: {perturbation} in {frames} frames, on {photo.name}")
        return
    if output.suffix.lower() not in Image.registered_extensions():
        raise InputError(f"{output} names no image format; end it with .png, .jpg, .webp, ...")
    names, scale = _of_suite(suite, scale)
    sheet = contact_sheet(Geometry(size, size)(read_image(photo)), names, scale=scale, seed=seed)
    Image.fromarray(sheet).save(output)
    typer.echo(f"wrote {output}: {len(names)} corruptions at every severity, on {photo.name} at {size} x {size}")


def _of_suite(suite: str | None, scale: str) -> tuple[tuple[str, ...], str]:
    """Its corruptions, and its scale unless the user named one."""
    from stormbench.benchmarks.suites.corruptions import CORRUPTION_SUITES
    from stormbench.corruptions import IMAGENET_C
    from stormbench.registry import Registry

    if suite is None:
        return IMAGENET_C, scale
    found = Registry("suite of corruptions", CORRUPTION_SUITES)[suite]
    return found.corruptions, found.scale if scale == "auto" else scale


def _save_sequence(photo: Path, output: Path, name: str, scale: str, level: int, seed: int) -> int:
    from stormbench.corruptions.perturbations import perturb
    from stormbench.corruptions.perturbations.film import save_film
    from stormbench.datasets.geometry import Geometry
    from stormbench.datasets.images import read_image
    from stormbench.randomness import stream

    resize = {"auto": 256, "imagenet": 256, "cifar": 32}  # the others resize after they have perturbed
    scale, short_side = ("imagenet" if scale == "auto" else scale), resize.get(scale)
    frame = Geometry(short_side)(read_image(photo))
    frames = list(perturb(frame, name, scale=scale, level=level, rng=stream(seed, name, level, "show")))
    save_film(frames, output, title=name.replace("_", " "))
    return len(frames)
