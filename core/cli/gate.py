"""``stormbench gate``: is a new model worse than a base by more than a margin? The exit status says so."""

import json
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stormbench.cli import options

if TYPE_CHECKING:
    from stormbench.benchmarks.analysis.gate_report import GateReport

_CANNOT_TELL = 2


def gate(
    new: Annotated[str, typer.Argument(help="The new model, SOURCE:NAME, or its result .json.")],
    base: Annotated[str, typer.Argument(help="What it must not be worse than: a model or a result .json.")],
    worse: Annotated[float, typer.Option(min=0, help="By how many points of mCE (or mean error) it may be worse.")],
    data: Annotated[str | None, typer.Option(help="The images, as for score; not needed for two results.")] = None,
    suite: options.Suite = "imagenet-c",
    out: options.Out = Path("gate"),
    budget: Annotated[
        int | None, typer.Option(min=1, help="At most so many passes of each model; default 30,000.")
    ] = None,
    corruptions: options.Corruptions = None,
    severities: options.Severities = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    workers: options.Workers = options.DEFAULT_WORKERS,
    batch_size: Annotated[int, typer.Option(min=1, help="Images that go through the model at once.")] = 32,
    device: options.Device = "cpu",
) -> None:
    """Exits with 0 where NEW is not worse than BASE by more than --worse, 1 where it is, 2 where that is not known.

    Not known is also what went wrong: the gate fails closed. Writes gate.json, gate.md and gate.xml (JUnit).
    """
    how: dict[str, Any] = {"limit": limit, "workers": workers, "batch_size": batch_size, "device": device, "seed": seed}
    cells = options.names(corruptions, "--corruptions"), options.integers(severities, "--severities")
    title = f"{new} against {base}, margin {worse:g}"
    try:
        report = _decide(new, base, data, suite, cells, margin=worse, out=out, budget=budget, **how)
        _write(report, out)
    except Exception as error:
        if not _is_ours(error):
            traceback.print_exc()
        _write_error(title, error, out)
        typer.echo(f"stormbench: {options.printable(str(error))}; the gate cannot tell", err=True)
        raise typer.Exit(_CANNOT_TELL) from None
    typer.echo(report.conclusion)
    raise typer.Exit(int(report.decision.verdict))


def _decide(new: str, base: str, data: str | None, suite: str, cells: Any, **how: Any) -> "GateReport":
    from stormbench.benchmarks.analysis.gate_report import gate_report
    from stormbench.benchmarks.evaluation.gate import gate as run
    from stormbench.benchmarks.suites.registry import corruption_suite
    from stormbench.cli.progress import progress

    with progress("scoring", "passes") as report:
        gated = run(new, base, data, corruption_suite(suite).narrowed(*cells), progress=report, **how)
    return gate_report(gated.new, gated.base, gated.decision, how["margin"])


def _write(report: "GateReport", out: Path) -> None:
    from stormbench.benchmarks.analysis.gate_report import junit
    from stormbench.files import atomic_write
    from stormbench.metrics.gate import Verdict

    verdict = report.decision.verdict
    test = f"{report.new} is not worse than {report.base} by more than {report.margin:g} points of {report.figure}"
    failure = report.conclusion if verdict is Verdict.WORSE else ""
    error = report.conclusion if verdict is Verdict.CANNOT_TELL else ""
    atomic_write(out / "gate.json", (json.dumps(report.as_json(), indent=1) + "\n").encode())
    atomic_write(out / "gate.md", report.markdown().encode())
    atomic_write(out / "gate.xml", junit(test, failure=failure, error=error, details=report.conclusion).encode())


def _write_error(title: str, error: Exception, out: Path) -> None:
    """Leaves no report of an earlier gate where this one has none; a full disk must not change the exit status."""
    from stormbench.benchmarks.analysis.gate_report import junit
    from stormbench.files import atomic_write

    message = options.printable(str(error))
    try:
        (out / "gate.json").unlink(missing_ok=True)
        atomic_write(out / "gate.md", f"**The gate cannot tell: {message}**\n".encode())
        atomic_write(out / "gate.xml", junit(title, error=message).encode())
    except OSError as second:
        typer.echo(f"stormbench: no report could be written: {second}", err=True)


def _is_ours(error: Exception) -> bool:
    from stormbench.errors import StormbenchError

    return isinstance(error, StormbenchError | OSError)
