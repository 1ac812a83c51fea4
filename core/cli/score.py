"""``stormbench score``: a model on the cells of a suite."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stormbench.cli import options


def score(
    model: options.Model,
    data: options.Data,
    suite: options.Suite = "imagenet-c",
    out: options.Out = Path("results"),
    name: options.Name = None,
    defense: options.Defense = None,
    baseline: Annotated[str | None, typer.Option(help="Name, .toml or result .json to normalise by.")] = None,
    corruptions: options.Corruptions = None,
    severities: options.Severities = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    workers: options.Workers = options.DEFAULT_WORKERS,
    engine: options.EngineOption = options.Engine.local,
    scheduler: options.Scheduler = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images that go through the model at once.")] = 32,
    device: options.Device = "cpu",
    precision: Annotated[
        float | None, typer.Option(help="Stop when the 95 % interval is plus or minus so many points (try 1).")
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Stop after so many forward passes.")] = None,
    precision_mode: Annotated[
        options.Precision, typer.Option("--precision-mode", help="fp32; or faster and not quite equal.")
    ] = options.Precision.fp32,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the model by torch.compile.")] = False,
    channels_last: Annotated[bool, typer.Option("--channels-last", help="Weights and images in this layout.")] = False,
    skip_broken: options.SkipBroken = False,
    released: Annotated[Path | None, typer.Option(help="Read the cells from this generated or published set.")] = None,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    crop: options.Crop = None,
    interpolation: options.Interpolation = None,
) -> None:
    """Scores MODEL and prints its table; a second try continues an interrupted one."""
    from stormbench.benchmarks.analysis.baselines import find_baseline, suite_baseline
    from stormbench.benchmarks.evaluation.evaluate import evaluate
    from stormbench.benchmarks.evaluation.options import RunOptions
    from stormbench.benchmarks.models.inference import Inference
    from stormbench.benchmarks.models.loading import load_model
    from stormbench.benchmarks.suites.registry import SUITES
    from stormbench.cli import sampled
    from stormbench.cli.progress import progress
    from stormbench.cli.tables.runs import print_run

    geometry: dict[str, Any] = {"resize": resize, "crop": crop, "interpolation": interpolation}
    chosen = (
        SUITES[suite]
        .resized(**geometry)
        .narrowed(options.names(corruptions, "--corruptions"), options.integers(severities, "--severities"))
    )
    normaliser = find_baseline(baseline, suite) if baseline else suite_baseline(suite)
    loaded = load_model(
        model, mean=options.three_fractions(mean, "--mean"), std=options.three_fractions(std, "--std"), **geometry
    )
    sure = precision is not None or budget is not None
    with progress("scoring", "passes" if sure else "images") as report:
        how = RunOptions(
            out=out,
            name=name,
            defense=defense,
            limit=limit,
            seed=seed,
            workers=options.workers(engine, scheduler, workers),
            batch_size=batch_size,
            device=device,
            inference=Inference(precision_mode.value, compiled, channels_last),
            skip_broken=skip_broken,
            released=released,
            progress=report,
        )
        if sure:
            sampled.score(loaded, data, chosen, how, precision=precision, budget=budget, baseline=baseline)
            return
        run = evaluate(loaded, data, chosen, how)
    print_run(run, normaliser)
