"""What a base lacked in the cases that a tuned model gains."""

import pytest

from tunewright.chat.calls.code_mode import render_program
from tunewright.contract.catalog import load_catalog
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval.gains import gains, gains_text
from tunewright.eval.suite_score import SuiteScore, score_predictions

RIGHT = render_program('result = find_references("app.py", 4, "run")\nprint(result.reference_count)')
CALL = Case.model_validate(
    {
        "id": "call",
        "category": "which",
        "messages": [{"role": "user", "content": "How often is run (app.py:4) used? Print the count."}],
        "expect": {"tools": ["find_references"], "fields": ["find_references.reference_count"]},
        "gold": [RIGHT],
    }
)
WORDS = Case.model_validate(
    {
        "id": "words",
        "category": "direct_answer",
        "messages": [{"role": "user", "content": "What is a set in Python?"}],
        "expect": {"facts": [["unordered", "unique"]]},
        "gold": ["An unordered collection of unique values."],
    }
)


def scored(case: Case, answer: str) -> tuple[SuiteScore, Suite]:
    suite = Suite(name="one", cases=(case,))
    return score_predictions(suite, [Prediction(case=case.id, text=answer)], load_catalog("coding")), suite


@pytest.mark.parametrize(
    ("answer", "lack"),
    [
        ("<tool_call><function=execute_code>\nfind_references(", "form"),
        ("It is used twice.", "a call"),
        ("", "a call"),
        (render_program('print(goto_definition("app.py", 4, "run").success)'), "choice of tools"),
        (
            render_program('result = find_references("b.py", 4, "run")\nprint(result.reference_count)'),
            "arguments",
        ),
        (render_program('result = find_references("app.py", 4, "run")\nprint(result.symbol)'), "fields"),
    ],
)
def test_the_first_thing_that_the_bases_answer_lacks_is_counted(answer: str, lack: str) -> None:
    base, suite = scored(CALL, answer)
    tuned, _ = scored(CALL, RIGHT)

    assert gains(base, tuned, suite) == {lack: 1}
    assert gains_text({lack: 1}) == f"of 1 case gained the base lacked {lack} in 1"


def test_a_call_where_words_are_due() -> None:
    base, suite = scored(WORDS, RIGHT)
    tuned, _ = scored(WORDS, WORDS.gold[0] if isinstance(WORDS.gold[0], str) else "")

    assert gains(base, tuned, suite) == {"words": 1}


def test_cases_that_both_or_neither_have_right_are_no_gain() -> None:
    right, suite = scored(CALL, RIGHT)
    wrong, _ = scored(CALL, "no")

    assert gains(right, right, suite) == gains(wrong, wrong, suite) == gains(right, wrong, suite) == {}
    assert gains_text({}) == ""
