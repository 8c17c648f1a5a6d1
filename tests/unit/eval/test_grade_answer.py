"""What is said of an answer, and how cases, samples and missing answers are counted."""

from typing import Any

import pytest

from tests.support.gold import OPEN, SUITES, answer, gold_predictions, suite, trials
from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.example import Message
from tunewright.contract.suite import Case, Expectation, Prediction, Suite
from tunewright.eval.grade_answer import Outcome, judge
from tunewright.eval.suite_score import score_predictions

CATALOG = load_catalog("coding")
DEF = 'result = goto_definition("a.py", 3, "f")\n'


def case(**expect: Any) -> Case:
    wanted = Expectation.model_validate({"tools": ["goto_definition"], **expect})
    return Case(id="c", category="k", messages=(Message(role="user", content="?"),), expect=wanted)


def judged(wanted: Case, code: str) -> Outcome:
    return judge(wanted, Prediction(case="c", text=answer(code)), trials())


ARGUMENTS = {"goto_definition": {"file": "a.py", "line": 3, "symbol": "f"}}


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ('goto_definition("a.py", 4, "f")', "line must be 3, is 4"),
        ('goto_definition("a.py", 3.0, "f")', "line must be 3, is 3.0"),
        ('goto_definition("a.py", True, "f")', "line must be 3, is True"),
        ('goto_definition("a.py", 3)', "is called without symbol"),
        ('goto_definition("a.py", 3, "f", 1)', "takes 3 arguments, got 4"),
        ('goto_definition("a.py", 3, "f", column=1)', "has no parameter column"),
        ('goto_definition("a.py", 3, "f", line=3)', "got line twice"),
        ('goto_definition(*["a.py", 3, "f"])', "cannot be judged"),
        ('goto_definition(**{"file": "a.py"})', "cannot be judged"),
        ('goto_definition(open("x").read(), 3, "f")', "file must be"),
        ('goto_definition(input(), 3, "f")', 'file must be "a.py", is something else'),
    ],
)
def test_a_wrong_argument_is_told_in_words(call: str, reason: str) -> None:
    outcome = judged(case(arguments=ARGUMENTS), call)
    assert not outcome.checks["arguments"]
    assert any(reason in said for said in outcome.reasons), outcome.reasons


@pytest.mark.parametrize(
    "call",
    [
        'goto_definition("a.py", 3, "f")',
        'goto_definition(symbol="f", line=3, file="a.py")',
        'goto_definition("a.py", line=3, symbol="f")',
        'goto_definition(file="a" + ".py", line=3, symbol="f")',
    ],
)
def test_arguments_may_stand_in_any_way_that_python_allows(call: str) -> None:
    assert judged(case(arguments=ARGUMENTS), call).passed


@pytest.mark.parametrize(
    ("extra", "right"),
    [("", True), (", include_declaration=False", True), (", include_declaration=True", False)],
)
def test_an_optional_argument_may_be_given_at_its_default_only(extra: str, right: bool) -> None:
    wanted = case(
        tools=["find_references"], arguments={"find_references": {"file": "a.py", "line": 3, "symbol": "f"}}
    )
    assert judged(wanted, f'find_references("a.py", 3, "f"{extra})').passed is right


def test_a_value_must_come_from_where_it_is_asked_to_come_from() -> None:
    wanted = case(
        tools=["goto_definition", "read_file"],
        arguments={"read_file": {"path": {"from": "goto_definition.locations.file"}}},
    )
    assert judged(wanted, DEF + "read_file(result.locations[0].file)").passed
    assert judged(wanted, DEF + "path = result.locations[0].file\nread_file(path.strip())").passed
    for wrong in ('read_file("b.py")', "read_file(result.symbol)", "read_file(result.locations[0].preview)"):
        outcome = judged(wanted, DEF + wrong)
        assert not outcome.checks["arguments"]
        assert "taken from goto_definition.locations.file" in outcome.reasons[0]


