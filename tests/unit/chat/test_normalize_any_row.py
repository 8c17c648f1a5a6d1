"""`data.normalize`, held against any row in the form of `messages`: all of it is there afterwards."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunewright.chat.calls.code_mode import render_program
from tunewright.chat.conversation import read_conversation
from tunewright.chat.message import text_of
from tunewright.chat.resample_structure import PREAMBLES, Draw, Wanted, redraw_row

Row = dict[str, Any]
COMMON = {"role": "system", "content": "Be kind."}
DONOR = [{"role": "user", "content": "and what"}, {"role": "assistant", "content": "a thing"}]
SYSTEM = ("system", "developer")
HELD = {"type": "ephemeral"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,x"}}
USE = {"type": "tool_use", "id": "u", "name": "look", "input": {"n": 1.0}}
FUNCTION = {"name": "look", "arguments": '{"n":  1}'}
DATA_CALLS = {"tool_calls": [{"id": "c1", "type": "function", "function": FUNCTION}]}

VALUES = st.sampled_from([None, 0, 1, "x", {"type": "ephemeral"}])
NAMES = ["weight", "name", "cache_control", "tool_call_id", "refusal", "id", "ünbekannt"]
EXTRAS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)
TEXTS = st.text(alphabet="ab <\n.é", max_size=12)
TEXT_BLOCKS = st.fixed_dictionaries(
    {"type": st.just("text"), "text": TEXTS}, optional={"cache_control": st.just(HELD)}
)
BLOCKS = st.lists(TEXT_BLOCKS | st.just(IMAGE), max_size=3)


@st.composite
def messages(draw: st.DrawFn) -> Row:
    """Any message: of any role, in text or blocks, with or without a call in any of the ways to write one."""
    kind = draw(
        st.sampled_from(["said", "said", "tool_calls", "function_call", "tool_use", "program", "brackets"])
    )
    content: Any = draw(st.one_of(TEXTS, BLOCKS))
    message: Row = {"role": "assistant", "content": content, **draw(EXTRAS)}
    if kind == "said":
        message["role"] = draw(st.sampled_from([*SYSTEM, "user", "assistant", "tool", "function"]))
    elif kind == "tool_calls":
        message |= DATA_CALLS
    elif kind == "function_call":
        message |= {"content": None, "function_call": FUNCTION}
    elif kind == "tool_use":
        message["content"] = [*draw(BLOCKS), USE]
    elif kind == "program":
        message["content"] = draw(TEXTS) + render_program(draw(TEXTS))
    else:
        message["content"] = '[look("it")]'
    return message


def call_and_words(message: Row) -> tuple[list[Any], str]:
    """Every call of a message as it is written there, and what it says besides."""
    content = message["content"]
    data = [message.get("tool_calls"), message.get("function_call")]
    if isinstance(content, list):
        words = "".join(block["text"] for block in content if block["type"] == "text")
        return [*data, *(block for block in content if block["type"] == "tool_use")], words.strip()
    words, tag, call = (content or "").partition("<tool_call>")
    return [*data, tag + call], words.strip()


def beside_text(message: Row) -> list[Any]:
    """What a message has next to its text: keys, blocks of other kinds, keys of blocks."""
    content = message["content"]
    blocks = [{**block, "text": ""} for block in content] if isinstance(content, list) else []
    others = [block for block in blocks if set(block) != {"type", "text"}]
    return [{key: value for key, value in message.items() if key != "content"}, others]


def is_kept(old: Row, new: Row) -> bool:
    """Whether a message is the same but for a common system message, whitespace, and words before a call."""
    (calls, words), (calls_now, words_now) = call_and_words(old), call_and_words(new)
    if beside_text(old) != beside_text(new) or calls != calls_now:
        return False
    if old["role"] in SYSTEM:
        return words_now in (words, COMMON["content"])
    return words_now == words or (any(calls) and words_now in ("", *PREAMBLES))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(messages(), min_size=1, max_size=6),
    st.dictionaries(
        st.sampled_from(["id", "weight", "parallel_tool_calls", "meta", "label", "système"]), VALUES
    ),
    st.lists(st.just("x") | st.integers(), max_size=4),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.booleans(),
    st.text(max_size=3),
)
def test_all_keys_blocks_and_calls_survive_whatever_the_row(
    said: list[Row], top: Row, tools: list[Any], share: float, replaceable: bool, seed: str
) -> None:
    row = {**top, "messages": said, "functions": tools, "tools": json.dumps(tools)}
    untouched = json.dumps(row)
    texts = frozenset([text_of(said[0])] if replaceable else [])
    wanted = Wanted(share, share, share, COMMON["content"], texts, donors=[DONOR])
    new = redraw_row(read_conversation(row).row(), wanted, Draw(seed))
    assert json.dumps(row) == untouched

    assert list(new) == list(row)
    assert {key: new[key] for key in top} == top
    assert sorted(map(str, new["functions"])) == sorted(map(str, tools))
    assert sorted(map(str, json.loads(new["tools"]))) == sorted(map(str, tools))

    after = list(new["messages"])
    if said[0]["role"] in SYSTEM and after[0]["role"] not in SYSTEM:
        # A system message goes only where it was boilerplate, and nothing but text.
        assert replaceable
        assert isinstance(said[0]["content"], str)
        assert not [key for key, value in said[0].items() if value is not None and key not in COMMON]
        said = said[1:]
    elif said[0]["role"] not in SYSTEM and after[0] == COMMON:
        after = after[1:]
    if len(after) == len(said) + 2:
        at = 1 if after[0]["role"] in SYSTEM else 0
        assert after[at : at + 2] == DONOR
        del after[at : at + 2]
    assert len(after) == len(said)
    assert [is_kept(old, now) for old, now in zip(said, after)] == [True] * len(said)
