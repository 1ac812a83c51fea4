"""Reads images out of tar files that strangers may have made."""

import tarfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from PIL import Image

from stormbench.datasets.images import decode_image
from stormbench.errors import BrokenImageError

# A shard of images is read in all 75 cells of a benchmark before the next one.
_TARS_KEPT_IN_MIND = 128


def read_tarred_image(path: Path, name: str) -> Image.Image:
    """Decodes one image in an uncompressed tar file, mode RGB.

    Only regular files count, and nothing is unpacked: a member's name is compared, never used as a path.

    Args:
        path: of the tar file.
        name: of the member.

    Raises:
        BrokenImageError: the tar is missing or damaged, or has no such image that can be decoded.
    """
    try:
        about = path.stat()
        members = _members(path, about.st_size, about.st_mtime_ns)
        if name not in members:
            raise ValueError("there is no such file in it")
        start, size = members[name]
        with path.open("rb") as file:
            file.seek(start)
            return decode_image(file.read(size))
    except OSError as error:
        raise BrokenImageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, tarfile.TarError) as error:
        raise BrokenImageError(f"{path}: {name} cannot be decoded: {error}") from None


@lru_cache(_TARS_KEPT_IN_MIND)
def _members(path: Path, size: int, changed: int) -> Mapping[str, tuple[int, int]]:  # noqa: ARG001
    """Where each regular file in a tar begins, and its size; a tar that has changed is read anew."""
    with tarfile.open(path, "r:") as tar:
        members = {tarred.name: (tarred.offset_data, tarred.size) for tarred in tar if _plain(tarred)}
    return {name: (start, length) for name, (start, length) in members.items() if start + length <= size}


def _plain(member: tarfile.TarInfo) -> bool:
    return member.isreg() and not member.issparse()
