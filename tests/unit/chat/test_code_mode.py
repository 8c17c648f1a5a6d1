"""The code-mode syntax: what is rendered is parsed back, and what is damaged is refused."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.calls.code_mode import (
    CLOSE,
    OPEN,
    Call,
    CallSyntaxError,
    Expression,
    Turn,
    calls_in,
    parse_program,
    parse_turn,
    render_program,
    render_turn,
)

# Anything a file may hold, but the syntax's own tags; those have tests of their own.
texts = st.text(max_size=80).filter(lambda text: "<" not in text)
codes = st.text(max_size=120).filter(
    lambda text: not any(tag in text for tag in ("tool_call", "function", "parameter"))
)


@given(texts, st.lists(st.tuples(codes, texts), max_size=3))
def test_every_turn_comes_back_as_it_was(preamble: str, parts: list[tuple[str, str]]) -> None:
    turn = Turn(preamble, tuple(code for code, _ in parts), tuple(after for _, after in parts))
    assert parse_turn(render_turn(turn)) == turn


@given(st.text(alphabet="<>/=\n abc", max_size=60))
def test_parsing_any_text_either_succeeds_or_says_why(text: str) -> None:
    try:
        turn = parse_turn(text)
    except CallSyntaxError as error:
        assert str(error)
    else:
        assert not turn.programs or "<tool_call>" in text


@pytest.mark.parametrize(
    "tag", ["</parameter>", "<tool_call>", "</function>", "<parameter=code>", "</tool_call>"]
)
def test_a_program_with_a_tag_of_the_syntax_cannot_be_rendered(tag: str) -> None:
    with pytest.raises(CallSyntaxError, match="end the call early"):
        render_program(f'print("{tag}")')


def test_whitespace_between_tags_is_free_and_the_code_is_kept_byte_for_byte() -> None:
    text = "<tool_call> <function=execute_code>\n\n<parameter=code>\n  x = 1 \n\n</parameter></function>\n</tool_call>"
    assert parse_turn(text).programs == ("  x = 1 \n",)


WHOLE = render_program("f(1)")


@pytest.mark.parametrize(
    "damaged",
    [
        WHOLE.removesuffix("</tool_call>"),
        WHOLE.replace("</parameter>\n", ""),
        WHOLE.replace("<tool_call>", "", 1),
        WHOLE.replace("<parameter=code>\n", "<parameter=code>"),
        WHOLE.replace("\n</parameter>", "</parameter>"),
        WHOLE.replace("</function>", "so </function>"),
        "<tool_call>" + WHOLE,
        WHOLE + "</tool_call>",
        WHOLE.replace("f(1)", WHOLE),
    ],
)
def test_a_damaged_call_is_refused(damaged: str) -> None:
    with pytest.raises(CallSyntaxError):
        parse_turn(damaged)


def test_calls_are_found_in_source_order_with_their_literal_arguments() -> None:
    code = 'a = find("x", 3, deep=True)\nfor item in a.items:\n    print(show(item.name, mode="full"))'
    assert calls_in(code) == [
        Call("find", ("x", 3), (("deep", True),), 1),
        Call("show", (Expression("item.name"),), (("mode", "full"),), 3),
    ]


def test_builtins_and_functions_of_the_program_itself_are_not_tools() -> None:
    code = "def helper(x):\n    return len(x)\nprint(helper(tool()))"
    assert [call.name for call in calls_in(code)] == ["tool"]


def test_with_tool_names_given_only_those_count() -> None:
    assert [call.name for call in calls_in("print(a(b(c())))", {"b", "print"})] == ["print", "b"]


def test_arguments_are_bound_by_position_and_by_name() -> None:
    call = Call("f", ("x",), (("line", 3),))
    assert call.bind(["file", "line"]) == {"file": "x", "line": 3}


@pytest.mark.parametrize(
    "call",
    [Call("f", (1, 2, 3)), Call("f", (), (("nope", 1),)), Call("f", (1,), (("file", 1),))],
    ids=["too many", "unknown", "twice"],
)
def test_arguments_that_do_not_fit_are_refused(call: Call) -> None:
    with pytest.raises(CallSyntaxError):
        call.bind(["file", "line"])


@given(st.text(max_size=100))
def test_a_program_is_either_python_or_refused_with_a_reason(code: str) -> None:
    try:
        expected = ast.parse(code)
    except (SyntaxError, ValueError):
        with pytest.raises(CallSyntaxError, match="not a Python program"):
            parse_program(code)
    else:
        assert ast.dump(parse_program(code)) == ast.dump(expected)


def test_a_program_nested_too_deeply_is_refused_and_does_not_crash() -> None:
    with pytest.raises(CallSyntaxError):
        parse_program("(" * 5000 + ")" * 5000)


@pytest.mark.parametrize("piece", [OPEN, "<tool_call>", "<tool_call", CLOSE, "<parameter=code>\n"])
def test_a_turn_of_tags_alone_takes_time_in_proportion_to_its_length(piece: str) -> None:
    """Two megabytes of them: quadratic time would be an hour."""
    text = piece * (2_000_000 // len(piece))
    if piece == "<tool_call":
        assert parse_turn(text).preamble == text
    else:
        with pytest.raises(CallSyntaxError):
            parse_turn(text)
