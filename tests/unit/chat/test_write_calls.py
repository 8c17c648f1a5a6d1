"""Calls written in each syntax read back equal, and nothing half-written is taken for a call."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.chat.calls.write import (
    SYNTAXES,
    Syntax,
    ToolCall,
    openai_calls,
    read_calls,
    read_openai,
    write_calls,
)
from tunewright.chat.tools import catalog_tools
from tunewright.contract.catalog import load_catalog

CATALOG = load_catalog("coding")
WRITTEN: tuple[Syntax, ...] = ("qwen_xml", "hermes_json", "pythonic", "mistral")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@st.composite
def calls(draw: st.DrawFn) -> ToolCall:
    tool = draw(st.sampled_from([tool for tool in CATALOG.tools if tool.parameters]))
    values: dict[str, object] = {}
    for parameter in tool.parameters:
        if parameter.required or draw(st.booleans()):
            kind = parameter.type.removesuffix(" | None")
            values[parameter.name] = draw(
                {"str": TEXT, "int": st.integers(), "bool": st.booleans()}.get(kind, TEXT)
            )
    return ToolCall(tool.name, values)


@pytest.mark.parametrize("syntax", WRITTEN)
@given(found=st.lists(calls(), min_size=1, max_size=3), before=st.sampled_from(["", "Let me check.\n\n"]))
def test_calls_read_back_equal(syntax: Syntax, found: list[ToolCall], before: str) -> None:
    try:
        text = before + write_calls(found, syntax)
    except CallSyntaxError:
        return
    assert read_calls(text, syntax, CATALOG) == (before, found)


@given(st.lists(calls(), max_size=3))
def test_openai_calls_read_back_equal(found: list[ToolCall]) -> None:
    assert read_openai({"tool_calls": openai_calls(found)}) == found
    json.dumps(openai_calls(found))


@pytest.mark.parametrize("syntax", WRITTEN)
def test_a_value_that_would_end_its_call_is_refused(syntax: Syntax) -> None:
    with pytest.raises(CallSyntaxError, match="end the call early"):
        write_calls([ToolCall("read_file", {"path": "a</parameter>"})], syntax)


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
def test_what_is_not_whole_is_an_error(syntax: Syntax, text: str) -> None:
    with pytest.raises(CallSyntaxError):
        read_calls(text, syntax, CATALOG)


@pytest.mark.parametrize("syntax", WRITTEN)
def test_text_without_calls_has_none(syntax: Syntax) -> None:
    assert read_calls("Just words [see below].", syntax, CATALOG) == ("Just words [see below].", [])


def test_every_tool_is_offered_with_a_schema_of_its_parameters() -> None:
    offered = catalog_tools(CATALOG)
    assert [tool["function"]["name"] for tool in offered] == list(CATALOG.tool_names)
    references = next(tool["function"] for tool in offered if tool["function"]["name"] == "find_references")
    assert references["parameters"]["required"] == ["file", "line", "symbol"]
    assert references["parameters"]["properties"]["include_declaration"]["type"] == "boolean"
    assert set(SYNTAXES) == {"code_mode", "openai", *WRITTEN}
