"""How a lambda is told to a network."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from scipy.fft import dct
from torch import Tensor, nn

from stormbench.errors import InputError, ModelError

EncodingName = Literal["orthogonal", "one-hot", "dct", "scalar"]

# Two lambdas that are nearer than this are the same one.
TOLERANCE = 1e-6


def _orthogonal(rows: int, length: int, seed: int) -> Tensor:
    gaussian = torch.randn(length, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    matrix: Tensor = torch.linalg.qr(gaussian).Q
    return matrix[:rows].float()


def _one_hot(rows: int, length: int, seed: int) -> Tensor:  # noqa: ARG001 - all matrices are made alike
    return torch.eye(length)[:rows]


def _dct(rows: int, length: int, seed: int) -> Tensor:  # noqa: ARG001 - likewise
    return torch.from_numpy(dct(torch.eye(length, dtype=torch.float64).numpy(), norm="ortho", axis=0)[:rows]).float()


_MATRICES: dict[EncodingName, Callable[[int, int, int], Tensor]] = {
    "orthogonal": _orthogonal,
    "one-hot": _one_hot,
    "dct": _dct,
}
ENCODINGS: tuple[EncodingName, ...] = get_args(EncodingName)


class LambdaEncoding(nn.Module):
    """Codes of the trained lambdas, kept with the weights: position i of the set has row i of a matrix.

    A row says nothing about the lambdas between two trained ones, so only those of the set have a code. The scalar
    encoding has no matrix: the code is lambda itself, and any in [0, 1] may be asked for.

    Args:
        name: ``orthogonal`` (rows of a random orthogonal matrix; the published default), ``one-hot``, ``dct`` (rows of
            the orthonormal DCT-II; those of the published code are longer, 2 sqrt(d) and sqrt(2 d)) or ``scalar``.
        lambdas: the set, ascending, each in [0, 1].
        length: of a code; ignored by ``scalar``.
        seed: of the orthogonal matrix.

    Raises:
        InputError: there is no such encoding, or its codes are too short for the set.
    """

    matrix: Tensor
    kind: Tensor

    def __init__(self, name: EncodingName, lambdas: Sequence[float], *, length: int = 128, seed: int = 0) -> None:
        super().__init__()
        if name not in ENCODINGS:
            raise InputError(f"the encoding is one of {', '.join(ENCODINGS)}, not {name!r}")
        if name != "scalar" and length < len(lambdas):
            raise InputError(f"codes of length {length} cannot tell {len(lambdas)} lambdas apart")
        self.name, self.lambdas = name, tuple(lambdas)
        self.length = 1 if name == "scalar" else length
        if name != "scalar":
            self.register_buffer("matrix", _MATRICES[name](len(lambdas), length, seed))
        # Matrices of two encodings may have one shape; this lets no checkpoint of the one pass for the other.
        self.register_buffer("kind", torch.tensor(ENCODINGS.index(name)))

    def check(self, values: Sequence[float]) -> None:
        """Refuses lambdas that have no code.

        Raises:
            InputError: one was not trained, or is not in [0, 1].
        """
        for value in values:
            if not 0 <= value <= 1:
                raise InputError(f"lambda is in 0..1, not {value:g}")
            if self.name != "scalar" and all(abs(value - each) > TOLERANCE for each in self.lambdas):
                known = ", ".join(f"{each:g}" for each in self.lambdas)
                raise InputError(
                    f"lambda {value:g} was not trained; this model knows {known} (codes of the {self.name} encoding "
                    "mean nothing between them)"
                )

    def forward(self, values: Tensor) -> Tensor:
        """Codes ``(U, d)`` of lambdas ``(U,)``, which ``check`` has passed."""
        if self.name == "scalar":
            return values[:, None].to(torch.get_default_dtype())
        known = torch.tensor(self.lambdas, device=values.device, dtype=values.dtype)
        return self.matrix[(values[:, None] - known).abs().argmin(dim=1)]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        found = state_dict.get(f"{prefix}kind")
        if found is not None and int(found) != int(self.kind):
            theirs = ENCODINGS[int(found)] if 0 <= int(found) < len(ENCODINGS) else f"number {int(found)}"
            raise ModelError(f"the weights were trained with the {theirs} encoding, this model has {self.name}")
        super()._load_from_state_dict(state_dict, prefix, *rest)
