"""A run with a chosen precision as a table on the terminal."""

from rich.console import Console
from rich.table import Table

from stormbench.benchmarks.analysis.sample_summary import SampleSummary
from stormbench.metrics.estimates import Estimate


def print_sample(summary: SampleSummary) -> None:
    """Prints the figure in a line, what comes along with it, and a row a corruption; every figure with its interval."""
    result = summary.sample.result
    table = Table("corruption", f"{'CE' if summary.figure == 'mce' else 'top-1 error'}, %", "95 % interval")
    for name, estimate in summary.corruptions.items():
        table.add_row(name, f"{estimate.value:.1f}", _interval(estimate))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)  # names are a stranger's text
    console.print(f"{result.model.source}{f' behind {result.defense.spec}' if result.defense else ''}")
    console.print(
        f"{result.suite.name}, {result.data.images} images of {result.data.name}, {result.plan.blocks} blocks"
    )
    console.print(table)
    top5 = summary.top5_error
    around = Estimate(top5.value, top5.value - top5.half_width, top5.value + top5.half_width)
    lines = {"clean error": summary.clean, "top-5 mean error": around, "relative mCE": summary.relative_mce}
    for heading, figure in lines.items():
        if figure:
            console.print(f"{heading:17s}{figure.value:5.1f} %   95 % interval {_interval(figure)}")
    console.print(f"Images like these: 95 % interval plus or minus {summary.estimate.population_half_width:.2f}.")
    console.print(summary.conclusion)
    console.print(str(summary.sample.path))


def _interval(estimate: Estimate) -> str:
    return f"[{max(0.0, estimate.low):.1f}, {estimate.high:.1f}]"
