"""Writes the leaderboard: the page, the CSV, the Markdown and the LaTeX."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stormbench._version import __version__
from stormbench.benchmarks.leaderboard.boards import Board, Row
from stormbench.benchmarks.leaderboard.charts import Chart, board_charts, clean_errors, curve_chart
from stormbench.benchmarks.leaderboard.curves import CURVE_COLUMNS, Curve
from stormbench.benchmarks.leaderboard.libraries import datatables, vega_embed
from stormbench.benchmarks.leaderboard.texts import all_rows, as_csv, as_latex, as_markdown, curves_as_csv, used_columns
from stormbench.benchmarks.results.images import Result
from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.samples import SampledResult
from stormbench.benchmarks.results.sequences import SequenceResult
from stormbench.benchmarks.results.settings import DefenseRecord
from stormbench.files import atomic_write

_SHOWN_TEXT = 2000  # characters of a preprocessing or a list of versions; the result file has all of it


@dataclass(frozen=True)
class _Section:
    """A board on the page."""

    board: Board
    charts: list[tuple[str, Chart]]


def write_site(boards: Sequence[Board], folder: Path, curves: Sequence[Curve] = ()) -> Path:
    """Writes ``index.html``, ``leaderboard.csv``, ``leaderboard.md`` and ``leaderboard.tex``.

    Where there are trade-off curves, their points go into ``tradeoffs.csv``, for they have other columns.

    Args:
        boards: what ``build_boards`` made.
        folder: where they go; made if missing.
        curves: what ``read_curves`` found.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: the libraries that draw the page are not installed.
    """
    page = render(boards, curves)
    texts = {
        "leaderboard.csv": as_csv(boards),
        "leaderboard.md": as_markdown(boards, curves),
        "leaderboard.tex": as_latex(boards, curves),
        **({"tradeoffs.csv": curves_as_csv(curves)} if curves else {}),
    }
    for name, text in texts.items():
        atomic_write(folder / name, text.encode())
    atomic_write(folder / "index.html", page.encode())
    return folder / "index.html"


def render(boards: Sequence[Board], curves: Sequence[Curve] = ()) -> str:
    """The page. It runs only the scripts whose digests it names, and asks nothing of any network."""
    rows = all_rows(boards)
    sections = _sections(boards)
    traded = [(f"trade-{at}", curve, curve_chart(curve)) for at, curve in enumerate(curves)]
    charts = [place for section in sections for place in section.charts] + [(at, chart) for at, _, chart in traded]
    scripts = [datatables(), vega_embed(), _asset("page.js")]
    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        rows=rows,
        columns=used_columns(rows),
        sections=sections,
        filters=_filters(rows),
        measured=[row for row in rows if row.run],
        provenance=[_provenance(row.run.result) for row in rows if row.run],
        style=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        curves=traded,
        curve_columns=CURVE_COLUMNS,
        specifications={place: chart.specification for place, chart in charts},
        made=datetime.now(UTC).date().isoformat(),
        version=__version__,
    )


def _sections(boards: Sequence[Board]) -> list[_Section]:
    elsewhere = clean_errors(boards)
    charts = [board_charts(board, elsewhere) for board in boards]
    return [
        _Section(board, [(f"chart-{at}-{number}", chart) for number, chart in enumerate(drawn)])
        for at, (board, drawn) in enumerate(zip(boards, charts, strict=True))
    ]


def _filters(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The choices of each filter, by the heading of its column."""
    return {
        "Suite": sorted({row.suite for row in rows}),
        "Data": sorted({row.data for row in rows}),
        "Defense": sorted({row.defense or "none" for row in rows}),
        "Kind": sorted({row.kind for row in rows}),
    }


def _provenance(result: Result | SequenceResult | SampledResult) -> dict[str, str]:
    """Where the figures of a measured row come from."""
    defense = {"Defense": _defense(result.defense)} if result.defense else {}
    data, skipped = result.data, result.data.skipped
    provenance = {
        "Model": result.model.source,
        "Weights": f"digest {result.model.digest}",
        "Preprocessing": json.dumps(asdict(result.model.preprocessing)),
        **defense,
        "Images": f"{data.images:,} of {data.name}, {data.classes} classes, fingerprint {data.fingerprint}",
        "Pixels": _pixels(result),
        "Seed": str(result.seed),
        "Scored": f"{result.created:%Y-%m-%d %H:%M} UTC",
        "Versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "Outcomes": f"SHA-256 {result.outcomes.sha256}",
        "Skipped": f"{len(skipped)} images: {', '.join(skipped[:20])}" if skipped else "nothing",
    }
    return {what: shown(text, longest=_SHOWN_TEXT) for what, text in provenance.items()}


def _defense(record: DefenseRecord) -> str:
    votes = f", {record.draws} draws vote" if record.draws and record.draws > 1 else ""
    weights = f", weights {record.weights}" if record.weights else ""
    return f"{record.spec}, seed {record.seed}{votes}{weights}"


def _pixels(result: Result | SequenceResult | SampledResult) -> str:
    geometry = json.dumps(asdict(result.suite.geometry)) if result.suite.geometry else "as they are"
    codec = f"JPEG quality {result.suite.jpeg_quality}" if result.suite.jpeg_quality else "lossless"
    released = f", read from {result.data.released}" if result.data.released else ""
    return f"{result.suite.name}, severities of scale {result.suite.scale}, geometry {geometry}, {codec}{released}"


def _policy(scripts: Sequence[str]) -> str:
    digests = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
