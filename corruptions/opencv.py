"""The one place where OpenCV is imported: its usual failure gets a sentence that says what to do."""

from stormbench.errors import MissingDependencyError

try:
    import cv2
except ImportError as error:  # most often libGL.so.1, on machines without a screen
    raise MissingDependencyError(
        f"OpenCV cannot be imported ({error}); where no display libraries are installed, "
        "run: pip uninstall opencv-python && pip install opencv-python-headless"
    ) from error

__all__ = ["cv2"]
