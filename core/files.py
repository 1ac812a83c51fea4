"""Files are written whole or not at all."""

import os
from hashlib import blake2b
from pathlib import Path


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Writes a temporary file beside ``path`` and renames it, so that no reader ever sees half a file.

    The temporary name depends on ``path`` alone: what a killed process left behind is overwritten by the next try.

    Args:
        path: where the file goes; its folder is made if missing.
        content: the bytes.
        durable: also wait until the disk has them (for the few files that say what has been finished).

    Raises:
        OSError: the disk is full, the folder is read-only, ...: ``path`` is then as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{blake2b(os.fsencode(path.name), digest_size=8).hexdigest()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
