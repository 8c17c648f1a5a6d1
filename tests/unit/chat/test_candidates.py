"""Candidates out of a served log: each conversation once, the longest of it, without a mark."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.served import asking, calling, saying, served
from tunewright.chat.candidates import candidates
from tunewright.chat.review_mark import SERVED, mark_of


def logged(*messages: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    row = served(*messages, finish=finish)
    return {"mark": "", **row, "meta": {**row["meta"], "source": SERVED}}


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=6), data=st.data())
def test_of_each_conversation_the_longest_row_is_left_wherever_it_is(
    lengths: list[int], data: st.DataObject
) -> None:
    talks = [
        [part for turn in range(length) for part in (asking(f"{talk}, {turn}?"), saying(f"{talk}: {turn}."))]
        for talk, length in enumerate(lengths)
    ]
    rows = [logged(*talk[: 2 * turn]) for talk in talks for turn in range(1, len(talk) // 2 + 1)]
    made = candidates(data.draw(st.permutations(rows)))
    assert sorted(map(str, (row["messages"] for row in made))) == sorted(map(str, talks))
    assert all(mark_of(row) == "" and row["meta"]["seen"] == 1 for row in made)


def test_equal_conversations_are_counted_whatever_their_ids_and_spacing() -> None:
    other = calling("Porto")
    other["tool_calls"][0]["id"] = "another"
    rows = [
        logged(asking("Porto?"), calling("Porto")),
        logged(asking("Porto? "), other),
        logged(asking("Porto?"), calling("Faro")),
    ]
    assert [row["meta"]["seen"] for row in candidates(rows)] == [2, 1]


def test_a_mark_in_the_log_is_no_persons_mark() -> None:
    assert candidates([{**logged(asking("a?"), saying("b.")), "mark": "keep"}])[0]["mark"] == ""


def test_what_could_not_be_trained_on_is_kept_with_the_reason() -> None:
    broken = calling("Porto")
    broken["tool_calls"][0]["function"]["arguments"] = "{"
    rows = [
        logged(asking("a?"), saying("")),
        logged(asking("b?"), broken),
        logged(asking("c?"), saying("It is"), finish="length"),
        logged(asking("d?"), saying("Fine.")),
    ]
    problems = [row["meta"].get("problem", "") for row in candidates(rows)]
    assert problems[0] == "every answer is empty"
    assert "not JSON" in problems[1]
    assert problems[2] == "the answer was cut off"
    assert problems[3] == ""