def test_either_of_two_values_may_be_allowed() -> None:
    choice = {"any": ["b.py", {"from": "write_file.path"}]}
    wanted = case(tools=["write_file", "ruff_check"], arguments={"ruff_check": {"path": choice}})
    for path in ('"b.py"', "done.path"):
        assert judged(wanted, f'done = write_file("b.py", "x")\nruff_check({path})').passed
    assert not judged(wanted, 'done = write_file("b.py", "x")\nruff_check("c.py")').passed


def test_a_call_must_stand_under_the_condition_that_the_request_makes() -> None:
    wanted = case(
        tools=["typecheck", "pytest_run"],
        fields=["typecheck.error_count|typecheck.errors", "pytest_run.failed"],
        control=["if:pytest_run"],
    )
    start = 't = typecheck("a.py")\n'
    for right in (
        'if t.error_count == 0:\n    print(pytest_run("b").failed)',
        'if t.errors:\n    print("no")\nelse:\n    print(pytest_run("b").failed)',
        'if t.errors:\n    raise SystemExit(1)\nprint(pytest_run("b").failed)',
        'print(pytest_run("b").failed if not t.errors else "no")',
        't.errors or print(pytest_run("b").failed)',
    ):
        assert judged(wanted, start + right).passed, right
    for wrong in (
        'p = pytest_run("b")\nif t.error_count == 0:\n    print(p.failed)',
        'print(t.error_count, pytest_run("b").failed)',
        'p = pytest_run("b")\nif p.failed:\n    print(p.failed, t.error_count)',
        'if t:\n    print(pytest_run("b").failed, t.error_count)',
    ):
        assert not judged(wanted, start + wrong).checks["control"], wrong


def test_tools_must_be_called_in_the_order_of_the_request() -> None:
    wanted = case(tools=["typecheck", "ruff_check"])
    outcome = judged(wanted, 'ruff_check("a")\ntypecheck("a")')
    assert outcome.reasons[0] == "it calls ruff_check -> typecheck; right is typecheck -> ruff_check"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I would call goto_definition.", "it calls no tool"),
        (answer("print(1)"), "its program calls no tool"),
        (answer("print("), "not a Python program"),
        (answer("return 1"), "'return' outside function"),
        (answer('x = "\\d"\nx = 1').replace("</tool_call>", ""), "is outside a complete call"),
        (answer(answer("x")), "wrapped in a call"),
    ],
)
def test_what_is_no_call_is_told(text: str, reason: str) -> None:
    outcome = judge(case(), Prediction(case="c", text=text), trials())
    assert not outcome.passed
    assert any(reason in said for said in outcome.reasons), outcome.reasons


def test_an_answer_that_was_cut_is_told_to_be_cut() -> None:
    outcome = judge(case(), Prediction(case="c", text=answer(DEF)[:-20], finish="length"), trials())
    assert "cut at the token limit" in outcome.reasons[0]


def test_a_strange_escape_in_a_string_is_no_warning_of_ours() -> None:
    assert judged(case(), DEF + 'print("\\d")').passed


def test_a_case_without_a_prediction_has_failed_and_is_counted() -> None:
    score = score_predictions(suite("navigation"), gold_predictions("navigation")[1:], CATALOG)
    assert (score.overall.k, score.overall.n) == (59, 60)
    assert score.outcomes[0].missing
    assert not score.outcomes[0].passed
    assert score.outcomes[0].reasons == ("there is no prediction for it",)


def test_every_metric_has_its_own_denominator() -> None:
    score = score_predictions(suite("navigation"), gold_predictions("navigation"), CATALOG)
    assert (score.overall.n, score.executed.n, score.discrimination.n, score.fields_used.n) == (
        60,
        48,
        60,
        36,
    )
    assert {category: share.n for category, share in score.categories.items()} == dict.fromkeys(
        ["direct_answer", "which_tool", "goto_definition", "find_references", "workflow"], 12
    )


def test_samples_of_one_case_are_averaged_within_it() -> None:
    first = gold_predictions("navigation")
    words = {case.id for case in suite("navigation").cases if not case.expect.tools}
    wrong = [
        Prediction(case=p.case, sample=1, text=p.text if p.case in words else "no", tokens=p.tokens)
        for p in first
    ]
    score = score_predictions(suite("navigation"), [*wrong, *first], CATALOG)
    assert len(score.outcomes) == 120
    assert (score.overall.k, score.overall.n) == (12 + 48 / 2, 60)
    assert (score.stable.k, score.stable.n) == (12, 60)


