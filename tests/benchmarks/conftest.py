"""Results of models that do not exist, written by the schema's own writer."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stormbench.benchmarks.results.attacks import AdversarialRecord, AttackRecord, CorrectRecord, recounted
from stormbench.benchmarks.results.images import Outcomes, write_result
from stormbench.benchmarks.results.settings import DataRecord, DefenseRecord, ModelRecord, Settings, SuiteRecord
from stormbench.cells import CLEAN
from stormbench.datasets.preprocessing import Preprocessing
from stormbench.defenses.robustness.outcomes import AttackOutcomes
from stormbench.metrics import TEST_CORRUPTIONS

CELLS = [(CLEAN, 0), *((name, severity) for name in TEST_CORRUPTIONS for severity in range(1, 6))]
WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Writes a run of a model with a given skill, on images that are equally hard for every model."""

    def write(
        name: str = "run",
        *,
        skill: float = 0.0,
        luck: int = 1,
        images: int = 60,
        cells: Sequence[tuple[str, int]] = CELLS,
        folder: Path = tmp_path / "results",
        rank: Any = None,
        **changes: Any,
    ) -> Path:
        labels, ranks = drawn(images, cells, skill, luck)
        ranks = ranks if rank is None else np.asarray(rank, dtype=np.uint16)
        prediction = np.where(ranks > 0, (labels + 1) % 10, labels).astype(np.int32)
        outcomes = Outcomes(np.array([f"{index:06d}" for index in range(images)]), labels, prediction, ranks)
        path = folder / f"{name}.json"
        attacked = changes.pop("attacked", None)
        write_result(settings(name, images, **changes), cells, outcomes, path, attacked)
        return path

    return write


def attack_of(
    right: Sequence[int], *, images: int = 60, eps: float = 8 / 255
) -> tuple[AdversarialRecord, AttackOutcomes]:
    """What an attack leaves that only some images withstand, by the indices of those images."""
    kept = np.isin(np.arange(images), right)
    correct = np.stack([np.ones(images, dtype=bool), np.ones(images, dtype=bool), kept])
    found = AttackOutcomes(np.where(correct, -1.0, 1.0).astype(np.float32), correct, correct)
    rows = {"clean": "", "noise": "noise:tries=10,draws=1", "adaptive": "pgd:step=0.125,steps=20,draws=1"}
    record = AdversarialRecord(
        norm="linf",
        eps=eps,
        budget="quick",
        images=images,
        correct=CorrectRecord(clean=images, oblivious=None, adaptive=0, fixed_draw=None, noise=images),
        adaptive_vote=0,
        verdict="withstood these attacks" if 10 * kept.sum() >= images else "not robust",
        reason="it was told so",
        gradients_per_image=0,
        rows=[
            AttackRecord(role=role, attack=attack, source="", correct=0, correct_vote=0, passes=20)
            for role, attack in rows.items()
        ],
        by_image=True,
    )
    return recounted(record, found), found


@pytest.fixture
def write_attacked(write_run: WriteRun) -> WriteRun:
    """Writes a run of a model that was attacked, of which so many images stay right."""

    def write(name: str, adaptive: int, *, eps: float = 8 / 255, **changes: Any) -> Path:
        return write_run(name, cells=[(CLEAN, 0)], attacked=attack_of(range(adaptive), eps=eps), **changes)

    return write


def drawn(images: int, cells: Sequence[tuple[str, int]], skill: float, seed: int) -> tuple[Any, Any]:
    hard = np.random.default_rng(0).normal(size=images)
    labels = np.random.default_rng(1).integers(10, size=images)
    noise = np.random.default_rng(seed).normal(size=(len(cells), images))
    severity = np.array([0.3 * severity - 0.6 for _, severity in cells])[:, None]
    wrong = hard + severity + noise > skill
    return labels, np.where(wrong, 1 + seed % 7, 0).astype(np.uint16)


def settings(name: str, images: int, **changes: Any) -> Settings:
    defense = changes.pop("defense", None)
    fields: dict[str, Any] = {
        "run": name,
        "suite": SuiteRecord(name="imagenet-c", scale="imagenet", geometry=None, jpeg_quality=85),
        "model": ModelRecord(
            source=changes.pop("source", f"torchvision:{name}"),
            digest=changes.pop("digest", "0123456789abcdef" * 4),
            classes=10,
            preprocessing=Preprocessing(),
        ),
        "defense": DefenseRecord(spec=defense, seed=0) if defense else None,
        "data": DataRecord(
            name=changes.pop("data", "val"),
            images=images,
            classes=10,
            fingerprint=changes.pop("fingerprint", "fedcba9876543210" * 2),
            skipped=changes.pop("skipped", []),
        ),
        "seed": 0,
        "batch_size": 16,
        "versions": {"stormbench": "0.1.0"},
    }
    return Settings(**(fields | changes))
