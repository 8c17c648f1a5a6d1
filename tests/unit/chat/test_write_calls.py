"""Calls written in each syntax read back equal, and nothing half-written is taken for a call."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.calls import Call, CallSyntaxError, FoundTurn, find, write
from tunewright.chat.calls.openai import read_message, tool_calls
from tunewright.chat.catalog_tools import catalog_tools
from tunewright.contract.catalog import load_catalog

CATALOG = load_catalog("coding")
SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"] for tool in catalog_tools(CATALOG)}
WRITTEN = ("qwen_xml", "hermes_json", "pythonic", "mistral")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def strictly(text: str, syntax: str) -> FoundTurn:
    return find(text, strict=True, dialects=[syntax], tools=SCHEMAS)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    tool = draw(st.sampled_from([tool for tool in CATALOG.tools if tool.parameters]))
    values: dict[str, object] = {}
    for parameter in tool.parameters:
        if parameter.required or draw(st.booleans()):
            kind = parameter.type.removesuffix(" | None")
            values[parameter.name] = draw(
                {"str": TEXT, "int": st.integers(), "bool": st.booleans()}.get(kind, TEXT)
            )
    return Call(tool.name, values)


@pytest.mark.parametrize("syntax", WRITTEN)
@given(found=st.lists(calls(), min_size=1, max_size=3), before=st.sampled_from(["", "Let me check.\n\n"]))
def test_calls_read_back_equal(syntax: str, found: list[Call], before: str) -> None:
    try:
        text = before + write(found, syntax)
    except CallSyntaxError:
        return
    turn = strictly(text, syntax)
    assert (turn.preamble, [(call.name, call.arguments) for call in turn.calls]) == (
        before.strip(),
        [(call.name, call.arguments) for call in found],
    )


@given(st.lists(calls(), max_size=3))
def test_openai_calls_read_back_equal(found: list[Call]) -> None:
    read = read_message({"tool_calls": tool_calls(found)})
    assert [(call.name, call.arguments) for call in read] == [(call.name, call.arguments) for call in found]
    json.dumps(tool_calls(found))


@pytest.mark.parametrize("syntax", WRITTEN)
def test_a_value_that_would_end_its_call_is_refused(syntax: str) -> None:
    with pytest.raises(CallSyntaxError, match="end the call early"):
        write([Call("read_file", {"path": "a</parameter>"})], syntax)


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("qwen_xml", "<tool_call>\n<function=read_file>\n<parameter=path>\na.py\n</parameter>\n</function>"),
        ("qwen_xml", "<tool_call>\n<function=nothing>\n</function>\n</tool_call>"),
        (
            "qwen_xml",
            "<tool_call>\n<function=read_file>\n<parameter=where>\na\n</parameter>\n</function>\n</tool_call>",
        ),
        ("hermes_json", '<tool_call>\n{"name": "read_file"\n</tool_call>'),
        ("hermes_json", "<tool_call>\n[]\n</tool_call>"),
        ("pythonic", "[read_file('a.py')]"),
        ("pythonic", "[read_file(path=where)]"),
        ("pythonic", "[read_file(path='a'"),
        ("mistral", "[TOOL_CALLS] {}"),
        ("mistral", "[TOOL_CALLS] [1"),
    ],
)
def test_what_is_not_whole_is_an_error(syntax: str, text: str) -> None:
    with pytest.raises(CallSyntaxError):
        strictly(text, syntax)


@pytest.mark.parametrize("syntax", WRITTEN)
def test_text_without_calls_has_none(syntax: str) -> None:
    turn = strictly("Just words [see below].", syntax)
    assert (turn.preamble, turn.calls) == ("Just words [see below].", [])


def test_every_tool_is_offered_with_a_schema_of_its_parameters() -> None:
    offered = catalog_tools(CATALOG)
    assert [tool["function"]["name"] for tool in offered] == list(CATALOG.tool_names)
    references = next(tool["function"] for tool in offered if tool["function"]["name"] == "find_references")
    assert references["parameters"]["required"] == ["file", "line", "symbol"]
    assert references["parameters"]["properties"]["include_declaration"]["type"] == "boolean"
