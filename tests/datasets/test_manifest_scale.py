"""The lists of ImageNet-C's 3.75 million files: written and verified in the memory that a few files would take."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CELLS, IMAGES, A_SHARD = 75, 50_000, 32

# Every cell's images are hard links to one small file, so that the set has all its names and takes no space.
MEASURED = """
import json, os, resource, sys, time
from pathlib import Path
from stormbench.corruptions import IMAGENET_C
from stormbench.datasets.on_disk.checking import check
from stormbench.datasets.images import digest_of
from stormbench.datasets.on_disk.manifest import Entry, Manifest, file_digest, lines, list_path, write_lists

root, cells, images, a_shard = Path(sys.argv[1]), *map(int, sys.argv[2:])
content = b"image"
names = [f"{IMAGENET_C[cell // 5]}-{cell % 5 + 1}" for cell in range(cells)]

def place(position):
    return f"class{position % 1000:03d}/ILSVRC2012_val_{position:08d}.JPEG"

def shard(start):
    for name in names:
        folder = name.replace("-", "/")
        yield lines(Entry(f"{folder}/{place(position)}", len(content), digest_of(content))
                    for position in range(start, min(start + a_shard, images)))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

facts = {"before_mib": peak()}
begun = time.perf_counter()
write_lists(root, names, (list(shard(start)) for start in range(0, images, a_shard)))
facts |= {"write_s": time.perf_counter() - begun, "write_mib": peak()}
facts["lists_mib"] = sum(list_path(root, name).stat().st_size for name in names) / 2**20

for name in names:
    folder = root / name.replace("-", "/")
    for number in range(min(1000, images)):
        (folder / f"class{number:03d}").mkdir(parents=True)
    first = folder / place(0)
    first.write_bytes(content)
    for position in range(1, images):
        os.link(first, folder / place(position))

manifest = Manifest(
    layout="folders", suite="x", scale="imagenet", geometry=None, jpeg_quality=85, seed=0, data="x", classes=[],
    images=images, fingerprint="", skipped=[], keys=None, severities=None, versions={},
    cells=[(name.split("-")[0], int(name.split("-")[1])) for name in names],
    lists={name: file_digest(list_path(root, name)) for name in names},
)
manifest.write(root)
(root / IMAGENET_C[3] / "2" / place(7)).unlink()
(root / IMAGENET_C[4] / "1/extra").write_bytes(b"")
begun = time.perf_counter()
found = check(root, manifest)
facts |= {"verify_s": time.perf_counter() - begun, "verify_mib": peak(), "checked": found.checked}
facts |= {"missing": [entry.path for entry in found.missing], "extra": found.extra, "changed": len(found.changed)}
print(json.dumps(facts))
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_lists_of_imagenet_c_fit_into_little_memory(tmp_path: Path) -> None:
    arguments = [str(number) for number in (CELLS, IMAGES, A_SHARD)]
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path / "set", *arguments], capture_output=True, text=True, check=True
    )
    facts = json.loads(run.stdout)
    assert facts["checked"] == CELLS * IMAGES
    assert facts["missing"] == ["defocus_blur/2/class007/ILSVRC2012_val_00000007.JPEG"]
    assert (facts["extra"], facts["changed"]) == (["glass_blur/1/extra"], 0)
    assert facts["write_mib"] - facts["before_mib"] < 50
    assert facts["verify_mib"] - facts["before_mib"] < 100  # the names of one of the 75 lists, and little else
