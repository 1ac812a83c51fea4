"""Memory stays in proportion to the image."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from stormbench.corruptions import CORRUPTIONS

SCRIPT = """
import re, sys
from pathlib import Path
import numpy as np
from stormbench.corruptions import CORRUPTIONS, corrupt

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def now():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

make = {"stream": np.random.default_rng, "legacy": np.random.RandomState}[sys.argv[1]]
image = np.random.default_rng(0).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
image[256:] = 255  # plain, with dust: where estimates decide little
image[256::37, ::41] = 254
for name in CORRUPTIONS:
    for severity in [5] if CORRUPTIONS[name].group == "c-bar" else range(1, 6):  # theirs changes no array's size
        scale = "inception" if "inception" in CORRUPTIONS[name].severities else "auto"
        corrupt(image[:64, :64], name, severity, scale=scale, rng=make(0))  # compiles, decodes, fills tables
        Path("/proc/self/clear_refs").write_text("5")
        before = now()
        corrupt(image, name, severity, rng=make(0))
        print(name, severity, (peak() - before) / image.nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are read as Linux tells them")
@pytest.mark.parametrize("kind", ["stream", "legacy"])
def test_at_most_twelve_times_the_image(kind: str) -> None:
    returned = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # what is freed goes back to the system at once
    command = [sys.executable, "-c", dedent(SCRIPT), kind]
    run = subprocess.run(command, capture_output=True, text=True, timeout=200, env=returned)
    if "PermissionError" in run.stderr:
        pytest.skip("the peak of memory cannot be reset here")
    assert run.returncode == 0, run.stderr
    cells = [line.split() for line in run.stdout.splitlines()]
    assert {cell[0] for cell in cells} == set(CORRUPTIONS)
    assert not [cell for cell in cells if float(cell[2]) > 12]
