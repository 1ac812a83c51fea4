"""One network, every trade-off: the conditional model, and the plain model that it is at one lambda and width."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stormbench.defenses.base import check_images
from stormbench.defenses.oat.condition import Condition
from stormbench.defenses.oat.encodings import TOLERANCE, LambdaEncoding
from stormbench.defenses.oat.networks import ARCHITECTURES
from stormbench.defenses.oat.spec import NetworkSpec
from stormbench.errors import InputError


class ConditionalModel(nn.Module):
    """A classifier whose trade-off between accuracy and robustness is chosen at each call (OAT, arXiv 2010.11828).

    Args:
        spec: what to build; weights are drawn from torch's global generator.

    Raises:
        UnknownNameError: there is no such architecture.
        InputError: the encoding cannot tell the lambdas apart.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.network = ARCHITECTURES[spec.arch].build(spec)
        self.encoding = (
            LambdaEncoding(spec.encoding, spec.lambdas, length=spec.code_length, seed=spec.code_seed)
            if spec.encoding
            else None
        )
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(spec, name)).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor, lam: float | Tensor, width: float = 1.0) -> Tensor:
        """Logits ``(N, K)``.

        Args:
            images: ``(N, 3, H, W)`` in [0, 1].
            lam: the weight of robustness in 0..1, for all images or one for each, ``(N,)``, in any order.
            width: share of the channels.

        Raises:
            InputError: a lambda or the width was not trained, or shapes are wrong.
        """
        check_images(images)
        self.check_width(width)
        images = (images - self.mean) / self.std
        if not isinstance(lam, Tensor) or lam.ndim == 0:
            return self._same(images, float(lam), width)
        if lam.shape != images.shape[:1]:
            raise InputError(f"{len(images)} images need one lambda or as many, not {tuple(lam.shape)}")
        return self._sorted(images, lam, width)

    def _same(self, images: Tensor, value: float, width: float) -> Tensor:
        self.check_lambdas([value])
        codes = self._codes(torch.tensor([value], device=images.device))
        index = torch.zeros(len(images), dtype=torch.long, device=images.device)
        logits: Tensor = self.network(images, Condition(codes, index, len(images) if value == 0 else 0, width))
        return logits

    def _sorted(self, images: Tensor, lam: Tensor, width: float) -> Tensor:
        """Dual batch norm wants the images with lambda 0 first; the answers come back in the caller's order."""
        values, index = lam.to(images.device).unique(sorted=True, return_inverse=True)
        self.check_lambdas(values.tolist())
        order = index.argsort(stable=True)
        condition = Condition(self._codes(values), index[order], int((lam == 0).sum()), width)
        logits: Tensor = self.network(images[order], condition)
        return logits[order.argsort()]

    def _codes(self, values: Tensor) -> Tensor | None:
        return None if self.encoding is None else self.encoding(values)

    def check_lambdas(self, values: list[float]) -> None:
        """Refuses lambdas that the model was not trained for.

        Raises:
            InputError: so it is; the message names those that it was.
        """
        if self.encoding is not None:
            self.encoding.check(values)
        elif unknown := [value for value in values if abs(value - self.spec.lambdas[0]) > TOLERANCE]:
            raise InputError(f"this model is dedicated to lambda {self.spec.lambdas[0]:g} and knows no {unknown[0]:g}")

    def check_width(self, width: float) -> None:
        """Refuses a width that the model was not trained for.

        Raises:
            InputError: so it is; the message names those that it was.
        """
        if width not in self.spec.widths:
            known = ", ".join(f"{each:g}" for each in self.spec.widths)
            raise InputError(f"width {width:g} was not trained; this model has {known}")

    def at(self, lam: float, width: float = 1.0) -> "ModelAt":
        """The plain model at one lambda and width, with this one's weights: images in [0, 1] to logits.

        Raises:
            InputError: lambda or width was not trained.
        """
        return ModelAt(self, lam, width)


def conditional(arch: str, **settings: Any) -> ConditionalModel:
    """Builds a conditional network without training it.

    Args:
        arch: a name in ``ARCHITECTURES``.
        settings: what differs from the defaults of ``NetworkSpec``.

    Raises:
        UnknownNameError: there is no such architecture.
        InputError: a setting is out of range.

    Example:
        >>> conditional("small", lambdas=(0.0, 0.5, 1.0)).spec.encoding
        'orthogonal'
    """
    return ConditionalModel(NetworkSpec(arch=arch, **settings))


class ModelAt(nn.Module):
    """A conditional model at one lambda and width, under the contract of every model: images to logits.

    A buffer tells lambda, width and specification apart, so that two trade-offs of one network, or the same weights
    under another normalisation, have different digests.

    Args:
        model: shared, not copied.
        lam: lambda.
        width: share of the channels.

    Raises:
        InputError: lambda or width was not trained.
    """

    def __init__(self, model: ConditionalModel, lam: float, width: float = 1.0) -> None:
        super().__init__()
        model.check_lambdas([lam])
        model.check_width(width)
        self.model, self.lam, self.width = model, float(lam), float(width)
        identity = hashlib.sha256(repr((model.spec, self.lam, self.width)).encode()).digest()
        self.register_buffer("identity", torch.frombuffer(bytearray(identity), dtype=torch.uint8))

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)`` of images ``(N, 3, H, W)`` in [0, 1]."""
        logits: Tensor = self.model(images, self.lam, self.width)
        return logits

    @torch.no_grad()
    def cost(self, side: int = 32) -> tuple[int, int]:
        """Operations for one square image, and weights that take part in them.

        Operations are those of torch's ``FlopCounterMode``: two for each multiplication with addition, in convolutions
        and matrix products only.
        """
        image = torch.full((1, 3, side, side), 0.5, device=self.model.mean.device)
        training = self.training
        self.eval()
        try:
            with FlopCounterMode(display=False) as flops, counted_parameters(self) as used:
                self(image)
        finally:
            self.train(training)
        return int(flops.get_total_flops()), sum(used)


@contextmanager
def counted_parameters(model: nn.Module) -> Iterator[list[int]]:
    """A list that gets, for each layer that is called inside the context, the number of weights that the call uses."""
    used: list[int] = []
    hooks = [
        module.register_forward_hook(lambda layer, arguments, _: used.append(layer.parameters_used(*arguments)))
        for module in model.modules()
        if hasattr(module, "parameters_used") and module is not model
    ]
    try:
        yield used
    finally:
        for hook in hooks:
            hook.remove()
