"""Records of the settings under which a result was made."""

from typing import Annotated, Literal

from pydantic import Field

from stormbench.benchmarks.results.records import Digest, PositiveCount, Record, Text
from stormbench.datasets import Geometry
from stormbench.datasets.preprocessing import Preprocessing


class ModelRecord(Record):
    """Which weights were scored, and how pixels reached them."""

    source: Text
    digest: Digest
    classes: PositiveCount
    preprocessing: Preprocessing


class DefenseRecord(Record):
    """What stood between the images and the model.

    Attributes:
        spec: as the user wrote it.
        seed: of its draws.
        draws: how many of them vote on each image, defaults included; None in files from before it was kept.
        weights: digest of its own weights, because a specification names but a file; None where it has none.
    """

    spec: Text
    seed: int
    draws: PositiveCount | None = None
    weights: Digest | None = None


class DataRecord(Record):
    """Which images were scored; the fingerprint covers every image's bytes and label."""

    name: Text
    images: PositiveCount
    classes: PositiveCount
    fingerprint: Digest
    skipped: list[Text]
    released: Text | None = None


class SuiteRecord(Record):
    """How the pixels were made."""

    name: Text
    scale: Text
    geometry: Geometry | None
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] | None


class InferenceRecord(Record):
    """How the model computed, where it was not float32 as it is written.

    Attributes:
        precision: number format of matrix products and convolutions.
        compiled: by ``torch.compile``.
        channels_last: weights and images in that layout.
    """

    precision: Literal["fp32", "tf32", "bf16", "fp16"]
    compiled: bool
    channels_last: bool


class OutcomesRecord(Record):
    """The file with the outcome of every image, and its digest."""

    file: Text
    sha256: Digest


class DeviceRecord(Record):
    """Where the model ran: another kind of device, or another precision, gives other logits.

    Attributes:
        kind: ``cpu``, ``cuda``, ...
        matmul: how float32 matrices are multiplied: ``ieee`` (full precision), ``tf32`` or ``bf16``.
        conv: how float32 images are convolved, likewise.
    """

    kind: Text
    matmul: Text
    conv: Text


class Settings(Record):
    """Everything that determines the outcome of a run: two runs with equal settings have equal counts.

    Attributes:
        device: where the model ran; None in files from before it was kept.
    """

    run: Text
    suite: SuiteRecord
    model: ModelRecord
    defense: DefenseRecord | None
    data: DataRecord
    seed: int
    batch_size: PositiveCount
    inference: InferenceRecord | None = None
    versions: dict[Text, Text]
    device: DeviceRecord | None = None
