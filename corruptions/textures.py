"""The photographs of frost."""

import os
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np

from stormbench.cells import Pixels
from stormbench.corruptions.opencv import cv2
from stormbench.errors import MissingDependencyError
from stormbench.files import read_regular

FOLDER_VARIABLE = "STORMBENCH_FROST"

DIGESTS: Mapping[str, str] = MappingProxyType(
    {
        "frost1.png": "ffb26b98c3661d09",
        "frost2.png": "9a80d65685a979b6",
        "frost3.png": "9a80d65685a979b6",
        "frost4.jpg": "bfb85585cb67e1d2",
        "frost5.jpg": "b5f450aa8eecd8fe",
    }
)
"""The five that the reference ever selects, with the first 16 digits of SHA-256 over their decoded BGR pixels.

The sixth file of the collection is never used, and frost2 and frost3 hold the same pixels.
"""

_MAXIMAL_BYTES = 2**24

_REMEDY = (
    "run: pip install imagecorruptions-imaug (it ships them), or let the environment variable "
    f"{FOLDER_VARIABLE} name a folder with frost1.png .. frost5.jpg of hendrycks/robustness"
)


@cache
def frost_texture(number: int, scale: float) -> Pixels:
    """One texture, decoded, checked and shrunk; kept for the rest of the process.

    Args:
        number: 0..4.
        scale: both sides are resized by it (bilinear), 1.0 leaves them.

    Returns:
        uint8 RGB array, read-only.

    Raises:
        MissingDependencyError: the file is missing or is not the reference's.
    """
    name = list(DIGESTS)[number]
    path = _folder() / name
    if not path.exists():
        raise MissingDependencyError(f"frost needs the texture {name}, which is not at {path.parent}; {_REMEDY}")
    texture = _decoded(path)
    digest = sha256(texture.tobytes()).hexdigest()[:16]
    if digest != DIGESTS[name]:
        raise MissingDependencyError(
            f"{path} is not the reference's: digest {digest}, wanted {DIGESTS[name]}; {_REMEDY}"
        )
    if scale != 1.0:
        texture = np.asarray(cv2.resize(texture, (0, 0), fx=scale, fy=scale), dtype=np.uint8)
    colours: Pixels = texture[:, :, ::-1].copy()
    colours.setflags(write=False)
    return colours


def _decoded(path: Path) -> Pixels:
    try:
        content = np.frombuffer(read_regular(path, _MAXIMAL_BYTES), dtype=np.uint8)
        texture = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except (OSError, cv2.error) as error:
        raise MissingDependencyError(f"cannot read the texture {path}: {error}; {_REMEDY}") from None
    if texture is None:
        raise MissingDependencyError(f"{path} is no image; {_REMEDY}")
    return np.asarray(texture, dtype=np.uint8)


def _folder() -> Path:
    """Where the textures lie: the user's folder, or that of imagecorruptions-imaug, whose code is not imported."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    package = find_spec("imagecorruptions")
    if package is None or package.origin is None:
        raise MissingDependencyError(
            f"frost needs five textures, and imagecorruptions-imaug is not installed; {_REMEDY}"
        )
    return Path(package.origin).parent / "frost"
