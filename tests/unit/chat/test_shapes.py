"""Rows as known datasets have them, brought to messages."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.chat.conversation import UnknownShapeError, read_conversation

TOOL = {"name": "weather", "description": "Looks out.", "parameters": {"city": {"type": "str"}}}
CALL = {"name": "weather", "arguments": {"city": "Lima"}}


def said(value: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in read_conversation(value).plain]


def calls(value: Any, place: int = -1) -> list[Any]:
    return [call["function"] for call in read_conversation(value).plain[place]["tool_calls"]]


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "q", "input": "", "output": "a"},
        {"prompt": "q", "completion": "a"},
        {"question": "q", "response": "a"},
        {"prompt": "q", "completion": "a", "label": True},
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"question": "q", "chosen": "a", "rejected": "b"},
        {"instruction": "q", "input": "", "chosen": "a", "rejected": "b"},
        {"input": "q", "chosen": "a", "rejected": "b"},
        {"input": "q", "output": "a"},
        {"input": [{"role": "user", "content": "q"}], "output": "a"},
    ],
)
def test_a_system_message_and_a_history_beside_a_request_are_said_before_it(row: dict[str, Any]) -> None:
    assert said(row) == [("user", "q"), ("assistant", "a")]
    assert said({**row, "system": "", "history": []}) == [("user", "q"), ("assistant", "a")]
    assert said({**row, "system": "s", "history": [["q0", "a0"], ["q1", "a1"]]}) == [
        ("system", "s"),
        *[("user", "q0"), ("assistant", "a0"), ("user", "q1"), ("assistant", "a1")],
        *[("user", "q"), ("assistant", "a")],
    ]


def test_what_other_columns_say_of_a_system_message() -> None:
    row = {"input": "q", "output": "a"}
    assert said({**row, "system_prompt": "s"})[0] == ("system", "s")
    assert said({**row, "system": [{"type": "text", "text": "s"}]})[0] == ("system", "s")
    own = {"prompt": [{"role": "system", "content": "own"}, {"role": "user", "content": "q"}]}
    assert said({**own, "completion": "a", "system": "s"})[0] == ("system", "own")
    messages = [{"role": "user", "content": "q"}]
    assert said({"messages": messages, "system_prompt": "s"}) == [("user", "q")]
    assert said({"text": "<|im_start|>user\nq<|im_end|>", "system": "s"})[0] == ("system", "s")


def test_a_template_beside_an_instruction_is_not_the_request() -> None:
    row = {"instruction": "do", "input": "this", "output": "a", "prompt": "### Instruction: do this"}
    assert said(row) == [("user", "do\n\nthis"), ("assistant", "a")]


@pytest.mark.parametrize("history", ["hi", {"a": 1}, [["only"]], [5], [["a", "b", "c"]]])
def test_a_history_that_is_no_list_of_pairs_is_named(history: Any) -> None:
    with pytest.raises(UnknownShapeError, match="history"):
        read_conversation({"instruction": "q", "output": "a", "history": history})


def test_human_and_assistant_in_one_text() -> None:
    text = "\n\nHuman: one\n\nAssistant: two\n\nthree\n\nHuman: four\n\nAssistant: five"
    turns = [("user", "one"), ("assistant", "two\n\nthree"), ("user", "four"), ("assistant", "five")]
    assert said({"chosen": text, "rejected": text}) == turns
    assert said({"prompt": text.removesuffix(" five"), "chosen": " five"}) == [
        *turns[:3],
        ("assistant", " five"),
    ]
    assert said({"prompt": "Human: is a word\n\nwith a colon", "completion": "yes"})[0] == (
        "user",
        "Human: is a word\n\nwith a colon",
    )
    assert said({"prompt": "q", "chosen": "I say\n\nHuman: no\n\nAssistant: yes"})[1][0] == "assistant"


@pytest.mark.parametrize("written", [lambda value: value, json.dumps])  # pyright: ignore[reportUnknownLambdaType]
def test_xlam(written: Any) -> None:
    row = {"id": 1, "query": "q", "answers": written([CALL, CALL]), "tools": written([TOOL])}
    found = read_conversation(row)
    assert (found.shape, found.tools, found.notes) == ("xlam", [TOOL], [])
    assert said(row) == [("user", "q"), ("assistant", "")]
    assert calls(row) == [CALL, CALL]
    assert said({**row, "answers": written([])}) == [("user", "q"), ("assistant", "[]")]
    assert calls({**row, "answers": json.dumps([CALL])[:-4]})[0]["name"] == "weather"
    assert said({**row, "answers": "There is no tool for that."})[1] == (
        "assistant",
        "There is no tool for that.",
    )


def test_glaive() -> None:
    system = "SYSTEM: You have these functions -\n" + json.dumps(TOOL, indent=4)
    chat = (
        "USER: Is it warm?\n\n\nASSISTANT: I look.\n<functioncall> "
        '{"name": "weather", "arguments": \'{"city": "L\\\'Aquila"}\'} <|endoftext|>\n\n\n'
        'FUNCTION RESPONSE: {"warm": true}\n\n\nASSISTANT: It is: warm. <|endoftext|>\n\n\n'
    )
    row = {"system": system, "chat": chat}
    assert read_conversation(row).shape == "glaive"
    assert said(row) == [
        ("system", system.removeprefix("SYSTEM: ")),
        ("user", "Is it warm?"),
        ("assistant", "I look."),
        ("tool", '{"warm": true}'),
        ("assistant", "It is: warm."),
    ]
    [call] = calls(row, 2)
    assert (call["name"], json.loads(call["arguments"])) == ("weather", {"city": "L'Aquila"})
    assert calls({"chat": f"USER: q\n\nASSISTANT: <functioncall> {json.dumps(CALL)}"}) == [CALL]
    cut = calls({"chat": 'USER: q\n\nASSISTANT: <functioncall> {"name": "weather", "arguments": \'{"ci'})
    assert cut[0]["name"] == "weather"
    for chat in ("hello", "hello\nUSER: q\n\nASSISTANT: a"):
        with pytest.raises(UnknownShapeError, match="USER:"):
            read_conversation({"chat": chat})


def test_mistral() -> None:
    text = (
        f"<s>[AVAILABLE_TOOLS] {json.dumps([TOOL])}[/AVAILABLE_TOOLS][INST] Is it warm? [/INST]"
        f'[TOOL_CALLS] {json.dumps([CALL])}</s>[TOOL_RESULTS] {{"content": 3}}[/TOOL_RESULTS] No.</s>'
        "[INST] And now? [/INST] Yes.</s>"
    )
    found = read_conversation({"text": text})
    assert (found.shape, found.tools, found.notes) == ("mistral", [TOOL], [])
    assert said({"text": text}) == [
        ("user", "Is it warm?"),
        ("assistant", f"[TOOL_CALLS] {json.dumps([CALL])}"),
        ("tool", '{"content": 3}'),
        ("assistant", "No."),
        ("user", "And now?"),
        ("assistant", "Yes."),
    ]
    assert said({"text": "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nq [/INST] a</s>"}) == [
        ("system", "Be kind."),
        ("user", "q"),
        ("assistant", "a"),
    ]
    assert said({"text": "[SYSTEM_PROMPT]s[/SYSTEM_PROMPT][INST]q[/INST]a</s>"})[0] == ("system", "s")
    assert read_conversation({"text": text.replace("}]", "}", 1)}).notes[0][0] == "tools"
    with pytest.raises(UnknownShapeError, match="INST"):
        read_conversation({"text": "Once upon a time."})


def test_anthropic_s_tool_results_are_turns_of_the_tool() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}]},
        {"type": "tool_result", "tool_use_id": "b", "content": "2"},
        {"type": "tool_result", "tool_use_id": "c"},
    ]
    row = {"messages": [{"role": "user", "content": blocks}]}
    assert [(m["role"], m["content"], m["tool_call_id"]) for m in read_conversation(row).plain] == [
        ("tool", "1", "a"),
        ("tool", "2", "b"),
        ("tool", "", "c"),
    ]
    blocks.append({"type": "text", "text": "Go on."})
    assert said(row)[2:] == [("tool", ""), ("user", "Go on.")]


def test_different_images_are_different_and_the_same_one_the_same() -> None:
    def mark(block: Any) -> str:
        return said([{"role": "user", "content": [block]}])[0][1]

    one, two = ({"type": "image_url", "image_url": {"url": f"https://example.com/{n}.png"}} for n in "12")
    assert mark(one).startswith("[image_url ")
    assert mark(one) != mark(two)
    assert mark(one) == mark(dict(reversed(one.items()))) == mark({**one, "text": None, "video": None})
    assert mark({"type": "image"}) == "[image]"
    assert mark({"type": "image", "image": "\ud800"}).startswith("[image ")


@pytest.mark.parametrize(
    ("tools", "detail"),
    [
        ('[{"name": "f", "parameters": {', "tools is text that is not JSON"),
        ({"f": 1}, "tools is an object, not a list"),
        ('{"f": 1}', "tools is an object, not a list"),
        (5, "tools is a number, not a list"),
        ("some", "tools is text that is not JSON"),
    ],
)
def test_tools_that_cannot_be_read_are_noted(tools: Any, detail: str) -> None:
    row = {"messages": [{"role": "user", "content": "q"}], "tools": tools}
    found = read_conversation(row)
    assert found.tools is None
    [(kind, said)] = found.notes
    assert kind == "tools"
    assert detail in said


@pytest.mark.parametrize("tools", [None, "", [], "[]", {}, "null", 0])
def test_no_tools_are_no_fault(tools: Any) -> None:
    row = {"messages": [{"role": "user", "content": "q"}], "tools": tools}
    assert not read_conversation(row).tools
    assert read_conversation(row).notes == []
    assert read_conversation({**row, "functions": [TOOL]}).tools == [TOOL]


def test_blank_tools_are_noted() -> None:
    row = {"messages": [{"role": "user", "content": "q"}], "tools": " "}
    assert read_conversation(row).notes == [("blank_tools", "tools is blank text")]
    assert read_conversation(row).row() == row


def test_what_else_is_called_functions_is_no_fault() -> None:
    row = {
        "messages": [{"role": "user", "content": "q"}],
        "functions": "sine and cosine",
        "available_tools": 3,
    }
    assert read_conversation(row).notes == []
    assert read_conversation({**row, "functions": '[{"name": "f"'}).notes[0][0] == "tools"


def test_a_printed_call_keeps_its_name() -> None:
    row = {
        "conversations": [{"from": "function_call", "value": "{'name': 'weather', 'arguments': {'a': 1}}"}]
    }
    assert calls(row)[0]["name"] == "weather"


KEYS = st.sampled_from(
    [
        *(
            "messages",
            "conversations",
            "chosen",
            "prompt",
            "question",
            "completion",
            "response",
            "label",
            "text",
        ),
        *(
            "instruction",
            "input",
            "output",
            "query",
            "answers",
            "tools",
            "functions",
            "chat",
            "system",
            "history",
        ),
    ]
)
WORDS = st.sampled_from(
    [
        *(
            "",
            "q",
            "USER: q\n\nASSISTANT: <functioncall> {",
            "[INST] q [/INST] [AVAILABLE_TOOLS] [",
            '[{"name": "f"',
        ),
        *(
            "Human: q\n\nAssistant: a",
            "<|im_start|>user\nq<|im_end|>",
            "<|im_start|>x\nq",
            "[]",
            "5",
            "null",
            "\ud800",
        ),
    ]
)
MESSAGE_KEYS = st.sampled_from(["role", "from", "content", "value", "type", "text", "tool_calls", "name"])
SAID = st.sampled_from(["user", "assistant", "tool_result", "tool_use", "function_call"])


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(MESSAGE_KEYS, inner, max_size=4)


ANY = st.recursive(st.none() | st.booleans() | st.integers() | WORDS | SAID, nested, max_leaves=12)

ROLES = st.sampled_from(["user", "assistant", "system", "tool", "human", "gpt", "function_call"])
MESSAGES = st.fixed_dictionaries({"role": ROLES}, optional={"content": ANY, "value": ANY, "tool_calls": ANY})
CHATS = st.lists(MESSAGES, min_size=1, max_size=3)
# Some common companies of keys, and others next to them.
PAIRS = st.sampled_from(
    [
        "prompt completion",
        "question response",
        "instruction output",
        "input output",
        "prompt chosen",
        "query answers tools",
    ]
)


def company(names: str, said: list[Any], more: dict[str, Any]) -> dict[str, Any]:
    return {**dict(zip(names.split(), said)), **more}


ROWS = st.builds(
    company,
    PAIRS | st.sampled_from(["messages", "conversations", "chat", "text"]),
    st.lists(WORDS | CHATS | WORDS, min_size=3, max_size=3),
    st.dictionaries(KEYS, WORDS | CHATS | ANY, max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(ROWS | ANY)
def test_any_row_is_read_or_named(value: Any) -> None:
    try:
        found = read_conversation(value)
    except UnknownShapeError as error:
        assert str(error)
        return
    assert found.plain
    assert all(m["role"] in ("system", "user", "assistant", "tool") for m in found.plain)
    assert all(isinstance(m["content"], str) for m in found.plain)
    assert isinstance(value, list) or (found.read_from and set(found.read_from) <= set(value))
