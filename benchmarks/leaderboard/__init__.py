"""The leaderboard: results of a folder as ranked rows, as tables for papers, and as one page that needs no network."""

from stormbench.benchmarks.leaderboard.boards import Board, Row, build_boards
from stormbench.benchmarks.leaderboard.columns import Figure
from stormbench.benchmarks.leaderboard.curves import Curve, is_curve, read_curve, read_curves
from stormbench.benchmarks.leaderboard.entries import Entry, find_baselines, read_entries, read_entry
from stormbench.benchmarks.leaderboard.ranks import Rank
from stormbench.benchmarks.leaderboard.site import write_site
from stormbench.benchmarks.leaderboard.texts import used_columns

__all__ = [
    "Board",
    "Curve",
    "Entry",
    "Figure",
    "Rank",
    "Row",
    "build_boards",
    "find_baselines",
    "is_curve",
    "read_curve",
    "read_curves",
    "read_entries",
    "read_entry",
    "used_columns",
    "write_site",
]
