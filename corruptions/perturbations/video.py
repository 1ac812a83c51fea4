"""Sequences as H.264 films, the way ImageNet-P was published. H.264 is lossy: what is read is not what was written."""

from collections.abc import Iterable
from io import BytesIO
from itertools import chain
from pathlib import Path
from platform import machine
from typing import Any

import numpy as np

from stormbench.cells import Pixels
from stormbench.errors import DataError, MissingDependencyError
from stormbench.files import read_regular

PIXEL_FORMAT = "yuv444p"
"""What ffmpeg chooses for RGB frames when it is not told; the reference does not tell it."""

MAXIMAL_BYTES = 2**28
"""Of a film: 41 frames of 224 x 224 pixels, uncompressed, take 6 MB."""

REPRODUCIBLE = {"x264-params": "asm=SSE2"} if machine().lower() in ("x86_64", "amd64") else {}
"""With x264's AVX-512 code (core 165) the same frames give other bytes from call to call; all else gives equal ones, at
the same speed. It also takes one thread: how x264 splits a film among threads depends on their number."""


def encode(frames: Iterable[Pixels], *, noise: bool, rate: int = 1) -> bytes:
    """An ``.mp4`` file by libx264 with the reference's settings.

    Args:
        frames: of one shape (H, W, 3), at least one.
        noise: whether the sequence is noise: those have ``-tune grain`` and the encoder's own quality (crf 23), all
            others crf 20.
        rate: frames a second.

    Raises:
        MissingDependencyError: PyAV is not installed.
    """
    av = _av()
    frames = iter(frames)
    first = next(frames)
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        quality = {"tune": "grain"} if noise else {"crf": "20"}
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryslow", **quality, **REPRODUCIBLE})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = PIXEL_FORMAT
        stream.codec_context.thread_count = 1
        for frame in chain([first], frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def decode(path: Path, *, frames: int) -> Pixels:
    """All frames of a film.

    Args:
        path: the file.
        frames: how many it must have.

    Returns:
        uint8 (frames, H, W, 3) RGB.

    Raises:
        DataError: it cannot be decoded to the end, or has another number of frames; the message names it.
        MissingDependencyError: PyAV is not installed.
    """
    av = _av()
    try:
        # No other demuxer than that of .mp4: some open what a file names, over the network too.
        with av.open(BytesIO(read_regular(path, MAXIMAL_BYTES)), format="mp4") as container:
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.error.FFmpegError, IndexError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot decode the film {path}: {reason}") from None
    if len(pictures) != frames:
        raise DataError(f"{path} has {len(pictures)} frames, wanted {frames}; it is truncated or of another suite")
    return np.stack(pictures)


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingDependencyError("films need PyAV; run: pip install 'stormbench[video]'") from None
    return av
