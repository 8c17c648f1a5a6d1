"""What a lenient server would make of an answer, held against the server's own parser."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gold import SUITES, answer, gold_predictions, suite
from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.contract.catalog import load_catalog
from tunewright.contract.suite import Prediction
from tunewright.eval.mlx_lenient_parser import served_answer, served_call
from tunewright.eval.suite_score import score_predictions

CATALOG = load_catalog("coding")


def real_parser() -> Callable[[str, Any], dict[str, Any]]:
    """mlx-lm's own, loaded as a file so that mlx is not."""
    package = importlib.util.find_spec("mlx_lm")
    if package is None or package.origin is None:
        pytest.skip("mlx-lm is not installed here")
    path = Path(package.origin).parent / "tool_parsers" / "qwen3_coder.py"
    spec = importlib.util.spec_from_file_location("qwen3_coder_parser", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.parse_tool_call


TAGS = [
    "<function=execute_code>",
    "<function=f>",
    "</function>",
    "<parameter=code>",
    "<parameter=x>",
    "</parameter>",
]
PIECES = st.lists(st.sampled_from([*TAGS, "\n", " ", "print(1)", "<", ">", "=", "a"]), max_size=12).map(
    "".join
)


def wrapped(pieces: str) -> str:
    return f"<function=execute_code>\n<parameter=code>\n{pieces}\n</parameter>\n</function>"


@given(st.one_of(PIECES, PIECES.map(wrapped)))
def test_blocks_are_taken_apart_as_the_server_takes_them_apart(block: str) -> None:
    theirs = real_parser()
    try:
        call = theirs(block, None)
    except ValueError:
        assert served_call(block) is None
        return
    ours = served_call(block)
    assert ours is not None
    nulls = {name: None if value.lower() == "null" else value for name, value in ours[1].items()}
    assert (ours[0], nulls) == (call["name"], call["arguments"])


@pytest.mark.parametrize("name", SUITES)
def test_right_answers_are_served_as_they_are(name: str) -> None:
    score = score_predictions(suite(name), gold_predictions(name), CATALOG)
    assert score.served_differently == ()


def unclosed(text: str) -> str:
    return text.removesuffix("</tool_call>")


def without_line_end(text: str) -> str:
    return text.replace("<parameter=code>\n", "<parameter=code>")


def without_space(text: str) -> str:
    return text.replace("\n</parameter>\n</function>", "</parameter></function>")


@pytest.mark.parametrize("repaired", [unclosed, without_line_end, without_space])
def test_an_answer_that_a_server_would_repair_is_told_and_not_passed(repaired: Callable[[str], str]) -> None:
    predictions = [Prediction(case=p.case, text=repaired(p.text)) for p in gold_predictions("navigation")]
    score = score_predictions(suite("navigation"), predictions, CATALOG)
    changed = [p.case for p, q in zip(predictions, gold_predictions("navigation")) if p.text != q.text]
    broken = [outcome.case for outcome in score.outcomes if not outcome.passed]
    assert len(changed) == 48
    assert list(score.served_differently) == broken == changed


def test_a_program_that_a_server_would_cut_short_is_seen() -> None:
    code = 'print(read_file("a.py").content)'
    assert served_answer(answer(code)).sources == (code,)
    text = answer('x = "</parameter>"\n' + code)
    with pytest.raises(CallSyntaxError, match="not a Python program"):
        served_answer(text)


def test_a_call_of_another_function_is_no_program() -> None:
    with pytest.raises(CallSyntaxError, match="would call read_file with path"):
        served_answer("<tool_call><function=read_file><parameter=path>a</parameter></function></tool_call>")
    assert served_answer("<tool_call>nothing</tool_call>So.").prose == "So."
