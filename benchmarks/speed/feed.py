"""How many cells a second one core makes, hands to a device and asks a model about, stage by stage."""

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from stormbench.benchmarks.speed.measure import Contender, single_thread
from stormbench.benchmarks.suites.corruptions import CorruptionSuite
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.cells import Cell, Pixels
from stormbench.datasets.on_the_fly import OnTheFly
from stormbench.execution.timing import spent_on, take_spent
from stormbench.torchvision_guard import import_torchvision

SUITE = SUITES["imagenet-c"]
assert isinstance(SUITE, CorruptionSuite)
PRODUCED = ("decode", "corrupt", "encode", "stack")
HANDED_OVER, ASKED = "hand over", "ask"

Ask = Callable[[Tensor], object]


@dataclass(frozen=True)
class FeedSpeed:
    """What one way of feeding a model took.

    Attributes:
        name: of the way.
        cells: images that were asked about.
        seconds: of each stage. What cannot be told apart counts as the last of the stages that it holds.
    """

    name: str
    cells: int
    seconds: Mapping[str, float]

    def rate(self, last: str) -> float:
        """Cells a second, when all stages up to ``last`` are done; NaN where that was not measured."""
        stages = [*PRODUCED, HANDED_OVER, ASKED]
        spent = sum(self.seconds.get(stage, 0.0) for stage in stages[: stages.index(last) + 1])
        return self.cells / spent if last in self.seconds else float("nan")

    def share(self, stage: str) -> float:
        """Of all the time, in percent."""
        return 100 * self.seconds.get(stage, float("nan")) / sum(self.seconds.values())


def network(device: str) -> Ask:
    """ResNet-50 of torchvision; its weights are random, which its speed does not depend on."""
    model: nn.Module = import_torchvision().models.resnet50().to(device).eval()
    return model


def stand_in(milliseconds: float) -> Ask:
    """Takes a fixed time for each batch, whatever is in it; in place of a device that is not at hand."""
    return lambda _: time.sleep(milliseconds / 1e3)


def files_of(photos: Sequence[Pixels]) -> list[bytes]:
    """The photographs as JPEG files of quality 95."""
    out = []
    for photo in photos:
        file = io.BytesIO()
        Image.fromarray(photo).save(file, "JPEG", quality=95)
        out.append(file.getvalue())
    return out


def feed(files: Sequence[bytes], cells: Sequence[Cell], ask: Ask, device: str) -> FeedSpeed:
    """What ``score`` does on one core: every image is decoded once, then a batch of all images for each cell.

    Args:
        files: encoded images.
        cells: (corruption, severity).
        ask: what is done with a batch (N, 3, H, W) of values in 0..1.
        device: where the batch goes.
    """
    with single_thread(), torch.inference_mode():
        _feed(files[:1], cells, ask, device)  # compiles, and fills tables
        take_spent()
        _feed(files, cells, ask, device)
        return FeedSpeed("stormbench", len(files) * len(cells), take_spent())


def _feed(files: Sequence[bytes], cells: Sequence[Cell], ask: Ask, device: str) -> None:
    pixels = OnTheFly(SUITE.geometry, SUITE.scale, SUITE.jpeg_quality, 0)
    with spent_on("decode"):
        clean = [pixels.clean(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    for cell in cells:
        images = [pixels.corrupted(image, *cell, str(number)) for number, image in enumerate(clean)]
        with spent_on("stack"):
            batch = np.stack(images)
        with spent_on(HANDED_OVER):
            handed = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float().div(255)
            _finish(device)
        _asked(handed, ask, device)


def _asked(images: Tensor, ask: Ask, device: str) -> None:
    with spent_on(ASKED):
        ask(images)
        _finish(device)


def _finish(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


class _Cells(Dataset[Any]):
    """Decoded and corrupted one by one, as a data set for torch is usually written."""

    def __init__(self, files: Sequence[bytes], cells: Sequence[Cell], peer: Contender) -> None:
        self.items = [(file, cell) for cell in cells for file in files]
        self.peer = peer

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Tensor:
        file, cell = self.items[index]
        assert SUITE.geometry is not None
        image = self.peer.run(SUITE.geometry(Image.open(io.BytesIO(file)).convert("RGB")), *cell)
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "JPEG", quality=SUITE.jpeg_quality)
        return torch.from_numpy(np.array(Image.open(encoded))).permute(2, 0, 1).float().div(255)


def peer_feed(files: Sequence[bytes], cells: Sequence[Cell], ask: Ask, device: str, peer: Contender) -> FeedSpeed:
    """The same job by torch's ``DataLoader``, in this process, with another package's corruptions.

    Args:
        files: encoded images.
        cells: (corruption, severity).
        ask: what is done with a batch.
        device: where the batch goes.
        peer: what corrupts.
    """
    with single_thread(), torch.inference_mode():
        for _ in _batches(files[:1], cells, device, peer):
            pass  # imports, and fills tables
        take_spent()
        for batch in _batches(files, cells, device, peer):
            _asked(batch, ask, device)
        return FeedSpeed(f"DataLoader with {peer.name}", len(files) * len(cells), take_spent())


def _batches(files: Sequence[bytes], cells: Sequence[Cell], device: str, peer: Contender) -> Iterator[Tensor]:
    loader = iter(DataLoader(_Cells(files, cells, peer), batch_size=len(files)))
    for _ in cells:
        with spent_on(HANDED_OVER):
            batch = next(loader).to(device)
            _finish(device)
        yield batch


def feed_table(results: Sequence[FeedSpeed], what: str) -> Table:
    """Cells a second up to each point, and where the time went.

    Args:
        results: one for each column.
        what: what was asked, on what machine.
    """
    table = Table(title=f"cells a second on one core ({what})", title_justify="left")
    for heading in ("", *(result.name for result in results)):
        table.add_column(heading, justify="right" if heading else "left")
    for label, last in (("produced", PRODUCED[-1]), ("and handed over", HANDED_OVER), ("and asked", ASKED)):
        table.add_row(label, *(_shown(result.rate(last), ".1f") for result in results))
    table.add_section()
    for stage in (*PRODUCED, HANDED_OVER, ASKED):
        table.add_row(f"{stage}, % of the time", *(_shown(result.share(stage), ".1f") for result in results))
    return table


def _shown(number: float, form: str) -> str:
    return "-" if np.isnan(number) else format(number, form)
