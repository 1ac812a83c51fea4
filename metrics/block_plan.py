"""The sampling design of a run with a chosen precision: which image is shown in which cell, pass by pass.

A full run shows every image in all K cells of a suite. Here each pass shows one image in one cell, in blocks of K
passes that cover every cell once. Two passes on one image tell less than two on different images (their outcomes
correlate, 0.21 to 0.26 in measured networks), so each image is used once before any is used again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError

Indices = NDArray[np.int64]

# One image in so many is also shown clean when it first comes up; after as many rounds all were.
CLEAN_EVERY = 5


@dataclass(frozen=True)
class BlockPlan:
    """A Latin design of N rounds of images against K cells, N blocks of K passes in all.

    Pass t belongs to round r = t // N. It shows image ``image_order[t % N]`` in cell
    ``cell_order[(t + r // (K / gcd(N, K))) % K]``. Hence every block covers each cell once, every round each image
    once, and all N blocks together every (image, cell) pair exactly once: the full run.

    Attributes:
        image_order: a permutation of the images, shape ``(N,)``.
        cell_order: a permutation of the cells, shape ``(K,)``. It must be random: in the order of a suite the five
            severities of a corruption would meet on one image in later rounds.
    """

    image_order: Indices
    cell_order: Indices

    @classmethod
    def of(cls, images: Sequence[str], cells: Sequence[str], seed: int) -> "BlockPlan":
        """The plan of a seed: both orders are those of the names' BLAKE2b digests, whatever order they are given in.

        Args:
            images: the images' keys.
            cells: the cells' names, such as ``"fog/3"``.
            seed: of the run.

        Raises:
            InputError: there are no images or no cells, or a name stands twice.

        Example:
            >>> plan, turned = BlockPlan.of("abc", ["x", "y"], 0), BlockPlan.of("cba", ["x", "y"], 0)
            >>> ["abc"[index] for index in plan.image_order] == ["cba"[index] for index in turned.image_order]
            True
        """
        for what, names in (("images", images), ("cells", cells)):
            if not len(names) or len(set(names)) < len(names):
                raise InputError(f"a plan needs {what} of different names, got {len(names)}, {len(set(names))} of them")
        return cls(_shuffled(images, seed, "quick"), _shuffled(cells, seed, "quick/cells"))

    @property
    def images(self) -> int:
        """N, the number of images; also the number of blocks of the full run."""
        return len(self.image_order)

    @property
    def cells(self) -> int:
        """K, the number of cells; also the number of passes of a block."""
        return len(self.cell_order)

    def passes(self, start: int, stop: int) -> tuple[Indices, Indices]:
        """Image and cell of the passes ``start`` to ``stop`` (excluded), two arrays of shape ``(passes,)``.

        Raises:
            InputError: the range leaves the N * K passes of the full run.

        Example:
            Four images, two cells: in the first round the images alternate between the cells; in the second each is
            shown in the other one.

            >>> plan = BlockPlan(np.arange(4), np.arange(2))
            >>> [array.tolist() for array in plan.passes(0, 8)]
            [[0, 1, 2, 3, 0, 1, 2, 3], [0, 1, 0, 1, 1, 0, 1, 0]]
        """
        if not 0 <= start <= stop <= self.images * self.cells:
            raise InputError(f"want passes within 0..{self.images * self.cells}, got {start}..{stop}")
        at = np.arange(start, stop)
        shift = at // self.images // (self.cells // gcd(self.images, self.cells))
        return self.image_order[at % self.images], self.cell_order[(at + shift) % self.cells]

    def shown_clean(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Whether the image of a pass is shown clean as well: for every fifth image in each of the first five rounds.

        Example:
            >>> BlockPlan(np.arange(6), np.arange(2)).shown_clean(0, 12).astype(int).tolist()
            [1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]
        """
        at = np.arange(start, stop)
        return np.asarray(at % self.images % CLEAN_EVERY == at // self.images)

    def by_cell(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the first passes, in order of the passes, as a table of a row a block and a column a cell.

        Args:
            values: shape ``(blocks * K,)``.

        Returns:
            Shape ``(blocks, K)``.

        Raises:
            InputError: the values are not of whole blocks.

        Example:
            >>> plan = BlockPlan(np.arange(4), np.array([1, 0]))
            >>> plan.by_cell(np.array([10, 20, 30, 40])).tolist()
            [[20, 10], [40, 30]]
        """
        if len(values) % self.cells:
            raise InputError(f"want whole blocks of {self.cells} passes, got {len(values)} values")
        table = np.empty((len(values) // self.cells, self.cells), dtype=values.dtype)
        table[np.arange(len(values)) // self.cells, self.passes(0, len(values))[1]] = values
        return table

    def images_by_cell(self, blocks: int) -> Indices:
        """The image that is shown in each cell of the first blocks, shape ``(blocks, K)``."""
        return self.by_cell(self.passes(0, blocks * self.cells)[0])


def _shuffled(names: Sequence[str], seed: int, purpose: str) -> Indices:
    def digest(index: int) -> bytes:
        return blake2b(f"{seed}\x1f{purpose}\x1f{names[index]}".encode(errors="surrogateescape")).digest()

    return np.array(sorted(range(len(names)), key=digest), dtype=np.int64)
