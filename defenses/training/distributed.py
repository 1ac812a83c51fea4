"""Where a training runs: one device in plain torch, or several and mixed precision through Lightning Fabric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from stormbench.errors import InputError, MissingDependencyError

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class Strategy(Protocol):
    """Where a training runs: its device, and how gradients get to the weights."""

    device: torch.device
    rank: int
    processes: int

    def prepare(
        self, objective: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The objective to call and the optimiser to step from now on."""

    def backward(self, loss: Tensor) -> None:
        """Adds the loss's gradients, of all processes, to the weights'."""


@dataclass
class OneDevice:
    """Plain torch: 32 bits, one process, nothing else to install.

    Attributes:
        device: where it computes.
    """

    device: torch.device
    rank: int = 0
    processes: int = 1

    def prepare(
        self, objective: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """See ``Strategy``."""
        return objective, optimiser

    def backward(self, loss: Tensor) -> None:
        """See ``Strategy``."""
        torch.autograd.backward(loss)


class FabricStrategy:
    """Lightning Fabric: one process for each device, gradients averaged, batch norms with statistics of their own.

    Args:
        fabric: launched.
    """

    def __init__(self, fabric: Any) -> None:
        self.fabric = fabric
        self.device: torch.device = fabric.device
        self.rank: int = fabric.global_rank
        self.processes: int = fabric.world_size

    def prepare(
        self, objective: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """See ``Strategy``."""
        prepared: tuple[nn.Module, torch.optim.Optimizer] = self.fabric.setup(objective, optimiser)
        return prepared

    def backward(self, loss: Tensor) -> None:
        """See ``Strategy``."""
        self.fabric.backward(loss)


Work = Callable[[Strategy], None]


def launch(work: Work, *, device: str = "cpu", devices: int = 1, precision: Precision = "32-true") -> None:
    """Runs a training where it was asked for.

    Args:
        work: is called in every process; with several devices it travels there by pickle.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        devices: how many, each with a process.
        precision: one of ``PRECISIONS``.

    Raises:
        InputError: there is no such device or precision, or a numbered device together with several.
        MissingDependencyError: several devices or mixed precision, and Lightning Fabric is not installed.
    """
    if precision not in PRECISIONS:
        raise InputError(f"the precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    try:
        place = torch.empty(1, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch has no one way to say it
        raise InputError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from None
    if devices == 1 and precision == "32-true":
        work(OneDevice(place))
        return
    if devices > 1 and ":" in device:
        raise InputError(f"{devices} devices of a kind are {place.type!r}, not {device!r}")
    fabric = _fabric(place, devices, precision)
    if devices == 1:
        work(FabricStrategy(fabric))
    else:
        fabric.launch(_Launched(work))


@dataclass(frozen=True)
class _Launched:
    """What every process does with the fabric that it is given."""

    work: Work

    def __call__(self, fabric: Any) -> None:
        self.work(FabricStrategy(fabric))


def _fabric(place: torch.device, devices: int, precision: Precision) -> Any:
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ImportError:
        raise MissingDependencyError(
            "several devices and mixed precision need Lightning Fabric: pip install 'stormbench[lightning]'"
        ) from None
    # Batch norms that meet no image of their kind get no gradient, and every process keeps its own statistics.
    strategy = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False, start_method="spawn")
    numbered = place.type != "cpu" and devices == 1
    return Fabric(
        accelerator=place.type,
        devices=[place.index] if numbered else devices,
        strategy=strategy if devices > 1 else "auto",
        precision=precision,
    )
