"""How a model computes its answers: number format, compilation, memory layout.

Float32 as it is written is what results are compared in. Everything else changes logits in their last bits or more,
and with them some predictions.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from stormbench.errors import InputError, ModelError

Precision = Literal["fp32", "tf32", "bf16", "fp16"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Inference:
    """How a model is asked.

    Attributes:
        precision: ``fp32``: float32 everywhere, also in convolutions on CUDA, where torch would use TF32; ``tf32``:
            matrix products and convolutions in TF32 (CUDA); ``bf16``, ``fp16``: torch's autocast.
        compiled: by ``torch.compile``.
        channels_last: weights and images in torch's channels-last layout.
    """

    precision: Precision = "fp32"
    compiled: bool = False
    channels_last: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is float32 as it is written."""
        return self == FLOAT32

    def names(self) -> list[str]:
        """What differs from float32 as it is written: ``["bf16", "compiled"]``."""
        chosen = {self.precision: self.precision != "fp32", "compiled": self.compiled}
        return [name for name, on in (chosen | {"channels-last": self.channels_last}).items() if on]

    def check(self, device: str) -> None:
        """Refuses what a device cannot do.

        Raises:
            InputError: there is no such precision, or not on this device.
        """
        if self.precision not in PRECISIONS:
            raise InputError(f"precision is one of {', '.join(PRECISIONS)}, not {self.precision!r}")
        if self.precision == "tf32" and torch.device(device).type != "cuda":
            raise InputError(f"tf32 needs a CUDA device, not {device!r}; choose fp32, bf16 or fp16")

    def prepared(self, model: nn.Module, device: str) -> nn.Module:
        """The model on its device, ready to be asked."""
        model = model.to(device).eval()
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        return model

    def callable(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """What answers a batch: the model, compiled if that is asked for."""
        if not self.compiled:
            return model
        compiled: Callable[[Tensor], Tensor] = torch.compile(model)

        def ask(images: Tensor) -> Tensor:
            try:
                return compiled(images)
            except torch._dynamo.exc.BackendCompilerFailed as error:
                first = str(error).strip().splitlines()[0]
                raise ModelError(f"torch.compile cannot compile the model ({first}); leave out --compile") from None

        return ask

    def arranged(self, images: Tensor) -> Tensor:
        """A batch (N, C, H, W) in the layout of the weights."""
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    @contextmanager
    def active(self, device: str) -> Iterator[None]:
        """Within it, torch computes so on this thread; then as before."""
        kind = torch.device(device).type
        with ExitStack() as stack:
            if kind == "cuda":
                stack.enter_context(_tf32(self.precision == "tf32"))
            if self.precision in _AUTOCAST:
                stack.enter_context(torch.autocast(kind, dtype=_AUTOCAST[self.precision]))
            yield


FLOAT32 = Inference()
"""Float32 as it is written."""


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Allows TF32 on CUDA, or not, in matrix products as in convolutions."""
    backends: tuple[Any, ...] = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = allowed
    try:
        yield
    finally:
        for backend, was in zip(backends, before, strict=True):
            backend.allow_tf32 = was
