"""The answers that were written by hand: all of them can be read, none repeats another, none is a call."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.calls import find
from tunewright.chat.similar import NearDuplicates, shingles
from tunewright.contract.catalog import Catalog, Tool, load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.suite import read_suite
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.families.direct import BEYOND, Question, questions, read_pairs
from tunewright.datagen.no_tool_questions import GROUPS, by_group

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog("coding")
PAIRS = read_pairs()
PEP_695 = re.compile(r"^(?:class|def) \w+\[|^type \w+ =", re.MULTILINE)


def test_there_are_four_hundred_and_most_need_no_catalog() -> None:
    assert len(PAIRS) >= 400
    assert sum(not pair.tools and not pair.unless for pair in PAIRS.values()) >= 300


def test_no_two_ask_or_answer_nearly_alike() -> None:
    for texts in ([p.question for p in PAIRS.values()], [p.answer for p in PAIRS.values()]):
        near = NearDuplicates(0.4)
        assert [text for text in texts if not near.add(text)] == []


def test_no_sentence_is_used_twice() -> None:
    runs = Counter(
        run
        for pair in PAIRS.values()
        for run in shingles(re.sub(r"```.*?```", "", pair.answer, flags=re.DOTALL), 8)
        if len(run) == 8
    )
    assert [run for run, count in runs.items() if count > 1] == []


def test_answers_and_questions_begin_in_many_ways() -> None:
    for texts, most in (
        ([p.answer for p in PAIRS.values()], 0.1),
        ([p.question for p in PAIRS.values()], 0.1),
    ):
        first = Counter(text.split()[0].lower().strip(",.:") for text in texts)
        word, count = first.most_common(1)[0]
        assert count <= most * len(texts), word
        assert len(first) > 100


def test_answers_are_one_sentence_to_a_few_paragraphs() -> None:
    words = sorted(len(pair.answer.split()) for pair in PAIRS.values())
    assert words[-1] <= 200
    assert words[len(words) // 10] <= 25
    assert words[-len(words) // 10] >= 60


def test_python_that_is_shown_is_python() -> None:
    for name, pair in PAIRS.items():
        for block in re.findall(r"```python\n(.*?)```", pair.answer, re.DOTALL):
            if sys.version_info >= (3, 12) or not PEP_695.search(block):
                compile(block, name, "exec")


@pytest.mark.parametrize("offered", [None, CATALOG.tool_names])
def test_no_answer_is_read_as_a_call_in_any_syntax(offered: tuple[str, ...] | None) -> None:
    for name, pair in PAIRS.items():
        found = find(pair.answer, tools=offered)
        assert not found.calls, name
        assert not found.problems, name


def test_the_suites_ask_none_of_it() -> None:
    guard = SuiteGuard(read_suite(path) for path in sorted((ROOT / "suites").glob("*.jsonl")))
    refused = {name: guard.reason(pair.question, pair.question, ()) for name, pair in PAIRS.items()}
    assert {name: reason for name, reason in refused.items() if reason} == {}


def test_other_tools_get_only_what_speaks_of_no_tool_of_ours() -> None:
    own = Catalog(name="own", tools=(Tool(name="resize", description="Make it small.", result={}),))
    namesake = Catalog(
        name="own", tools=(Tool(name="hover", description="Let a drone wait.", result={"height": "float"}),)
    )
    for catalog in (own, namesake):
        asked = list(questions(catalog))
        assert len(asked) >= 300
        named = set(CATALOG.tool_names) & {
            word for q in asked for word in re.findall(r"\w+", f"{q.text} {q.answer}")
        }
        assert not named


def test_some_tools_get_what_speaks_of_these_alone() -> None:
    few = CATALOG.only("read_file", "run_command")
    about = {tool for question in questions(few) for tool in question.tools}
    assert about == {"read_file", "run_command"}


def test_every_tool_of_ours_is_spoken_of() -> None:
    about = Counter(tool for question in questions(CATALOG) for tool in question.tools)
    assert set(about) == set(CATALOG.tool_names)
    assert min(about.values()) >= 3


def test_without_programs_no_answer_is_about_one() -> None:
    with_programs = {q.text for q in questions(CATALOG)} - {
        q.text for q in questions(CATALOG, programs=False)
    }
    assert with_programs
    for question in questions(CATALOG, programs=False):
        for tool in question.tools:
            assert f"{tool}(" not in re.sub(r"run_command\(\"cd", "", question.text + question.answer)


@given(st.integers(0, 60))
def test_no_question_is_both_groups_and_each_has_half(count: int) -> None:
    pool = [Question(str(number), "", "") for number in range(count)]
    parts = by_group(pool)
    assert sorted(parts) == sorted(GROUPS)
    assert sorted(q.text for part in parts.values() for q in part) == sorted(q.text for q in pool)
    assert abs(len(parts["navigation"]) - len(parts["other"])) <= 1


def test_nothing_in_them_looks_like_an_address() -> None:
    found = {
        name for name, pair in PAIRS.items() if re.search(r"[\w.]@[\w-]+\.\w", pair.question + pair.answer)
    }
    assert not found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[a]\nquestion = "x"', r"b\.toml: a\.answer: Field required"),
        ('[a]\nquestion = "x"\nanswer = " "', r"a\.answer: it is empty"),
        ('[a]\nquestion = "x"\nanswer = 3', r"a\.answer: Input should be a valid string"),
        ('[a]\nquestion = "x"\nanswer = "```python"', r"a\.answer: a ``` is not closed"),
        ('[a]\nquestion = "x"\nanswer = "y"\ntool = "z"', r"a\.tool: Extra inputs"),
        ('[a]\nquestion = "x"\nanswer = "y"\nunless = "mail"', r"a\.unless: Input should be a valid list"),
        (
            '[a]\nquestion = "X  y"\nanswer = "y"\n[b]\nquestion = "x y"\nanswer = "z"',
            r"b: b\.a asks the same",
        ),
        ("a = 1", r"b\.toml: a: Input should be a valid dictionary"),
        ("[a]\n[a]", r"b\.toml: .*line 2"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "b.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_pairs(tmp_path)


def test_declining_says_what_cannot_be_done_and_calls_nothing_by_a_name() -> None:
    declining = [question for question in questions(CATALOG) if question.family == BEYOND]
    assert len(declining) >= 15
    assert all(not question.tools for question in declining)
    assert all(
        re.search(r"\b(?:can't|no|not|nothing|none|beyond|neither|out of my reach)\b", q.answer)
        for q in declining
    )
