"""Runs an adversary over a data set in shards, and writes what it left into a result file."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from stormbench.benchmarks.evaluation.attack_task import AttackTask
from stormbench.benchmarks.evaluation.evaluate import score
from stormbench.benchmarks.evaluation.inputs import open_inputs, threads_restored
from stormbench.benchmarks.evaluation.settings import run_name
from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.attacks import AdversarialRecord, AttackRecord, CorrectRecord
from stormbench.benchmarks.results.images import Result, read_outcomes, read_result, write_result
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.suites.registry import Suite, corruption_suite
from stormbench.datasets import ImageSet
from stormbench.datasets.on_the_fly import OnTheFly
from stormbench.defenses.attacks import Ball, make_attack, run_attack
from stormbench.defenses.attacks.ball import NormName
from stormbench.defenses.robustness import BUDGETS, Budget, Row
from stormbench.defenses.robustness.outcomes import AttackOutcomes, Judged
from stormbench.defenses.robustness.robust_accuracy import Evaluation, evaluate
from stormbench.defenses.robustness.schedule import check_budget, cost_of, passes_of
from stormbench.errors import ResultError
from stormbench.execution.journal import Journal, refuse_changes
from stormbench.execution.runner import Progress, run_shards
from stormbench.execution.shards import Shard

Announce = Callable[[int, float], None]


def attack(
    model: str | Model,
    data: str | Path | ImageSet,
    suite: str | Suite = "imagenet-c",
    *,
    out: str | Path,
    eps: float,
    norm: NormName = "linf",
    budget: str | Budget = "standard",
    name: str | None = None,
    defense: str | None = None,
    sources: Mapping[str, str | Model] | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 0,
    batch_size: int = 50,
    device: str = "cpu",
    skip_broken: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> tuple[Path, Result]:
    """Attacks a model behind a defense with all that a budget allows, and continues where an earlier try stopped.

    Args:
        model: a loaded model, or how to load one (``load_model``).
        data: a data set, or where it is (``open_images``).
        suite: how images are prepared; its corruptions play no part.
        out: folder for the result.
        eps: radius, for pixels in [0, 1].
        norm: ``linf`` or ``l2``.
        budget: how hard to try; ``BUDGETS`` has them.
        name: the run's name; by default made of the model's, the suite's, the data's, the defense's and the radius.
        defense: specification of the defense; None attacks the bare model.
        sources: other models for transferred attacks, by name.
        limit: only the first so many images.
        seed: of everything that is drawn.
        workers: number of worker processes; 0 attacks in this one.
        batch_size: images that are attacked at once; also the unit in which an interrupted run continues.
        device: where the models run.
        skip_broken: leave out images that cannot be decoded.
        progress: called with the attacked images so far, and those of all rows known so far.
        announce: called before the start with the most passes per image, and about how many seconds they take.

    Returns:
        The path of the result file, and the result. A finished result with the same settings is returned as it is.

    Raises:
        StormbenchError: see ``stormbench.errors``; whatever was finished is kept.
    """
    ball, chosen = Ball(norm, eps), BUDGETS[budget] if isinstance(budget, str) else budget
    bare = replace(corruption_suite(suite), corruptions=())
    inputs = open_inputs(model, data, defense, limit=limit, device=device, workers=workers, skip_broken=skip_broken)
    model, images = inputs.model, inputs.images
    others = {key: load_model(value) if isinstance(value, str) else value for key, value in (sources or {}).items()}
    radius = f"{norm}-{eps:.6g}"
    path = Path(out) / f"{name or run_name(model.source, bare.name, images.name, defense, radius, chosen.name)}.json"
    folder = path.with_suffix(".unfinished")
    weights = {key: source.digest for key, source in sorted(others.items())}
    settings = {"norm": norm, "eps": eps, "budget": chosen.name, "effort": _effort(chosen), "sources": weights}
    clean_path, clean = score(
        model,
        images,
        bare,
        out=folder,
        name=path.stem,
        defense=defense,
        seed=seed,
        batch_size=batch_size,
        device=device,
        skip_broken=skip_broken,
    )
    if path.exists():
        found = _finished(path, clean, settings)
        shutil.rmtree(folder)
        return path, found
    task = AttackTask(
        model=model,
        defense=defense,
        sources=others,
        images=inputs.sound,
        labels=inputs.labels,
        pixels=OnTheFly(bare.geometry, bare.scale, bare.jpeg_quality, seed),
        ball=ball,
        budget=chosen,
        seed=seed,
        device=device,
        batch_size=batch_size,
    )
    journal = Journal(folder, _settings_of(clean) | {"attack": settings})
    with journal.open():
        attacked = _attacked(task, journal, workers, progress, announce)
        result = _written(clean_path, clean, attacked, path)
    journal.remove()
    return path, result


def _written(clean_path: Path, clean: Result, attacked: tuple[AdversarialRecord, AttackOutcomes], path: Path) -> Result:
    """The clean result with what the attacks left."""
    settings = Settings(**{key: getattr(clean, key) for key in Settings.model_fields})
    return write_result(settings, clean.keys, read_outcomes(clean_path, clean), path, attacked)


def _attacked(
    task: AttackTask, journal: Journal, workers: int, progress: Progress | None, announce: Announce | None
) -> tuple[AdversarialRecord, AttackOutcomes]:
    with threads_restored():
        check_budget(task.budget, task.subject)
        if announce:
            announce(*_cost(task, workers))
        found = evaluate(_Run(task, journal, workers, progress), task.budget, task.subject)
    return _record(found, task), found.outcomes


class _Run:
    """Runs rows for ``evaluate``: in shards, on workers, remembering what is done."""

    def __init__(self, task: AttackTask, journal: Journal, workers: int, progress: Progress | None) -> None:
        self.task, self.journal, self.workers = task, journal, workers
        self.progress = progress or (lambda *_: None)
        self.done = 0

    def __call__(self, rows: Sequence[Row], settled: Judged | None = None) -> dict[Row, Judged]:
        shards = {row: self.task.shards(row) for row in rows}
        everything = [shard for row in rows for shard in shards[row]]
        before, self.task.settled = self.done, settled

        def report(done: int, total: int) -> None:
            self.done = before + done
            self.progress(self.done, before + total)

        run_shards(self.task, self.journal, everything, workers=self.workers, progress=report)
        return {row: self._read(shards[row]) for row in rows}

    def _read(self, shards: Sequence[Shard]) -> Judged:
        return Judged.joined([self.journal.read(shard.index) for shard in shards])


def _cost(task: AttackTask, workers: int) -> tuple[int, float]:
    """The most passes per image, and about how many seconds all of them take: from one pass, measured."""
    images, labels = task.batch(0, min(len(task.images), task.batch_size))
    once = make_attack("fgsm" if task.subject.differentiable else "noise:tries=1")
    run_attack(once, task.target.model, images[:1], labels[:1], task.ball)  # warms up
    begun = time.monotonic()
    run_attack(once, task.target.model, images, labels, task.ball)
    one_pass = (time.monotonic() - begun) / len(images)
    passes = cost_of(task.budget, task.subject)
    return passes, passes * len(task.images) * one_pass / max(workers, 1)


def _settings_of(result: Result) -> dict[str, Any]:
    return result.model_dump(mode="json", include=set(Settings.model_fields))


def _effort(budget: Budget) -> str:
    """Digest of all that a budget consists of: a name alone can stand for anything."""
    content = {name: value for name, value in asdict(budget).items() if name != "summary"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _finished(path: Path, clean: Result, settings: Mapping[str, Any]) -> Result:
    """The result that is there already, if it is this run's."""
    result = read_result(path)
    if (record := result.adversarial) is None:
        raise ResultError(f"{path} is the result of another command; choose another name or output folder")
    names = ("norm", "eps", "budget", "effort", "sources")
    then = {name: getattr(record, name) for name in names}
    now = _settings_of(clean) | {"attack": settings}
    refuse_changes(_settings_of(result) | {"attack": then}, now, where=str(path))
    return result


def _record(found: Evaluation, task: AttackTask) -> AdversarialRecord:
    rows = [
        AttackRecord(
            role=row.role.value,
            attack=row.attack,
            source=row.source,
            correct=int(judged.correct.sum()),
            correct_vote=int(judged.correct_vote.sum()),
            passes=passes_of(row),
        )
        for row, judged in found.rows.items()
    ]
    return AdversarialRecord(
        norm=task.ball.norm,
        eps=task.ball.eps,
        budget=task.budget.name,
        effort=_effort(task.budget),
        sources={name: source.digest for name, source in sorted(task.sources.items())},
        images=found.images,
        correct=CorrectRecord.model_validate(found.counts),
        adaptive_vote=int(found.adaptive_vote.sum()),
        verdict=found.verdict.value,
        reason=found.reason,
        gradients_per_image=found.gradients_per_image,
        rows=rows,
        by_image=True,
        gradients_by_image=True,
    )
