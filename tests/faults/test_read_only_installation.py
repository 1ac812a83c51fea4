"""An installation that nobody may write to, and no home: kernels are compiled by every process, and that is said."""

import subprocess
import sys

NOWHERE = """
import sys
import numba.core.caching
numba.core.caching.CompileResultCacheImpl._locator_classes = []
sys.argv = ["stormbench", *sys.argv[1:]]
from stormbench.cli import main
main()
"""


def test_lists_without_a_place_for_compiled_kernels() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOWHERE, "list", "corruptions"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "gaussian_noise" in done.stdout
    assert done.stderr.count("compiled kernels cannot be kept") == 1
    assert "Traceback" not in done.stderr


def test_kernels_give_the_same_bytes_uncached() -> None:
    code = (
        "import numba.core.caching as c\n{}"
        "import hashlib, numpy as np\n"
        "from stormbench.corruptions import corrupt\n"
        "image = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)\n"
        "made = corrupt(image, 'gaussian_noise', 3, scale='cifar', rng=np.random.default_rng(0))\n"
        "print(hashlib.sha256(made.tobytes()).hexdigest())"
    )
    nowhere = "c.CompileResultCacheImpl._locator_classes = []\n"
    runs = [[sys.executable, "-c", code.format(line)] for line in ("", nowhere)]
    said = [subprocess.run(run, capture_output=True, text=True, check=True).stdout for run in runs]
    assert said[0] == said[1] != ""
