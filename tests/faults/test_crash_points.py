"""Every command, killed before its n-th change to a file, for every n: the same command then ends the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# One process imports everything once and forks: a child is killed at a point, the next one continues.
DRIVER = '''
import json, os, shutil, signal, sys
from pathlib import Path

import torch

torch.set_num_threads(1)
from stormbench.benchmarks.analysis.baselines import as_baseline
from stormbench.benchmarks.evaluation.attack import attack
from stormbench.benchmarks.evaluation.evaluate import evaluate
from stormbench.benchmarks.generation.generate import generate
from stormbench.benchmarks.generation.repair import repair_set, verify_set
from stormbench.benchmarks.suites.registry import SUITES

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
IMAGES = SUITES["cifar-c"].narrowed(["brightness", "contrast"], [1])
SEQUENCES = SUITES["cifar-p"].narrowed(["brightness"], [1])
TREE = SUITES["imagenet64-c"].narrowed(["contrast"], [1, 2])


def repair(out):
    generate("digits", out, TREE, limit=3)
    for path in sorted((out / "contrast/1").rglob("*.JPEG")):
        path.unlink()
    found = verify_set(out)
    repair_set(out, found)


def grow(out):
    generate("digits", out, SUITES["imagenet64-c"].narrowed(["contrast"], [1]), limit=3)
    generate("digits", out, TREE, limit=3)


COMMANDS = {
    "generate folders": lambda out: generate("digits", out, TREE, limit=3),
    "generate arrays": lambda out: generate("digits", out, IMAGES, limit=3),
    "generate sequences": lambda out: generate("digits", out, SEQUENCES, limit=2),
    "generate more": grow,
    "repair": repair,
    "score": lambda out: evaluate(PLAIN, "digits", IMAGES, out=out, limit=4, batch_size=2),
    "score sequences": lambda out: evaluate(PLAIN, "digits", SEQUENCES, out=out, limit=2),
    "attack": lambda out: attack(PLAIN, "digits", "cifar-c", out=out, eps=0.03, budget="quick", limit=2),
}
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}


def killer(root, point):
    """Kills this process before the point-th change below a folder."""
    left = [point]

    def hook(event, arguments):
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (event in CHANGES or writes) and str(root) in str(arguments[0]):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def forked(command, out, point=None):
    child = os.fork()
    if not child:
        try:
            if point is not None:
                killer(out, point)
            command(out)
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kept(out):
    """Every file; of results everything but when they were made."""
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file() and path.name != ".source.json"):
        content = path.read_bytes()
        if b'"created"' in content and path.suffix == ".json":
            document = json.loads(content)
            content = json.dumps({key: document[key] for key in document if key not in ("created", "seal")}).encode()
        found[path.relative_to(out).as_posix()] = content
    return found


command, folder = COMMANDS[sys.argv[1]], Path(sys.argv[2])
assert forked(command, folder / "whole") == 0
whole, points = kept(folder / "whole"), 0
for point in range(1, 500):
    out = folder / "out"
    code = forked(command, out, point)
    again = forked(command, out)
    if again or kept(out) != whole:
        wrong = sorted(set(kept(out).items()) ^ set(whole.items()))
        sys.exit(f"killed before change {point}: the second run ended with {again}; {[name for name, _ in wrong]}")
    shutil.rmtree(out)
    points += code == -signal.SIGKILL
    if code == 0:
        break
print(json.dumps({"points": points}))
'''


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [
        "generate folders",
        "generate arrays",
        "generate sequences",
        "generate more",
        "repair",
        "score",
        "score sequences",
        "attack",
    ],
)
def test_killed_before_every_change(tmp_path: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, command, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["points"] > 5
