"""``stormbench train oat``, ``oats`` and ``pgd``: models that are trained to be robust."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stormbench.cli import options

if TYPE_CHECKING:
    from stormbench.defenses.training.distributed import Precision
    from stormbench.defenses.training.loop import Progress

PUBLISHED = "0,0.1,0.2,0.3,0.4,1"


class Encoding(StrEnum):
    """How lambda is told to the network."""

    orthogonal = "orthogonal"
    one_hot = "one-hot"
    dct = "dct"
    scalar = "scalar"


class PrecisionName(StrEnum):
    """Of the numbers that a training computes with."""

    full = "32-true"
    brain = "bf16-mixed"
    half = "16-mixed"


class Schedule(StrEnum):
    """How the learning rate falls."""

    cosine = "cosine"
    steps = "steps"


Data = Annotated[str, typer.Option(help="Training images, as for `stormbench score`.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder of the checkpoint.")]
Arch = Annotated[str, typer.Option(help="small, resnet18, resnet34, wrn-16-8 or wrn-40-2.")]
Channels = Annotated[int | None, typer.Option(min=1, help="Of the first convolution, instead of the architecture's.")]
Lambdas = Annotated[str, typer.Option(help="Trade-offs, 0 accurate to 1 robust.")]
EncodingOption = Annotated[Encoding, typer.Option(help="How lambda is told to the network.")]
SingleNorm = Annotated[bool, typer.Option("--single-batch-norm", help="The ablation: one batch norm for all lambdas.")]
Residual = Annotated[
    bool, typer.Option("--residual", help="FiLM scales by 1 + gamma: not as published; small networks train faster.")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Passes over the images; 20 for `small`, 200 for the rest.")]
BatchSize = Annotated[int, typer.Option(min=2, help="Images per step, in all processes.")]
Rate = Annotated[float, typer.Option(help="SGD's first learning rate.")]
ScheduleOption = Annotated[Schedule, typer.Option(help="How the rate falls.")]
Eps = Annotated[str, typer.Option(help="The attacker's radius in linf: 8/255.")]
Steps = Annotated[int, typer.Option(min=1, help="Of PGD.")]
ZeroShare = Annotated[float | None, typer.Option(help="Share of a batch with lambda 0; by default as all others.")]
NoAugmentation = Annotated[bool, typer.Option("--no-augmentation", help="Neither crops nor mirrors the images.")]
Side = Annotated[int | None, typer.Option(min=16, help="Resize the short side and crop the centre to this.")]
Devices = Annotated[int, typer.Option(min=1, help="How many, each with a process; needs stormbench[lightning].")]
PrecisionOption = Annotated[PrecisionName, typer.Option(help="Mixed ones need stormbench[lightning].")]


def oat(
    data: Data,
    out: Out,
    arch: Arch = "small",
    lambdas: Lambdas = PUBLISHED,
    encoding: EncodingOption = Encoding.orthogonal,
    single_batch_norm: SingleNorm = False,
    residual: Residual = False,
    channels: Channels = None,
    epochs: Epochs = None,
    batch_size: BatchSize = 128,
    rate: Rate = 0.1,
    schedule: ScheduleOption = Schedule.cosine,
    eps: Eps = "8/255",
    attack_steps: Steps = 7,
    zero_share: ZeroShare = None,
    no_augmentation: NoAugmentation = False,
    mean: options.Mean = None,
    std: options.Std = None,
    size: Side = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    device: options.Device = "cpu",
    devices: Devices = 1,
    precision: PrecisionOption = PrecisionName.full,
) -> None:
    """Trains one model for every trade-off (OAT); a second try continues an interrupted one."""
    network = {
        "lambdas": options.numbers(lambdas, "--lambdas"),
        "encoding": encoding.value,
        "dual": not single_batch_norm,
    }
    recipe = {"batch_size": batch_size, "rate": rate, "attack_steps": attack_steps, "zero_share": zero_share}
    _Command(data, out, arch, epochs, mean, std, size, limit, device, devices, precision.value).run(
        network | {"residual": residual, "channels": channels},
        recipe | {"schedule": schedule.value, "eps": eps, "augment": not no_augmentation, "seed": seed},
    )


def oats(
    data: Data,
    out: Out,
    arch: Arch = "small",
    lambdas: Lambdas = PUBLISHED,
    widths: Annotated[str, typer.Option(help="Shares of the channels; the last is 1.")] = "0.5,0.75,1",
    shared_batch_norm: Annotated[
        bool, typer.Option("--shared-batch-norm", help="The ablation: one batch norm, sliced, for all widths.")
    ] = False,
    encoding: EncodingOption = Encoding.orthogonal,
    single_batch_norm: SingleNorm = False,
    residual: Residual = False,
    channels: Channels = None,
    epochs: Epochs = None,
    batch_size: BatchSize = 128,
    rate: Rate = 0.1,
    schedule: ScheduleOption = Schedule.cosine,
    eps: Eps = "8/255",
    attack_steps: Steps = 7,
    zero_share: ZeroShare = None,
    no_augmentation: NoAugmentation = False,
    mean: options.Mean = None,
    std: options.Std = None,
    size: Side = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    device: options.Device = "cpu",
    devices: Devices = 1,
    precision: PrecisionOption = PrecisionName.full,
) -> None:
    """Trains one model for every trade-off and several widths (OATS)."""
    network = {
        "lambdas": options.numbers(lambdas, "--lambdas"),
        "encoding": encoding.value,
        "dual": not single_batch_norm,
    }
    slices = {"widths": options.numbers(widths, "--widths"), "switchable": not shared_batch_norm}
    recipe = {"batch_size": batch_size, "rate": rate, "attack_steps": attack_steps, "zero_share": zero_share}
    _Command(data, out, arch, epochs, mean, std, size, limit, device, devices, precision.value).run(
        network | slices | {"residual": residual, "channels": channels},
        recipe | {"schedule": schedule.value, "eps": eps, "augment": not no_augmentation, "seed": seed},
    )


def pgd(
    data: Data,
    out: Out,
    lam: Annotated[
        float, typer.Option("--lambda", min=0, max=1, help="Its one trade-off, 0 accurate to 1 robust.")
    ] = 0.5,
    arch: Arch = "small",
    channels: Channels = None,
    epochs: Epochs = None,
    batch_size: BatchSize = 256,
    rate: Rate = 0.1,
    schedule: ScheduleOption = Schedule.cosine,
    eps: Eps = "8/255",
    attack_steps: Steps = 7,
    no_augmentation: NoAugmentation = False,
    mean: options.Mean = None,
    std: options.Std = None,
    size: Side = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    device: options.Device = "cpu",
    devices: Devices = 1,
    precision: PrecisionOption = PrecisionName.full,
) -> None:
    """Trains a plain model that is dedicated to one trade-off: what OAT is measured against."""
    _Command(data, out, arch, epochs, mean, std, size, limit, device, devices, precision.value).run(
        {"lambdas": (lam,), "encoding": None, "dual": False, "channels": channels},
        {"batch_size": batch_size, "rate": rate, "attack_steps": attack_steps, "schedule": schedule.value}
        | {"eps": eps, "augment": not no_augmentation, "seed": seed},
    )


@dataclass(frozen=True)
class _Command:
    """What the three commands have in common."""

    data: str
    out: Path
    arch: str
    epochs: int | None
    mean: str | None
    std: str | None
    size: int | None
    limit: int | None
    device: str
    devices: int
    precision: "Precision"

    def run(self, network: dict[str, Any], recipe: dict[str, Any]) -> None:
        """Trains, and says what came of it."""
        from stormbench.benchmarks.training.conditional import train_conditional
        from stormbench.cli.progress import progress
        from stormbench.datasets import Geometry, open_images
        from stormbench.defenses.oat.recipe import Recipe
        from stormbench.defenses.oat.spec import NetworkSpec

        images = open_images(self.data)
        images = images if self.limit is None else images.subset(range(min(self.limit, len(images))))
        normalisation = {
            "mean": options.three_fractions(self.mean, "--mean"),
            "std": options.three_fractions(self.std, "--std"),
        }
        given: dict[str, Any] = {name: triple for name, triple in normalisation.items() if triple}
        spec = NetworkSpec(arch=self.arch, classes=len(images.classes), **network, **given)
        epochs = self.epochs or (20 if self.arch == "small" else 200)
        how = Recipe(epochs=epochs, **recipe | {"eps": options.fraction(recipe["eps"], "--eps")})
        with progress("training") as bar:

            def report(step: "Progress") -> None:
                bar(step.images, step.total)
                tell(step)

            path, card = train_conditional(
                spec,
                images,
                self.out,
                how,
                geometry=Geometry(self.size, self.size) if self.size else None,
                device=self.device,
                devices=self.devices,
                precision=self.precision,
                report=report if self.devices == 1 else tell,
            )
        lambdas = ", ".join(f"{value:g}" for value in card.network.lambdas)
        widths = ", ".join(f"{value:g}" for value in card.network.widths)
        typer.echo(f"wrote {path}: lambda {lambdas}; width {widths}")
        typer.echo(f"use it as oat:{path}@lam={card.network.lambdas[-1]:g}")


def tell(step: "Progress") -> None:
    """Prints a line at the end of an epoch."""
    if step.finished:
        shares = {"clean": step.clean, "robust": step.robust, "PGD-5": step.probed}
        told = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items() if share is not None)
        typer.echo(f"epoch {step.epoch + 1} of {step.epochs}: loss {step.loss:.4f}, training images {told}", err=True)
