"""Calls in all six syntaxes, and what is wrong with those that cannot be read."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.audit.ingest import load
from tunewright.chat.calls import find
from tunewright.chat.calls.code_mode import render_program

WEATHER = {"city": "Paris", "days": 3}
SYNTAXES = {
    "code_mode": render_program('print(weather(city="Paris", days=3))'),
    "qwen_xml": (
        "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n"
        "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
    ),
    "hermes_json": '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris", "days": 3}}\n</tool_call>',
    "mistral": '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Paris", "days": 3}}]',
    "pythonic": '[weather(city="Paris", days=3)]',
}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_each_syntax_is_recognised_with_its_tool_and_arguments(syntax: str) -> None:
    turn = find(SYNTAXES[syntax])
    assert turn.syntaxes == (syntax,)
    assert [(c.name, c.arguments, c.error) for c in turn.calls] == [("weather", WEATHER, "")]
    assert turn.problems == []


@pytest.mark.parametrize("syntax", [name for name in SYNTAXES if name != "pythonic"])
def test_text_before_a_call_is_its_preamble(syntax: str) -> None:
    assert find(f"Let me see.\n\n{SYNTAXES[syntax]}").preamble == "Let me see."


def test_mistral_s_newer_form_is_read() -> None:
    turn = find('[TOOL_CALLS]weather{"city": "Paris"}[TOOL_CALLS]weather[ARGS]{"city": "Rome"}')
    assert [c.arguments["city"] for c in turn.calls] == ["Paris", "Rome"]


def test_programs_call_tools_and_not_builtins_imports_or_their_own_functions() -> None:
    code = "from pathlib import Path\ndef f(x):\n    return x\nr = search('a')\nprint(f(Path(r)), len(r))\nhandler(1)"
    assert [c.name for c in find(render_program(code)).calls] == ["search", "handler"]


def test_positional_and_computed_arguments_are_told_apart() -> None:
    (call,) = find(render_program("search('a', 3, where=f(x))\n")).calls[:1]
    assert call.arguments == {"$0": "a", "$1": 3, "where": {"$expression": "f(x)"}}


@pytest.mark.parametrize(
    ("text", "tool", "error"),
    [
        (
            "<tool_call><function=execute_code>\n<parameter=code>\nsearch('a'\n</parameter>\n</function></tool_call>",
            "search",
            "not a Python program",
        ),
        ('<tool_call>{"name": "search", "arguments": {"a": }}</tool_call>', "search", "not JSON"),
        ('<tool_call>{"arguments": {}}</tool_call>', None, "no name"),
        ('[TOOL_CALLS] [{"name": "search", "arguments": "{a"}]', "search", "not JSON"),
        ("[search(1, ]", "search", "not a list of calls"),
    ],
)
def test_a_call_that_cannot_be_read_keeps_its_name_and_says_why(
    text: str, tool: str | None, error: str
) -> None:
    (call,) = find(text).calls
    assert call.name == tool
    assert error in call.error


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<tool_call><function=f></function>", "tags"),
        ("</tool_call>", "tags"),
        ("<parameter=a>b</parameter>", "tags"),
        ("<tool_call><tool_call></tool_call></tool_call>", "double_wrap"),
    ],
)
def test_tags_that_do_not_nest_are_a_problem(text: str, kind: str) -> None:
    assert [found for found, _ in find(text).problems] == [kind]


def test_a_tag_between_backticks_is_spoken_of() -> None:
    turn = find("Wrap the call in `<tool_call>` tags; a `<parameter=code>` holds the code.")
    assert (turn.calls, turn.problems) == ([], [])
    assert find("Say `<tool_call> and go").problems


def test_whitespace_between_tags_is_the_dialect_and_the_code_is_not() -> None:
    canonical = render_program("a()")
    assert find(canonical).dialect == find(render_program("b(1)\n\n    \nc()")).dialect
    assert find(canonical).dialect == find(f"{canonical}\n{canonical}").dialect
    assert find(canonical).dialect != find(canonical.replace(">\n<", "><")).dialect


@given(st.text(alphabet="<>/=tool_cafunipermd[]{}()\"'\n TOL_CS:,1", max_size=200))
def test_no_text_makes_a_traceback(text: str) -> None:
    find(text)


def rows_of(folder: Path, *messages: dict[str, Any], **extra: Any) -> list[tuple[Any, ...]]:
    path = folder / "train.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "user", "content": "q"}, *messages], **extra}))
    with load([path]) as store:
        return store.connection.execute(
            "SELECT syntax, tool, arguments, error FROM calls ORDER BY message, position"
        ).fetchall()


@pytest.mark.parametrize("arguments", ['{"city": "Paris"}', {"city": "Paris"}])
def test_openai_s_arguments_are_read_as_text_and_as_an_object(arguments: Any, tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    ((syntax, tool, given, error),) = rows_of(
        tmp_path, {"role": "assistant", "content": None, "tool_calls": [call]}
    )
    assert (syntax, tool, json.loads(given), error) == ("openai", "weather", {"city": "Paris"}, "")


def test_openai_s_broken_arguments_are_an_error(tmp_path: Path) -> None:
    call = {"function": {"name": "weather", "arguments": "{Paris"}}
    assert rows_of(tmp_path, {"role": "assistant", "tool_calls": [call]}) == [
        ("openai", "weather", "{}", "arguments are not JSON")
    ]


def test_the_old_function_call_is_a_call(tmp_path: Path) -> None:
    found = rows_of(
        tmp_path,
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
    )
    assert [(row[0], row[1]) for row in found] == [("openai", "weather")]


def test_tools_in_the_system_prompt_are_offered(tmp_path: Path) -> None:
    tool = json.dumps({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}})
    path = tmp_path / "train.jsonl"
    messages = [
        {"role": "system", "content": f"Tools:\n<tools>\n{tool}\n</tools>"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
    ]
    path.write_text(json.dumps({"messages": messages}))
    with load([path]) as store:
        found = store.connection.execute(
            "SELECT o.tool FROM rows r JOIN offered o USING (toolset)"
        ).fetchall()
    assert found == [("weather",)]
