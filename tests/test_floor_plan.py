"""The floor plan: who may import whom, rooms without torch, no circles, sizes; our folders shadow nobody's package."""

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
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
    "roof": {"corruptions", "metrics", "defenses", "datasets", "benchmarks"},
}
# What each room may import beside itself, within its area.
ROOMS = {
    "benchmarks": {
        "suites": set(),
        "results": set(),
        "models": set(),
        "demo": set(),
        "generation": {"suites"},
        "analysis": {"suites", "results"},
        "evaluation": {"suites", "results", "models"},
        "training": {"models"},
        "leaderboard": {"suites", "results", "analysis"},
        "experiments": {"suites", "results", "models", "evaluation", "training", "analysis"},
        "speed": {"suites", "results", "leaderboard"},
    },
    "defenses": {
        "attacks": {"base", "specs"},
        "robustness": {"attacks", "base"},
        "training": {"attacks", "base", "networks", "specs", "cards"},
        "networks": set(),
        "oat": {"training", "attacks", "base", "networks", "cards"},
        "rain": {"base", "states"},
        "preprocessing": {"rain", "base"},
    },
    "datasets": {
        "readers": {"images"},
        "on_disk": {"on_the_fly", "images", "geometry", "readers"},
    },
}
# No torch, not even through our own modules.
TORCH_FREE = [
    *("corruptions", "metrics", "datasets", "core/execution", "core/cells.py", "core/files.py"),
    *(f"benchmarks/{room}" for room in ("suites", "results", "analysis", "leaderboard", "generation")),
    *("benchmarks/models/sources.py", "defenses/registry.py", "defenses/attacks/registry.py"),
    *("defenses/robustness/budgets.py", "defenses/robustness/verdict.py"),
    *("defenses/training/recipe.py", "defenses/training/registry.py", "defenses/networks/registry.py"),
]
MOST_LINES = 300
MOST_MODULES = 14


def area_of(path: Path) -> str:
    first, *rest = path.relative_to(ROOT).parts
    on_roof = path.name == "__main__.py" or (first == "core" and rest[0] in ("cli", "api.py", "__init__.py"))
    return "roof" if on_roof else first


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "core" else parts
    return ".".join(["stormbench", *(parts[:-1] if parts[-1:] == ("__init__",) else parts)])


SOURCES = [path for area in MAY_IMPORT if area != "roof" for path in sorted((ROOT / area).rglob("*.py"))]
MODULES = {name_of(path): path for path in SOURCES}


def statements(tree: ast.AST, *, load: bool) -> Iterator[ast.AST]:
    """All nodes, or only those that run when the module is loaded."""
    for node in ast.iter_child_nodes(tree):
        if load and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if load and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from statements(node, load=load)


@cache
def imported(path: Path, *, load: bool = False) -> frozenset[str]:
    """The modules that a file imports, its own package's parents included: anywhere, or when it is loaded."""
    found: set[str] = set()
    for node in statements(ast.parse(path.read_text()), load=load):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor plan"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
    return frozenset(found)


@cache
def loaded(path: Path) -> frozenset[Path]:
    """Our own files that loading a file loads at once, with the packages that they lie in."""
    found: set[Path] = set()
    for name in imported(path, load=True):
        parts = name.split(".")
        parents = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        found |= {MODULES[parent] for parent in parents if parent in MODULES}
    return frozenset(found - {path})


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)


def test_imports_point_down() -> None:
    for path in SOURCES:
        area = area_of(path)
        areas = {name.split(".")[1] for name in imported(path) if name.startswith("stormbench.")}
        upstairs = (areas & (MAY_IMPORT.keys() - {"core"})) - MAY_IMPORT[area] - {area}
        assert not upstairs, f"{path} is in {area} and imports {upstairs}"


def test_rooms_import_what_the_plan_says() -> None:
    for path in SOURCES:
        area, *rest = path.relative_to(ROOT).parts
        rooms = ROOMS.get(area, {})
        if area_of(path) == "roof" or rest[0] not in rooms:
            continue
        inside = {name.split(".")[2] for name in imported(path) if name.startswith(f"stormbench.{area}.")}
        if area == "datasets":
            inside &= rooms.keys()
        assert inside - {rest[0]} <= rooms[rest[0]], f"{path} imports {inside - {rest[0]} - rooms[rest[0]]}"


def test_no_module_lies_loose_in_benchmarks() -> None:
    assert {path.name for path in (ROOT / "benchmarks").glob("*.py")} == {"__init__.py"}
    folders = {path.parent.name for path in (ROOT / "benchmarks").glob("*/__init__.py")}
    assert folders == set(ROOMS["benchmarks"])


def test_readers_of_sets_import_no_writers() -> None:
    for path in (ROOT / "datasets" / "on_disk").glob("*_reader.py"):
        assert not [name for name in imported(path) if name.endswith("_writer")], path


@pytest.mark.parametrize("place", TORCH_FREE)
def test_torch_free_rooms_load_no_torch(place: str) -> None:
    start = ROOT / place
    pending = [start] if start.suffix else sorted(start.rglob("*.py"))
    seen = set(pending)
    while pending:
        path = pending.pop()
        tops = {name.split(".")[0] for name in imported(path, load=True)}
        assert not tops & {"torch", "torchvision", "timm"}, f"{path}, which {place} loads"
        new = loaded(path) - seen
        seen |= new
        pending += new


def test_no_circles() -> None:
    done: set[Path] = set()

    def visit(path: Path, trail: tuple[Path, ...]) -> None:
        assert path not in trail, " -> ".join(map(name_of, [*trail[trail.index(path) :], path]))
        if path not in done:
            for other in sorted(loaded(path)):
                if other.name != "__init__.py":
                    visit(other, (*trail, path))
            done.add(path)

    for path in SOURCES:
        visit(path, ())


def test_files_and_folders_are_small() -> None:
    assert not [path for path in SOURCES if len(path.read_text().splitlines()) > MOST_LINES]
    folders = {path.parent for path in SOURCES} - {
        ROOT / "corruptions" / "kernels",
        ROOT / "core" / "cli",
    }  # a kernel, a command a file
    crowded = {folder: len(list(folder.glob("*.py"))) for folder in folders}
    assert not {folder: count for folder, count in crowded.items() if count > MOST_MODULES + 1}  # and its __init__


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


def test_figures_and_boards_need_no_torch() -> None:
    rooms = "leaderboard", "generation.generate", "analysis.compare", "analysis.summary", "results.run"
    imports = "import " + ", ".join(f"stormbench.benchmarks.{room}" for room in rooms)
    assert "| torch\n" not in run_python("-X", "importtime", "-c", imports).stderr


def test_the_top_package_loads_nothing_heavy() -> None:
    stderr = run_python("-X", "importtime", "-c", "import stormbench").stderr
    assert not [name for name in ("torch", "pandas", "pydantic", "numpy") if f"| {name}\n" in stderr]
