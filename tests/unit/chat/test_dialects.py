"""Every dialect: as its model's chat template writes it, written and read back, cut, doubled, and told from words."""

import json
import re
from contextlib import suppress
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tunewright.chat.calls import DIALECTS, MARKER, CallSyntaxError, find, write
from tunewright.contract.example import Function, ToolCall

OSLO = {"city": "Oslo", "days": 3}
# What each model's chat template renders for `weather(city="Oslo", days=3)`, and for a second call of `now()` where it
# takes several: (dialect, text, names).
ONE, TWO = ["weather"], ["weather", "now"]
TEMPLATES: list[tuple[str, str, list[str]]] = [
    (
        "qwen_xml",
        "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
        "</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
        TWO,
    ),
    (
        "hermes_json",
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}\n</tool_call>\n'
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
        TWO,
    ),
    ("pythonic", "[weather(city='Oslo', days=3), now()]", TWO),
    ("pythonic", '<|python_start|>[weather(city="Oslo", days=3)]<|python_end|>', ONE),
    ("pythonic", '<|tool_call_start|>[weather(city="Oslo", days=3), now()]<|tool_call_end|>', TWO),
    ("pythonic", '```tool_code\nprint(weather(city="Oslo", days=3))\n```', ONE),
    ("pythonic", '<function_calls>\nweather(city="Oslo", days=3)\nnow()\n</function_calls>', TWO),
    (
        "mistral",
        '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo", "days": 3}, "id": "a1b2c3d4e"}]</s>',
        ONE,
    ),
    (
        "mistral",
        '[TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Oslo", "days": 3}[TOOL_CALLS]now[ARGS]{}</s>',
        TWO,
    ),
    ("llama_json", '{"name": "weather", "parameters": {"city": "Oslo", "days": 3}}', ONE),
    (
        "llama_json",
        '<|python_tag|>{"type": "function", "name": "weather", "parameters": {"city": "Oslo", "days": 3}}',
        ONE,
    ),
    (
        "llama_json",
        '{"name": "weather", "parameters": {"city": "Oslo", "days": 3}}; {"name": "now", "parameters": {}}',
        TWO,
    ),
    ("function_tag", '<function=weather>{"city": "Oslo", "days": 3}</function><|eom_id|>', ONE),
    (
        "harmony",
        "<|channel|>analysis<|message|>They ask for weather.<|end|><|start|>assistant to=functions.weather<|channel|>"
        'commentary json<|message|>{"city": "Oslo", "days": 3}<|call|>',
        ONE,
    ),
    (
        "harmony",
        '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Oslo", "days": 3}<|call|>'
        "<|start|>assistant<|channel|>commentary to=functions.now<|message|>{}<|call|>",
        TWO,
    ),
    (
        "deepseek_v3",
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{"city": "Oslo", "days": 3}\n```'
        "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜>"
        "<｜tool▁calls▁end｜><｜end▁of▁sentence｜>",
        TWO,
    ),
    (
        "deepseek_v31",
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Oslo", "days": 3}<｜tool▁call▁end｜>'
        "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        TWO,
    ),
    (
        "glm45",
        "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>days</arg_key>\n"
        "<arg_value>3</arg_value>\n</tool_call>\n<tool_call>now\n</tool_call>",
        TWO,
    ),
    (
        "kimi_k2",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
        '{"city": "Oslo", "days": 3}<|tool_call_end|><|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}'
        "<|tool_call_end|><|tool_calls_section_end|>",
        TWO,
    ),
    (
        "functiongemma",
        "<start_function_call>call:weather{city:<escape>Oslo<escape>,days:3}<end_function_call>",
        ONE,
    ),
    ("functiongemma", '<|tool_call>call:weather{city:<|"|>Oslo<|"|>,days:3}<tool_call|>', ONE),
    (
        "phi4",
        '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}]<|/tool_call|><|end|>',
        ONE,
    ),
    ("phi4", 'functools[{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}]', ONE),
    (
        "granite",
        '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}, {"name": "now", "arguments": {}}]',
        TWO,
    ),
    (
        "cohere",
        '<|START_THINKING|>I will look.<|END_THINKING|><|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "weather", '
        '"parameters": {"city": "Oslo", "days": 3}},\n    {"tool_call_id": "1", "tool_name": "now", "parameters": {}}\n]'
        "<|END_ACTION|>",
        TWO,
    ),
    (
        "cohere",
        'Action: ```json\n[\n    {\n        "tool_name": "weather",\n        "parameters": {"city": "Oslo", "days": 3}\n'
        "    }\n]```",
        ONE,
    ),
    ("react", 'Action: weather\nAction Input: {"city": "Oslo", "days": 3}', ONE),
    (
        "react",
        'Action:\n```json\n{"action": "weather", "action_input": {"city": "Oslo", "days": 3}}\n```',
        ONE,
    ),
    (
        "anthropic_xml",
        '<function_calls>\n<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n'
        '<parameter name="days">3</parameter>\n</invoke>\n<invoke name="now">\n</invoke>\n</function_calls>',
        TWO,
    ),
    (
        "minimax_xml",
        '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">Oslo</parameter>\n'
        '<parameter name="days">3</parameter>\n</invoke>\n</minimax:tool_call>',
        ONE,
    ),
    (
        "glaive",
        '<functioncall> {"name": "weather", "arguments": \'{"city": "Oslo", "days": 3}\'} <|endoftext|>',
        ONE,
    ),
    (
        "function_call_tag",
        '<function_call> {"name": "weather", "arguments": {"city": "Oslo", "days": 3}}',
        ONE,
    ),
    (
        "function_call_tag",
        '<function_call>{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}</function_call>',
        ONE,
    ),
    ("keyvalue", 'tool_call: weather\narguments: {"city": "Oslo", "days": 3}', ONE),
    ("json", '{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}', ONE),
    ("json", '```json\n[{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}]\n```', ONE),
    (
        "json",
        '{"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '
        '"{\\"city\\": \\"Oslo\\", \\"days\\": 3}"}}]}',
        ONE,
    ),
    (
        "python_in_tool_call",
        '<tool_call>result = weather(city="Oslo", days=3)\nprint(result)</tool_call>',
        ONE,
    ),
    (
        "code_mode",
        '<tool_call><function=execute_code>\n<parameter=code>\nprint(weather(city="Oslo", days=3))\n</parameter>\n'
        "</function></tool_call>",
        ONE,
    ),
]
WRITTEN = [name for name in DIALECTS if name != "openai"]
# Dialects that end with the message: nothing tells their last call from one that goes on.
OPEN_ENDED = (
    "json",
    "llama_json",
    "react",
    "keyvalue",
    "granite",
    "mistral",
    "harmony",
    "glaive",
    "function_call_tag",
)


@pytest.mark.parametrize(("dialect", "text", "names"), TEMPLATES, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize(
    "before", ["", "I will look that up.\n\n", "<think>\nHm, [TOOL_CALLS]?\n</think>\n\nYes.\n"]
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_call_is_read_as_its_model_s_template_writes_it(
    dialect: str, text: str, names: list[str], before: str, strict: bool
) -> None:
    turn = find(before + text, strict=strict)
    assert [call.name for call in turn.calls] == names
    assert turn.calls[0].arguments == OSLO
    assert (turn.syntaxes, [call.error for call in turn.calls], turn.problems) == (
        (dialect,),
        [""] * len(names),
        [],
    )
    said = before.rpartition("</think>")[2].strip()
    assert turn.preamble == said
    assert ("Hm" in turn.reasoning) == ("Hm" in before)
    place = (before + text)[turn.calls[0].start : turn.calls[0].end]
    assert "weather" in place
    assert text.endswith(place) or text[text.index(place) + len(place) :]


def test_every_dialect_has_its_template() -> None:
    assert {dialect for dialect, _, _ in TEMPLATES} == set(WRITTEN)
    assert len(DIALECTS) == 25


NAMES = st.from_regex(r"tool_[a-z]{1,8}", fullmatch=True)
KEYS = st.from_regex(r"k_[a-zA-Z0-9]{1,6}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "",
        "3",
        "true",
        "null",
        "None",
        " a ",
        "\n",
        "a\n\nb\n",
        'it\'s "so"',
        "\\n",
        "{}",
        "[1]",
        "</",
        "`x`",
        "漢字 é",
        "```",
    ]
)
VALUES = st.recursive(
    TEXT
    | st.integers(-(10**20), 10**20)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
CALLS = st.lists(st.tuples(NAMES, st.dictionaries(KEYS, VALUES, max_size=4)), min_size=1, max_size=3)


def schemas(calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Which parameters are text: what is lost where values have no quotes."""
    types: dict[str, Any] = {}
    for name, arguments in calls:
        properties = types.setdefault(name, {"properties": {}})["properties"]
        properties |= {key: {"type": "string"} if isinstance(v, str) else {} for key, v in arguments.items()}
    return types


def pairs(turn: Any) -> list[tuple[str | None, dict[str, Any]]]:
    return [(call.name, call.arguments) for call in turn.calls]


@given(
    calls=CALLS, before=st.sampled_from(["", "Let me see.\n\n", "`x`: é 漢\n", "<think>\nno\n</think>\n\n"])
)
@example(calls=[("tool_a", {})], before="")
@example(
    calls=[("tool_a", {"k_a": 'it\'s\n"so" \\ </x> é'}), ("tool_b", {"k_b": {"k_c": [[], {}, None]}})],
    before="",
)
def test_written_calls_read_back_equal(calls: list[tuple[str, dict[str, Any]]], before: str) -> None:
    """In each dialect: drawing the calls takes longer than writing and reading them."""
    unique = list(dict(calls).items())
    types = schemas(unique)
    for dialect in WRITTEN:
        try:
            text = before + write(unique, dialect)
        except CallSyntaxError as refused:  # only for a value that spells a mark of a call
            found = re.search(r"cannot contain (\S+): it would end the call early", str(refused))
            assert found, dialect
            assert found[1] in str(unique), dialect
            assert re.fullmatch(r"</?(tool_call|function|parameter)", found[1]), (dialect, found[1])
            continue
        for strict in (False, True):
            turn = find(text, strict=strict, tools=types)
            assert (pairs(turn), turn.syntaxes) == (unique, (dialect,))
            assert not turn.problems, dialect
        assert re.search(MARKER, text), dialect


@pytest.mark.parametrize("dialect", WRITTEN)
def test_the_normal_form_s_calls_are_written_and_keep_their_ids(dialect: str) -> None:
    call = ToolCall(id="a1b2c3d4e", function=Function(name="weather", arguments=OSLO))
    turn = find(write([call], dialect), tools={"weather": {}})
    assert pairs(turn) == [("weather", OSLO)]
    if dialect in ("mistral", "cohere"):
        assert turn.calls[0].id == "a1b2c3d4e"


THREE = [
    ("weather", {"city": 'Oslo\'s "fjord"', "days": 3}),
    ("search", {"query": "a\nb {x} [y] é", "where": {"deep": [1, {"k": "v"}]}}),
    ("now", {}),
]


@pytest.mark.parametrize("dialect", WRITTEN)
def test_a_message_cut_anywhere_never_gives_another_whole_call(dialect: str) -> None:
    types = schemas(THREE)
    for before in ("", "Let me look.\n\n"):
        text = before + write(THREE, dialect)
        for end in range(len(text)):
            find(text[:end], tools=types)
            find(text[:end])
            try:
                found = pairs(find(text[:end], strict=True, tools=types))
            except CallSyntaxError:
                continue
            assert found == THREE[: len(found)], text[:end]


@pytest.mark.parametrize("dialect", WRITTEN)
def test_what_is_torn_is_told(dialect: str) -> None:
    """Where a call has begun beyond doubt, its torn rest is an error or a problem, and the call is still one of the tool."""
    text = write(THREE[:1], dialect)
    last = len(text.rstrip("}])>|\n'`/" + "toolcafnsuiper_vdqmkENDACTIONbgesx▁｜:-"))
    for end in range(max(last - 8, len(text) // 2), len(text) - 1):
        turn = find(text[:end])
        told = bool(turn.problems) or any(call.error for call in turn.calls)
        whole = pairs(turn) == THREE[:1] and dialect in (*OPEN_ENDED, "phi4")
        assert told or whole, text[:end]
        assert [call.name for call in turn.calls] in (["weather"], []), text[:end]


# Phi's list without its closing mark is Granite's.
@pytest.mark.parametrize(
    "dialect", [name for name in WRITTEN if name not in (*OPEN_ENDED, "pythonic", "phi4")]
)
def test_a_call_that_is_not_closed_or_closed_twice_is_told(dialect: str) -> None:
    text = write([("weather", OSLO)], dialect)
    closing = re.search(r"(?:</?[^<>]+>|<[^<>]+>)\Z", text)
    assert closing
    for torn in (text[: closing.start()], text + closing.group()):
        turn = find(torn)
        assert turn.problems or any(call.error for call in turn.calls)
        assert "weather" in [call.name for call in turn.calls]
        with pytest.raises(CallSyntaxError):
            find(torn, strict=True)


@pytest.mark.parametrize("dialect", WRITTEN)
def test_a_call_in_a_call_is_told_or_is_the_inner_one(dialect: str) -> None:
    text = write([("weather", OSLO)], dialect)
    half = len(text) // 2
    turn = find(text[:half] + text + text[half:])
    told = bool(turn.problems) or any(call.error for call in turn.calls)
    assert told or pairs(turn) in ([("weather", OSLO)], [("weather", OSLO)] * 2, [])


@pytest.mark.parametrize("dialect", [name for name, text, _ in TEMPLATES if '{"' in text and name != "react"])
def test_python_s_quotes_are_an_error_that_keeps_the_name(dialect: str) -> None:
    text = write([("weather", OSLO)], dialect).replace('"', "'")
    calls = find(text).calls
    if dialect in ("json", "llama_json"):  # without a mark only what has the shape of a call is one
        assert calls == []
    else:
        assert [call.name for call in calls] in (["weather"], [None])
        assert all("JSON" in call.error for call in calls)


@pytest.mark.parametrize(
    "text",
    [
        "Wrap the call in `<tool_call>` tags, or write `[TOOL_CALLS]` first.",
        "Use `<function_calls>`, `<|python_tag|>` or `<functioncall>`.",
        '{"name": "Ada", "age": 36}',
        '[{"name": "Ada"}, {"name": "Bob"}]',
        '{"name": "f", "description": "a tool", "parameters": {"type": "object", "properties": {}}}',
        '{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}',
        '{"plan": [\n{"name": "f", "arguments": {"a": 1}}\n]}',
        'A request looks like this:\n```json\n{"name": "f", "arguments": {}}\n```\nSend it with POST.',
        'Write it as\n```\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>\n```\nand nothing else.',
        "[see(1)]",
        "As shown before.\n\n[see(1)]",
        "[1, 2, 3]",
        "[link](https://example.org)",
        "Action: wash the dishes",
        "The tool_call: is a key.",
        "if a < b and c > d: call(x)",
        "```python\nweather(city='Oslo')\n```",
        "<b>bold</b> <i>text</i>",
        "<|channel|>final<|message|>It is sunny.<|return|>",
        "",
    ],
)
def test_words_about_calls_and_json_that_is_none_are_no_calls(text: str) -> None:
    for strict in (False, True):
        turn = find(text, strict=strict)
        assert (turn.calls, turn.problems) == ([], [])


@pytest.mark.parametrize(
    ("text", "offered", "called"),
    [
        ('{"name": "f", "arguments": {}}', ["f"], 1),
        ('{"name": "f", "arguments": {}}', ["g"], 0),
        ("[f(a=1)]", ["g"], 0),
        ("Yes.\n\n[f('a')]", ["f"], 1),
        ("tool_call: f\narguments: {}", ["g"], 0),
        ('Like so:\n```json\n{"name": "f", "arguments": {}}\n```\nDone.', ["f"], 1),
        ('<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>', ["g"], 1),
    ],
)
def test_without_a_mark_only_an_offered_tool_is_called(text: str, offered: list[str], called: int) -> None:
    assert len(find(text, tools=offered).calls) == called


def test_thoughts_are_no_preamble_and_call_nothing() -> None:
    call = write([("f", {})], "hermes_json")
    turn = find(f"<think>\nI could {call}\n</think>\n\nLet me see.\n{call}")
    assert (len(turn.calls), turn.preamble, turn.problems) == (1, "Let me see.", [])
    assert turn.reasoning.startswith("I could")
    unopened = find(f"I think so.\n</think>\n\n{call}")
    assert (unopened.reasoning, unopened.preamble, len(unopened.calls)) == ("I think so.", "", 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "text", ["[f(a='\\d', b=1if c else 2)]", "<tool_call>f('\\d')\ng(1if x else 2)</tool_call>"]
)
def test_python_that_python_warns_of_is_read_in_silence(text: str) -> None:
    assert find(text).calls[0].name == "f"


def test_react_s_input_in_words_is_the_only_value_and_not_strict() -> None:
    text = "Thought: I look.\nAction: search\nAction Input: weather in Oslo\nObservation: rain"
    turn = find(text)
    assert pairs(turn) == [("search", {"$0": "weather in Oslo"})]
    assert (turn.preamble, turn.after) == ("Thought: I look.", "Observation: rain")
    with pytest.raises(CallSyntaxError, match="not an object"):
        find(text, strict=True)


def test_a_parameter_s_type_is_what_its_schema_says() -> None:
    parameters = "<parameter=a>\n3\n</parameter>\n<parameter=b>\nTrue\n</parameter>\n"
    text = f"<tool_call>\n<function=f>\n{parameters}</function>\n</tool_call>"
    assert find(text).calls[0].arguments == {"a": 3, "b": True}
    typed = {"f": {"properties": {"a": {"type": "string"}, "b": {"type": "boolean"}}}}
    assert find(text, strict=True, tools=typed).calls[0].arguments == {"a": "3", "b": True}
    with pytest.raises(CallSyntaxError, match="not JSON"):
        find(text.replace("True", "yes"), strict=True, tools=typed)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
@pytest.mark.parametrize("dialect", WRITTEN)
def test_a_value_without_a_form_is_refused(dialect: str, value: Any) -> None:
    with pytest.raises(CallSyntaxError):
        write([("f", {"a": value})], dialect)


@pytest.mark.parametrize("dialect", WRITTEN)
def test_a_value_with_the_dialect_s_own_marks_is_refused(dialect: str) -> None:
    for mark in DIALECTS[dialect].OPENINGS:
        with pytest.raises(CallSyntaxError, match="end the call early"):
            write([("f", {"a": {"b": [f"x{mark}y"]}})], dialect)


@pytest.mark.parametrize("dialect", ["pythonic", "code_mode", "python_in_tool_call"])
@pytest.mark.parametrize("name", ["get-weather", "class", "a b", "print"])
def test_a_name_that_python_does_not_take_is_refused(dialect: str, name: str) -> None:
    if dialect == "pythonic" and name == "print":
        return
    with pytest.raises(CallSyntaxError):
        write([(name, {})], dialect)


@pytest.mark.parametrize("dialect", WRITTEN)
@given(data=st.data())
def test_no_text_with_its_marks_makes_a_traceback(dialect: str, data: st.DataObject) -> None:
    written = write(THREE, dialect)
    pieces = re.findall(r"<[^<>]*>|\w+|\W", written)
    text = "".join(
        data.draw(
            st.lists(st.sampled_from(pieces) | st.sampled_from([*"{}[]()<>'\"`\n", "```json\n"]), max_size=60)
        )
    )
    turn = find(text)
    if turn.calls or turn.problems:
        assert re.search(MARKER, text)
    for call in turn.calls:
        assert 0 <= call.start < call.end <= len(text)
        json.dumps(call.arguments)


BOMBS = [
    "<tool_call>" * 20_000,
    "<tool_call>{" * 20_000,
    '<tool_call>{"a":' * 20_000,
    "<tool_call><function=f><parameter=a>" * 10_000,
    "<function=f>" * 20_000,
    "<tool_call>f<arg_key>" * 10_000,
    "</tool_call>" * 20_000,
    "[TOOL_CALLS]" * 20_000,
    "[TOOL_CALLS][" * 20_000,
    "[" * 200_000,
    '[TOOL_CALLS] [{"name": "f", "arguments": ' + "[" * 100_000,
    '{"name": "f", "arguments": ' + '{"a":' * 50_000,
    '{"name":\n' * 20_000,
    "[\n" * 50_000 + '"',
    "[f(" + "(" * 50_000,
    "[f(a=" + "-" * 50_000 + "1)]",
    "[f(a=" + "1+" * 5_000 + "1)]",
    "[f(a=x" + ".a" * 20_000 + ")]",
    "\n[f(" * 5_000,
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>" * 10_000,
    "<|tool_calls_section_begin|><|tool_call_begin|>" * 10_000,
    "<start_function_call>call:f{a:" + "[" * 50_000,
    "<start_function_call>call:f{a:" * 10_000,
    "<|START_ACTION|>[" * 10_000,
    "Action: f\nAction Input: {" * 10_000,
    "<function_calls><invoke name=" * 10_000,
    '<function_calls><invoke name="f"><parameter name="a">' * 5_000,
    "<functioncall> {'name': " * 10_000,
    '<functioncall> {"name": "f", "arguments": \'{' * 10_000,
    "<|channel|>commentary to=functions.f<|message|>{" * 10_000,
    "<|channel|>analysis<|message|>" * 20_000,
    "tool_call: f\narguments: {" * 10_000,
    "<think>" * 20_000,
    "```\n" * 20_000 + "<tool_call>",
    "```json\n{" * 10_000 + '"name"',
    "`<tool_call>" * 20_000,
    " " * 200_000 + "<tool_call>" + " " * 200_000,
    "Action:" + " " * 100_000,
    "Action:\n" + " " * 100_000,
    "<|channel|>commentary" + " " * 100_000,
    "<|channel|>commentary" + "json" * 50_000,
    '{"name": "f", "arguments": {}}' + " " * 100_000,
    "[f(a=1)" + " " * 100_000 + "x",
    "[f(a=1)]" + " " * 100_000 + "x",
    "```json\n" + " " * 100_000 + '"name"',
    "[TOOL_CALLS]" + "f" * 100_000,
    "<tool_call>" + "a " * 100_000 + "</tool_call>",
    '<functioncall> {"name": "f", "arguments": \'{}' + " " * 100_000,
    "\n" * 100_000 + '{"name"' + "\n" * 100_000,
]


@pytest.mark.parametrize("text", BOMBS, ids=lambda text: repr(text[:40]))
def test_hostile_texts_take_time_in_proportion_to_their_length(text: str) -> None:
    """Each is up to 700 kB: a quadratic search takes minutes of it, a linear one some hundredths of a second."""
    begun = process_time()
    find(text)
    with suppress(CallSyntaxError):
        find(text, strict=True)
    assert process_time() - begun < 5
