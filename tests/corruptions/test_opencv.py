"""How OpenCV is imported and held to one thread."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from stormbench.corruptions.opencv import cv2, one_thread


def test_a_missing_display_library_is_explained() -> None:
    code = """
import sys
from importlib.abc import MetaPathFinder

class NoDisplay(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")

sys.meta_path.insert(0, NoDisplay())
from stormbench.errors import MissingDependencyError
try:
    import stormbench.corruptions
except MissingDependencyError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "libGL.so.1" in said
    assert "pip install opencv-python-headless" in said


def test_the_number_of_threads_comes_back() -> None:
    before = cv2.getNumThreads()

    def inside(_: int) -> int:
        with one_thread():
            return int(cv2.getNumThreads())

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(inside, range(200))) == {1}
    assert cv2.getNumThreads() == before
