"""What a conversation has already found out is the same in every world, and may be looked up again."""

from typing import Any

import pytest

from tests.support.gold import answer, trials
from tunewright.contract.atomic import sha256_json
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval.grade_answer import judge
from tunewright.eval.suite_check import check_suite
from tunewright.eval.suite_score import suite_hash

LOOKUP = 'goto_definition("a.py", 3, "run")'
KNOWN = {
    "tool": "goto_definition",
    "arguments": {"file": "a.py", "line": 3, "symbol": "run"},
    "result": {"success": True, "locations": [{"file": "lib/b.py", "line": 40}]},
}


def case(**changed: Any) -> Case:
    return Case.model_validate(
        {
            "id": "talk",
            "category": "k",
            "messages": [
                {"role": "user", "content": "Where is run of a.py:3 defined?"},
                {
                    "role": "assistant",
                    "content": answer(f"loc = {LOOKUP}.locations[0]\nprint(loc.file, loc.line)"),
                },
                {"role": "tool", "content": "lib/b.py 40"},
                {"role": "assistant", "content": "In lib/b.py, line 40."},
                {"role": "user", "content": "Who uses it there? Files."},
            ],
            "expect": {
                "tools": ["find_references"],
                "arguments": {"find_references": {"file": "lib/b.py", "line": 40, "symbol": "run"}},
                "fields": ["find_references.references.file"],
            },
            "gold": [
                answer('for r in find_references("lib/b.py", 40, "run").references:\n    print(r.file)')
            ],
            "results": [KNOWN],
            **changed,
        }
    )


def passes(code: str, **changed: Any) -> bool:
    return judge(case(**changed), Prediction(case="talk", text=answer(code)), trials()).passed


AGAIN = f'loc = {LOOKUP}.locations[0]\nfor r in find_references(loc.file, loc.line, "run").references:\n    print(r.file)'


def test_looking_up_again_what_the_conversation_found_gives_the_same_and_is_right() -> None:
    assert passes('for r in find_references("./lib/b.py", 40, "run").references:\n    print(r.file)')
    assert passes(AGAIN)
    assert not passes(AGAIN, results=[])


@pytest.mark.parametrize(
    "code",
    [
        'for r in find_references("a.py", 3, "run").references:\n    print(r.file)',
        'for r in find_references("lib/b.py", 41, "run").references:\n    print(r.file)',
        AGAIN.replace('"run").references', '"go").references'),
        AGAIN.replace("loc.line", "loc.column"),
        'goto_definition("b.py", 3, "run")\n'
        'for r in find_references("lib/b.py", 40, "run").references:\n    print(r.file)',
        'write_file("lib/b.py", "")\nfor r in find_references("lib/b.py", 40, "run").references:\n    print(r.file)',
        f"print({LOOKUP}.locations[0].file)",
    ],
)
def test_other_calls_than_the_known_ones_stay_wrong(code: str) -> None:
    assert not passes(code)


def test_a_change_that_was_made_before_must_not_be_made_again() -> None:
    written = {"tool": "write_file", "arguments": {"path": "a", "content": "b"}, "result": {"success": True}}
    twice = (
        'write_file("a", "b")\nfor r in find_references("lib/b.py", 40, "run").references:\n    print(r.file)'
    )
    assert not passes(twice, results=[KNOWN, written])


def errors(**changed: Any) -> list[str]:
    return check_suite(Suite(name="s", cases=(case(**changed),)), trials().catalog).cases[0].errors


def test_a_conversation_that_agrees_with_its_results_is_sound() -> None:
    assert errors() == []


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (
            {**KNOWN, "result": {"success": True, "locations": [{"file": "lib/c.py", "line": 40}]}},
            "message 3",
        ),
        (
            {**KNOWN, "result": {"locations": [{"file": "lib/b.py", "row": 40}]}},
            "field goto_definition.locations.row",
        ),
        ({**KNOWN, "tool": "jump"}, "result of jump"),
        ({**KNOWN, "arguments": {"file": "a.py", "line": 3}}, "cannot be"),
        (
            {**KNOWN, "arguments": {"file": "a.py", "line": 3, "symbol": "run", "path": "a.py"}},
            "parameter path",
        ),
    ],
)
def test_results_that_contradict_the_conversation_or_the_catalog_are_told(result: Any, error: str) -> None:
    assert any(error in said for said in errors(results=[result])), errors(results=[result])


def test_fields_that_suites_got_later_change_no_hash_of_a_suite_without_them() -> None:
    plain = case(results=[])
    row = plain.model_dump(mode="json", exclude={"category", "quick"})
    assert (row.pop("results"), row.pop("repository"), row["expect"].pop("notices")) == ([], "", [])
    assert suite_hash(Suite(name="s", cases=(plain,))) == sha256_json([row])
    assert suite_hash(Suite(name="s", cases=(case(),))) != suite_hash(Suite(name="s", cases=(plain,)))
