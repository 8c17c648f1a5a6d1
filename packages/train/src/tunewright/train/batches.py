"""Which examples are trained at which step, and how they are laid out.

mlx-lm's own batching leaves out the last rows of every pass and groups consecutive rows of the file. Here
every row trains once a pass, rows of similar length are batched together so that little is padding, and the batch
of a step is a pure function of seed and step: a resumed run needs no generator state.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewright.train.encode import Encoded

POOL = 32  # batches that are sorted by length together
SHARED = 32  # tokens of a common beginning, at least, that are worth computing once
ALIGN = 16  # lengths are padded up to a multiple of this, so that few shapes occur

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Batch:
    """`rows` examples of up to `length` tokens behind a prefix that all share, padded on the right with zeros.

    prefix: (p,) tokens that every example begins with, none of which is predicted with loss; none where p is 0.
    inputs: (rows, length) tokens fed to the model behind them.
    positions: (n,) places in the flattened inputs whose next token has loss, padded with place 0.
    targets: (n,) the next tokens there.
    weights: (n,) of the loss, above 0 to 1; 0 for padding.
    """

    inputs: Ints
    positions: Ints
    targets: Ints
    weights: npt.NDArray[np.float32]
    prefix: Ints

    @property
    def tokens(self) -> int:
        """Tokens with loss."""
        return int(np.count_nonzero(self.weights))


def shared_prefix(rows: Sequence[Encoded], align: int = ALIGN) -> int:
    """How many tokens all rows begin with and none of them predicts with loss: a multiple of `align`.

    0 where there are too few to be worth while, or a single row.
    """
    if len(rows) < 2:
        return 0
    end = min(len(row) - 2 for row in rows)
    first = min(next((i for i, trained in enumerate(row.trained[1:]) if trained), end) for row in rows)
    end = min(end, first)
    for other in rows[1:]:
        pairs = zip(rows[0].tokens[:end], other.tokens[:end])
        end = next((i for i, (mine, its) in enumerate(pairs) if mine != its), end)
    end -= end % align
    return end if end >= SHARED else 0


def lay_out(rows: Sequence[Encoded], align: int = ALIGN, *, share: bool = False) -> Batch:
    """Put examples side by side; with `share`, what all begin with is kept once, as the prefix.

    Raises ValueError for no rows, or rows shorter than two tokens.
    """
    prefix = shared_prefix(rows, align) if share else 0
    longest = max(len(row) for row in rows) - 1 - prefix
    if longest < 1:
        raise ValueError("an example needs two tokens")
    length = -(-longest // align) * align
    inputs = np.zeros((len(rows), length), np.int32)
    positions: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    for number, row in enumerate(rows):
        inputs[number, : len(row) - 1 - prefix] = row.tokens[prefix:-1]
        at = np.flatnonzero(row.trained[1:])
        weights += [row.trained[i + 1] for i in at]
        positions += (number * length + at - prefix).tolist()
        targets += [row.tokens[i + 1] for i in at]
    count = len(positions)
    padding = -count % (4 * align)
    return Batch(
        inputs,
        np.array(positions + [0] * padding, np.int32),
        np.array(targets + [0] * padding, np.int32),
        np.array(weights + [0.0] * padding, np.float32),
        np.array(rows[0].tokens[:prefix], np.int32),
    )


class Schedule:
    """Which rows each step trains: passes over all rows, one after the other, in pools sorted by length.

    A batch may span two passes, so that every batch is full and no row is left out.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        if not lengths:
            raise ValueError("no rows")
        self._lengths = np.array(lengths)
        self._size = batch_size
        self._seed = seed
        self._pool: tuple[int, list[list[int]]] = (-1, [])

    def rows(self, step: int) -> list[int]:
        """Indices of the rows of a step, which counts from 0."""
        pool, place = divmod(step, POOL)
        if self._pool[0] != pool:
            self._pool = (pool, self._make_pool(pool))
        return self._pool[1][place]

    def _make_pool(self, pool: int) -> list[list[int]]:
        width = POOL * self._size
        drawn = [self._row(position) for position in self._span(pool * width, width)]
        drawn.sort(key=lambda row: (self._lengths[row], row))
        batches = [drawn[i : i + self._size] for i in range(0, width, self._size)]
        order = np.random.default_rng([self._seed, 1, pool]).permutation(POOL)
        return [batches[i] for i in order]

    def _span(self, start: int, width: int) -> Iterator[tuple[int, int]]:
        for position in range(start, start + width):
            yield divmod(position, len(self._lengths))

    def _row(self, place: tuple[int, int]) -> int:
        epoch, index = place
        return int(self._order(epoch)[index])

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        cached = getattr(self, "_epoch", None)
        if cached is None or cached[0] != epoch:
            order = np.random.default_rng([self._seed, 0, epoch]).permutation(len(self._lengths))
            cached = self._epoch = (epoch, order)
        return cached[1]


def in_order(rows: Sequence[Encoded], batch_size: int) -> list[list[Encoded]]:
    """Every row exactly once, the shortest first: for validation, whose sums do not depend on the order."""
    ordered = sorted(rows, key=lambda row: (len(row), row.row))
    return [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
