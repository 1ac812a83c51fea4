"""The leaderboard: results of a folder as ranked rows, as tables for papers, and as one page that needs no network."""

from stormbench.benchmarks.leaderboard.boards import Board, Row, build_boards
from stormbench.benchmarks.leaderboard.site import write_site

__all__ = ["Board", "Row", "build_boards", "write_site"]
