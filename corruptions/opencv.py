"""The one place where OpenCV is imported: its usual failure gets a sentence that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from stormbench.errors import MissingDependencyError

try:
    import cv2
except ImportError as error:  # most often libGL.so.1, on machines without a screen
    raise MissingDependencyError(
        f"OpenCV cannot be imported ({error}); where no display libraries are installed, "
        "run: pip uninstall -y opencv-python && pip install opencv-python-headless"
    ) from error

__all__ = ["cv2", "one_thread"]

_lock = Lock()
_inside = 0
_threads_outside = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it OpenCV works on one thread, which on small images is faster; then on as many as before.

    The number is OpenCV's global one, so the first to come keeps it and the last to go restores it.
    """
    global _inside, _threads_outside
    with _lock:
        if _inside == 0:
            _threads_outside = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                cv2.setNumThreads(_threads_outside)
