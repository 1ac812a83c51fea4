"""Imports point down only, and our folders shadow nobody's package (see docs/decisions.md)."""

import ast
import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from stormbench.cli.listing import Kind

ROOT = Path(__file__).parents[1]
# What each area may import beside itself and the ground.
MAY_IMPORT = {
    "core": set(),
    "corruptions": set(),
    "metrics": set(),
    "defenses": set(),
    "datasets": {"corruptions"},
    "benchmarks": {"corruptions", "metrics", "defenses", "datasets"},
    "cli": {"corruptions", "metrics", "defenses", "datasets", "benchmarks"},
}
WITHOUT_TORCH = ["corruptions", "metrics", "datasets"]


def area_of(path: Path) -> str:
    first, *rest = path.relative_to(ROOT).parts
    return "cli" if path.name == "__main__.py" or (first == "core" and rest[0] == "cli") else first


def imported_modules(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor plan"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)


SOURCES = [path for area in MAY_IMPORT if area != "cli" for path in sorted((ROOT / area).rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    area = area_of(path)
    rooms = {name.split(".")[1] for name in imported_modules(path) if name.startswith("stormbench.")}
    upstairs = (rooms & (MAY_IMPORT.keys() - {"core"})) - MAY_IMPORT[area] - {area}
    assert not upstairs, f"{path} is in {area} and imports {upstairs}"


@pytest.mark.parametrize("area", WITHOUT_TORCH)
def test_area_has_no_torch(area: str) -> None:
    for path in (ROOT / area).rglob("*.py"):
        tops = {name.split(".")[0] for name in imported_modules(path)}
        assert not tops & {"torch", "torchvision"}, path


def test_every_folder_with_code_is_in_the_wheel() -> None:
    declared = set((ROOT / "setup.cfg").read_text().split("packages =\n")[1].split("install_requires")[0].split())
    folders = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in SOURCES}
    assert {f"stormbench.{folder}".replace("stormbench.core", "stormbench") for folder in folders} == declared


def test_our_datasets_folder_is_not_importable_by_that_name() -> None:
    """After installation, ``import datasets`` must find Hugging Face's library or nothing."""
    code = "import importlib.util as u; spec = u.find_spec('datasets'); print(spec.origin if spec else '')"
    found = run_python("-P", "-c", code).stdout.strip()
    assert not found or not Path(found).is_relative_to(ROOT / "datasets")
    names = importlib.metadata.distribution("stormbench").read_text("top_level.txt")
    assert names is not None
    assert names.split() == ["stormbench"]


@pytest.mark.parametrize("kind", list(Kind))
def test_list_needs_no_torch(kind: Kind) -> None:
    listed = run_python("-X", "importtime", "-m", "stormbench", "list", kind)
    assert listed.stdout.strip()
    assert "| torch\n" not in listed.stderr
