"""``stormbench demo``: the whole way on real images, in a minute, with nothing to download."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from stormbench.cli import options


def demo(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Keep the results in this folder.")] = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Scores two small networks on handwritten digits, compares them, and attacks one behind RAIN."""
    from stormbench.benchmarks.demo.networks import NETWORKS
    from stormbench.benchmarks.evaluation.attack import attack
    from stormbench.benchmarks.evaluation.evaluate import evaluate
    from stormbench.benchmarks.leaderboard import build_boards, read_entry
    from stormbench.benchmarks.models.loading import load_model
    from stormbench.cli.progress import progress
    from stormbench.cli.tables.attacks import print_story
    from stormbench.cli.tables.boards import print_boards
    from stormbench.cli.tables.runs import print_run

    with TemporaryDirectory() as scratch:
        entries = []
        for name in NETWORKS:
            model = load_model(f"python:stormbench.benchmarks.demo.networks:{name}")
            with progress(f"scoring {name}") as report:
                run = evaluate(model, "digits", "cifar-c", out=out or scratch, workers=workers, progress=report)
            print_run(run)
            entries.append(read_entry(run.path, {}))
        print_boards(build_boards(entries))
        with progress("attacking RAIN") as report:
            _, attacked = attack(
                f"python:stormbench.benchmarks.demo.networks:{NETWORKS[0]}",
                "digits",
                "cifar-c",
                out=out or scratch,
                eps=16 / 255,
                budget="quick",
                defense="rain",
                limit=50,
                batch_size=25,
                workers=workers,
                progress=report,
            )
        print_story(attacked)
