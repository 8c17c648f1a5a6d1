"""Requests that refer to the result before them."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Structure
from tunewright.datagen.example_messages import Step, Work, compose
from tunewright.datagen.families.family_file import own_families, shipped_families
from tunewright.datagen.program import Call
from tunewright.datagen.structure import Form, draw_forms

FAMILIES = {family.name: family for family in shipped_families()}
FAMILY = """
[[family]]
name = "mine.again"
kind = "one_call"
tools = ["read_file"]
after = ["{after}"]
found = '{found}'
keeps = [{keeps}]
requests = ["And how long is it?"]
program = "print(read_file($path).line_count)"
answers = ["{{out}} lines."]
"""


def own(folder: Path, after: str = "read.count", found: str = "", keeps: str = '"path"') -> Any:
    path = folder / "mine.toml"
    path.write_text(FAMILY.format(after=after, found=found, keeps=keeps), encoding="utf-8")
    return own_families([path], load_catalog("coding"))


def test_a_follow_up_takes_its_slots_from_the_request_and_the_output_before_it() -> None:
    users = FAMILIES["then.users"]
    slots: dict[str, str | int] = {"symbol": "fill", "file": "a.py", "line": 1, "at": "a.py:1"}
    taken = users.take(slots, "pkg/b.py:12")
    assert taken is not None
    assert taken == {"symbol": "fill", "file": "pkg/b.py", "line": 12, "before": "pkg/b.py:12"}
    assert users.fill_program(taken).startswith('result = find_references("pkg/b.py", 12, "fill")')
    assert users.take(slots, "not found") is None


def test_an_optional_part_that_is_not_there_is_nothing_to_refer_to(tmp_path: Path) -> None:
    (family,) = own(tmp_path, found="(?P<name>[a-z]+)?(?P<path>[0-9.]+)", keeps="")
    assert family.take({}, "12") is None
    assert family.take({}, "ab12") == {"name": "ab", "path": "12", "before": "ab12"}


def test_a_name_that_an_outline_lists_twice_is_not_asked_about() -> None:
    uses = FAMILIES["then.uses_of_first_symbol"]
    assert uses.take({"path": "a.py"}, "read 3\nwrite 9") is not None
    assert uses.take({"path": "a.py"}, "read 3\nwrite 9\nread 12") is None
    assert uses.take({"path": "a.py"}, "read 3\nwrite 9\nreading 12") is not None


def test_every_tool_is_called_first_by_a_family_that_can_be_followed_up_on() -> None:
    later = [family for family in FAMILIES.values() if family.after]
    followed = {family.tool for family in FAMILIES.values() if any(each.follows(family) for each in later)}
    assert followed == {family.tool for family in FAMILIES.values()}
    assert {family.tool for family in later} == followed


def test_a_family_of_ones_own_can_follow_up_on_ours(tmp_path: Path) -> None:
    (family,) = own(tmp_path)
    assert family.follows(FAMILIES["read.count"])
    assert not family.follows(FAMILIES["read.long"])
    (family,) = own(tmp_path, after="ruff.each.*")
    assert family.follows(FAMILIES["ruff.each.code"])
    assert not family.follows(FAMILIES["ruff.codes"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"after": "read.nothing"}, "after: read.nothing is not a family"),
        ({"after": "status.clean"}, "keeps: status.clean has no {path}"),
        ({"after": "pytest.seconds"}, "after: the output of pytest.seconds is not shown"),
        ({"found": "("}, "found: not a regular expression"),
        ({"keeps": ""}, "program: $path is not filled by found or keeps"),
    ],
)
def test_a_wrong_link_is_refused_with_file_family_and_key(
    tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        own(tmp_path, **changed)
    assert f"mine.toml: family mine.again: {said}" in str(caught.value)


@given(
    st.lists(st.sampled_from(["", "hover", "ruff_check"]), max_size=300), st.floats(0, 1), st.integers(0, 99)
)
def test_follow_ups_come_after_the_same_share_of_every_tools_loops_and_change_nothing_else(
    labels: list[str], rate: float, seed: int
) -> None:
    without = draw_forms(labels, Structure(multi_turn=0.8), Random(seed))
    forms = draw_forms(labels, Structure(multi_turn=0.8, follow_ups=rate), Random(seed))
    assert all(form.loop and 1 <= form.follow_ups <= 5 for form in forms if form.follow_ups)
    assert [replace(form, follow_ups=0) for form in forms] == without
    for label in set(labels):
        loops = [form for form, other in zip(forms, labels) if other == label and form.loop]
        assert abs(sum(form.follow_ups > 0 for form in loops) - rate * len(loops)) < 1


@pytest.mark.parametrize("syntax", ["code_mode", "hermes_json", "openai"])
def test_each_step_is_a_request_a_call_its_response_and_an_answer(syntax: str) -> None:
    first, second = (
        Work(
            f"print(read_file({path!r}).line_count)",
            "3",
            f"{path} has 3.",
            (Call("read_file", {"path": path}, {}),),
        )
        for path in ("a.py", "b.py")
    )
    form = Form(system=True, loop=True, preamble=True, follow_ups=1)
    step = Step("And b.py?", second, "Sure.")
    messages = compose(form, "s", "How long is a.py?", first, None, "One moment.", syntax, None, [step])
    turn = ["user", "assistant", "tool", "assistant"]
    assert [message["role"] for message in messages] == ["system", *turn, *turn]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["How long is a.py?", "And b.py?"]
    assert messages[2]["content"].startswith("One moment.")
    assert messages[6]["content"].startswith("Sure.")
    assert (messages[4]["content"], messages[8]["content"]) == ("a.py has 3.", "b.py has 3.")