def test_answers_in_words_do_not_count_among_those_that_are_run() -> None:
    words = {case.id for case in suite("navigation").cases if not case.expect.tools}
    wrong = [
        p.model_copy(update={"text": "no"}) if p.case in words else p for p in gold_predictions("navigation")
    ]
    score = score_predictions(suite("navigation"), wrong, CATALOG)
    assert (score.overall.k, score.executed.k, score.executed.n) == (48, 48, 48)
    assert score.headline[:2] == ("overall", "executed")
    assert score_predictions(suite("field_access"), [], CATALOG).headline[1] == "discrimination"


def test_predictions_of_another_suite_are_refused() -> None:
    with pytest.raises(UserError, match="has no case 'conditional-01'"):
        score_predictions(suite("navigation"), gold_predictions("field_access"), CATALOG)


def test_the_same_sample_twice_is_refused() -> None:
    predictions = gold_predictions("navigation")
    with pytest.raises(UserError, match="sample 0 is there twice"):
        score_predictions(suite("navigation"), [*predictions, predictions[0]], CATALOG)


@pytest.mark.parametrize("name", SUITES)
def test_scoring_is_the_same_each_time_and_whatever_the_order(name: str) -> None:
    predictions = gold_predictions(name)
    once = score_predictions(suite(name), predictions, CATALOG).to_json()
    assert score_predictions(suite(name), predictions[::-1], CATALOG).to_json() == once


def test_a_direct_answer_with_several_programs_is_no_direct_answer() -> None:
    wanted = case(tools=[])
    outcome = judge(wanted, Prediction(case="c", text="Hm. " + answer("read_file('a')") * 2), trials())
    assert "calls read_file, read_file" in outcome.reasons[0]


def test_an_empty_suite_has_metrics_too() -> None:
    score = score_predictions(Suite(name="none", cases=()), [], CATALOG)
    assert score.overall.n == 0
    assert score.to_json()["metrics"]["overall"]["high"] == 1.0


def test_a_tool_that_is_never_called_is_told_once_and_fails_all_that_rests_on_it() -> None:
    wanted = case(
        arguments=ARGUMENTS, fields=["goto_definition.locations.file"], control=["if", "for:goto_definition"]
    )
    outcome = judged(wanted, 'print(read_file("a.py").content)')
    assert outcome.reasons[0] == "it calls read_file; right is goto_definition"
    assert len(outcome.reasons) == 2  # the other: no condition depends on a result
    assert outcome.checks == {
        "parses": True,
        "runs": True,
        "tools": False,
        "arguments": False,
        "fields": False,
        "control": False,
    }


N = 40_000


@pytest.mark.parametrize(
    "text",
    [
        OPEN * (N // len(OPEN)),
        "<tool_call><function=execute_code></function>" * (N // 45),
        answer("(" * N),
        answer("-" * N + "1"),
        answer("1" + "+1" * (N // 2)),
        answer("a" + ".a" * (N // 2)),
        answer("f" + "()" * (N // 2)),
        answer("not " * (N // 4) + "1"),
        answer("lambda:" * (N // 7) + "1"),
        answer("x=" + "9**" * (N // 3) + "9"),
        answer("if a:\n pass\n" + "elif a:\n pass\n" * (N // 15)),
        answer("a\x00b"),
        answer("x = '\ufeff\u202e'"),
        "x" * 5_000_000,
    ],
    ids=range(14),
)
def test_an_answer_made_to_break_the_judge_is_judged_wrong(text: str) -> None:
    outcome = judge(case(), Prediction(case="c", text=text), trials())
    assert not outcome.passed
    assert outcome.reasons


def test_an_answer_too_long_to_be_judged_says_so() -> None:
    outcome = judge(case(tools=[]), Prediction(case="c", text="word " * 20_000), trials())
    assert outcome.reasons == ("the answer cannot be read: it has 100,000 characters, too many to be judged",)
