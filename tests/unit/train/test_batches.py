"""Every row trains once a pass, in full batches, and a step's batch depends on seed and step alone."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.train.batches import ALIGN, Schedule, in_order, lay_out
from tunewright.train.encode import Encoded

LENGTHS = st.lists(st.integers(2, 300), min_size=1, max_size=60)
ROWS = st.lists(
    st.lists(st.tuples(st.integers(0, 999), st.booleans()), min_size=2, max_size=40), min_size=1, max_size=9
)


def encoded(pairs: list[tuple[int, bool]], row: int = 0) -> Encoded:
    return Encoded(tuple(token for token, _ in pairs), tuple(trained for _, trained in pairs), row)


@given(LENGTHS, st.integers(1, 7), st.integers(0, 5))
def test_whole_passes_train_every_row_equally_often(lengths: list[int], size: int, seed: int) -> None:
    schedule = Schedule(lengths, size, seed)
    # 32 batches are drawn together; after as many of those as there are rows, passes are whole.
    steps = 32 * len(lengths) if len(lengths) < 10 else 32
    seen = Counter(row for step in range(steps) for row in schedule.rows(step))
    drawn = steps * size
    assert sum(seen.values()) == drawn
    least, rest = divmod(drawn, len(lengths))
    assert set(seen.values()) <= {least, least + 1}
    assert sum(count == least + 1 for count in seen.values()) == rest or rest == 0


@given(LENGTHS, st.integers(1, 7), st.integers(0, 5), st.integers(0, 200))
def test_a_step_has_the_same_rows_whatever_was_asked_before(
    lengths: list[int], size: int, seed: int, step: int
) -> None:
    walked = Schedule(lengths, size, seed)
    for earlier in range(step):
        walked.rows(earlier)
    assert walked.rows(step) == Schedule(lengths, size, seed).rows(step)
    assert len(walked.rows(step)) == size


def test_another_seed_gives_another_order() -> None:
    lengths = list(range(2, 202))
    assert Schedule(lengths, 8, 1).rows(0) != Schedule(lengths, 8, 2).rows(0)


def test_rows_of_similar_length_stand_together() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(20, 400, size=800).tolist()
    schedule = Schedule(lengths, 8, 3)
    batches = [[lengths[i] for i in schedule.rows(step)] for step in range(100)]
    padding = 1 - sum(map(sum, batches)) / sum(len(batch) * max(batch) for batch in batches)
    assert padding < 0.1


@given(ROWS)
def test_a_batch_holds_each_trained_token_once_at_the_place_before_it(
    rows: list[list[tuple[int, bool]]],
) -> None:
    batch = lay_out([encoded(row) for row in rows])
    length = batch.inputs.shape[1]
    wanted = sorted(
        (number * length + at - 1, row[at][0])
        for number, row in enumerate(rows)
        for at in range(1, len(row))
        if row[at][1]
    )
    kept = batch.weights > 0
    assert sorted(zip(batch.positions[kept].tolist(), batch.targets[kept].tolist())) == wanted
    assert batch.tokens == len(wanted)
    for number, row in enumerate(rows):
        assert batch.inputs[number, : len(row) - 1].tolist() == [token for token, _ in row[:-1]]
        assert not batch.inputs[number, len(row) - 1 :].any()
    assert length % ALIGN == 0


def test_a_row_of_one_token_cannot_be_trained() -> None:
    with pytest.raises(ValueError, match="two tokens"):
        lay_out([encoded([(1, True)])])


def test_validation_takes_every_row_once_and_the_remainder_too() -> None:
    rows = [
        Encoded(tuple(range(length)), (True,) * length, row) for row, length in enumerate((5, 3, 9, 4, 2))
    ]
    batches = in_order(rows, 2)
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [row.row for batch in batches for row in batch] == [4, 1, 3, 0, 2]
