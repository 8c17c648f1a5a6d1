"""The same work in every syntax, and through a chat template and back."""

from typing import Any

import pytest

from tunewright.chat.calls import Call as ToolCall
from tunewright.contract.catalog import load_catalog
from tunewright.contract.chat_template import ChatTemplate
from tunewright.datagen.example_messages import Work, compose
from tunewright.datagen.program import Call
from tunewright.datagen.rejections import Rejected
from tunewright.datagen.round_trip import calls_of, unrenderable
from tunewright.datagen.structure import Form

CATALOG = load_catalog("coding")
SYNTAXES = ("code_mode", "qwen_xml", "hermes_json", "openai", "pythonic", "mistral")
WORK = Work(
    'result = goto_definition("a.py", 3, "f")\nprint(result.locations[0].file)',
    "b.py",
    "It is in b.py.",
    (
        Call("goto_definition", {"file": "a.py", "line": 3, "symbol": "f"}, {"success": True}),
        Call("read_file", {"path": "b.py"}, {"success": True, "content": "x"}),
    ),
)
LOOP = Form(system=True, earlier=False, loop=True, preamble=True)

CHATML = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{%- for c in m.tool_calls or [] %}\n<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}'
    "<|im_end|>\n{% endfor %}"
)


def row(syntax: str, form: Form = LOOP) -> dict[str, Any]:
    return {"messages": compose(form, "sys", "Where?", WORK, None, "Let me check.", syntax)}


@pytest.mark.parametrize("syntax", [s for s in SYNTAXES if s != "code_mode"])
def test_single_calls_show_each_call_with_its_result(syntax: str) -> None:
    messages = row(syntax)["messages"]
    roles = [message["role"] for message in messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "assistant"]
    found = [call for m in messages if m["role"] == "assistant" for call in calls_of(m, syntax, CATALOG)]
    assert found == [ToolCall(call.tool, call.arguments) for call in WORK.calls]
    assert messages[3]["content"] == '{"success": true}'
    assert messages[-1]["content"] == "It is in b.py."


def test_several_single_calls_are_never_cut_short() -> None:
    form = Form(system=True, earlier=False, loop=False, preamble=True)
    with pytest.raises(ValueError, match="several calls"):
        row("openai", form)
    one = compose(form, "s", "r", Work("", "", "a", WORK.calls[:1]), None, "", "hermes_json")
    assert [message["role"] for message in one] == ["system", "user", "assistant"]


def test_code_mode_shows_the_program_and_what_it_printed() -> None:
    messages = row("code_mode")["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert calls_of(messages[2], "code_mode", CATALOG) == [WORK.program]
    assert messages[3]["content"] == "b.py"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_syntax_survives_a_faithful_template(syntax: str) -> None:
    assert unrenderable(row(syntax), ChatTemplate(CHATML), syntax, CATALOG) is None


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_template_that_strips_what_it_does_not_know_is_noticed(syntax: str) -> None:
    forgetful = "{% for m in messages %}{{ m.role }}: {{ m.content | striptags }}\n{% endfor %}"
    reason = unrenderable(row(syntax), ChatTemplate(forgetful), syntax, CATALOG)
    if syntax in ("code_mode", "qwen_xml", "hermes_json", "openai"):
        assert reason is not None
        assert "chat template" in reason


def test_a_template_that_refuses_is_a_reason() -> None:
    strict = "{{ raise_exception('roles must alternate') }}"
    assert unrenderable(row("code_mode"), ChatTemplate(strict), "code_mode", CATALOG) == (
        "the chat template refuses it: roles must alternate"
    )


def test_a_result_too_long_to_show_is_no_example() -> None:
    long = Work("", "", "a", (Call("read_file", {"path": "b"}, {"content": "x" * 5000}),))
    with pytest.raises(Rejected, match="too long"):
        compose(LOOP, "s", "r", long, None, "", "hermes_json")
