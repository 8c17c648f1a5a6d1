"""Which tokens get loss, on a real tokenizer and template."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_templates import ENDS, text_of, write_hermes
from tests.support.conversations import weather
from tests.support.random_qwen3 import TEMPLATE, write_tokenizer
from tunewright.audit.tokenizer import Tokenizer
from tunewright.contract.chat_template import TemplateRefusal
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, Message
from tunewright.contract.template_support import place_in_text
from tunewright.train.encode import Encoded, Encoder, encode_all, encoder_for, with_a_day

CALL = '<tool_call>goto_definition("a")</tool_call>'
# As Qwen3's own template treats reasoning: earlier turns are rendered differently from the last.
FORGETFUL = TEMPLATE.replace(
    "message.content + '<|im_end|>",
    "(message.content if loop.last or message.role != 'assistant' else 'gone') + '<|im_end|>",
)


def messages(*turns: tuple[Any, str]) -> Example:
    return Example(messages=tuple(Message(role=role, content=content) for role, content in turns))


TALK = messages(
    ("system", "You help."),
    ("user", "Where is a?"),
    ("assistant", CALL),
    ("tool", "a.py"),
    ("assistant", "In a.py."),
)


def tokenizer_in(folder: Path, template: str | None = TEMPLATE) -> Any:
    from tunewright.train.base import load_tokenizer

    write_tokenizer(folder, template)
    return load_tokenizer(folder, {"eos_token_id": 2})


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tokenizer_in(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def encoder(tokenizer: Any) -> Encoder:
    return encoder_for(tokenizer)


def trained_text(encoder: Encoder, example: Example, mask: Any) -> list[str]:
    return [piece.text for row in encoder.pieces(example, mask) for piece in row if piece.trained]


def test_every_assistant_turn_is_trained_with_its_end_mark_and_nothing_else(encoder: Encoder) -> None:
    assert trained_text(encoder, TALK, "assistant") == [f"{CALL}<|im_end|>", "In a.py.<|im_end|>"]


def test_last_assistant_trains_the_last_turn_alone(encoder: Encoder) -> None:
    assert trained_text(encoder, TALK, "last_assistant") == ["In a.py.<|im_end|>"]


def test_none_trains_every_token_but_the_first(encoder: Encoder) -> None:
    (encoded,) = encoder.rows(TALK, "none")
    assert all(encoded.trained)
    assert encoded.trainable == len(encoded) - 1


def test_a_turn_at_the_very_beginning_is_trained(encoder: Encoder) -> None:
    assert trained_text(encoder, messages(("assistant", "Hello.")), "assistant") == ["Hello.<|im_end|>"]


def test_tokens_and_mask_agree_with_the_text(encoder: Encoder, tokenizer: Any) -> None:
    (encoded,) = encoder.rows(TALK, "assistant")
    text = tokenizer.apply_chat_template(
        [message.model_dump() for message in TALK.messages], tokenize=False, add_generation_prompt=False
    )
    assert tokenizer.decode(list(encoded.tokens)) == text
    kept = [token for token, trained in zip(encoded.tokens, encoded.trained) if trained]
    assert tokenizer.decode(kept) == f"{CALL}<|im_end|>In a.py.<|im_end|>"
    assert kept.count(tokenizer.eos_token_id) == 2


def test_a_prompt_is_the_beginning_of_the_example_it_asks_for(encoder: Encoder) -> None:
    """What the model reads before it answers is what it read in training, token by token."""
    (encoded,) = encoder.rows(TALK, "assistant")
    for answered in (2, 4):
        prompt = encoder.prompt(TALK.messages[:answered])
        assert list(encoded.tokens[: len(prompt)]) == prompt
        assert encoded.trained[len(prompt)]
        assert not encoded.trained[len(prompt) - 1]


def test_a_template_that_rewrites_earlier_turns_gives_a_row_a_turn(tmp_path: Path) -> None:
    forgetful = encoder_for(tokenizer_in(tmp_path, FORGETFUL))
    last, first = forgetful.rows(TALK, "assistant")
    for row, answered in ((first, 2), (last, 4)):
        prompt = forgetful.prompt(TALK.messages[:answered])
        assert list(row.tokens[: len(prompt)]) == prompt
        assert row.trained == (0.0,) * len(prompt) + row.trained[len(prompt) :]
        assert row.answers == ((answered, row.trainable),)
    assert trained_text(forgetful, TALK, "assistant") == ["In a.py.<|im_end|>", f"{CALL}<|im_end|>"]
    assert trained_text(forgetful, TALK, "last_assistant") == ["In a.py.<|im_end|>"]


def test_a_model_without_a_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no chat template"):
        encoder_for(tokenizer_in(tmp_path, None))


def test_a_long_example_is_left_out_whole_and_named(encoder: Encoder) -> None:
    long = messages(("user", "why " * 80), ("assistant", CALL))
    split = encode_all(encoder, [TALK, long, TALK], mask="assistant", max_length=100, origin="train.jsonl")
    assert [row.row for row in split.rows] == [1, 3]
    assert split.dropped.too_long == (2,)


def test_an_example_without_an_assistant_is_left_out_and_named(encoder: Encoder) -> None:
    silent = messages(("user", "Anybody?"))
    split = encode_all(encoder, [silent, TALK], mask="assistant", max_length=100, origin="train.jsonl")
    assert [row.row for row in split.rows] == [2]
    assert split.dropped.nothing_trained == (1,)


def test_nothing_to_train_on_is_an_error_that_counts(encoder: Encoder) -> None:
    with pytest.raises(
        UserError, match=r"train.jsonl: nothing to train on: of 2 examples 1 are longer than 100"
    ):
        encode_all(
            encoder,
            [messages(("user", "Anybody?")), messages(("user", "why " * 80), ("assistant", CALL))],
            mask="assistant",
            max_length=100,
            origin="train.jsonl",
        )


def test_a_template_that_raises_names_the_example(tmp_path: Path) -> None:
    strict = "{%- if messages | length > 4 %}{{ raise_exception('too much talk') }}{%- endif %}" + TEMPLATE
    with pytest.raises(
        UserError, match=r"valid.jsonl, example 1: the chat template refuses it \(too much talk\)"
    ):
        encode_all(
            encoder_for(tokenizer_in(tmp_path, strict)),
            [TALK],
            mask="assistant",
            max_length=99,
            origin="valid.jsonl",
        )


def rows_or_refusal(encoder: Encoder, example: Example) -> list[Encoded]:
    try:
        return encoder.rows(example, "assistant")
    except TemplateRefusal:
        return []


@pytest.mark.parametrize("name", sorted(ENDS))
def test_laptop_and_host_render_the_same_tokens(name: str, tmp_path: Path) -> None:
    """What the laptop counts and fits is what the host trains, whichever library renders it."""
    host = encoder_for(tokenizer_in(tmp_path, text_of(name)))
    laptop = Tokenizer(tmp_path).encoder
    # transformers passes reasoning under all of its names.
    assert replace(host.support, reasoning=laptop.support.reasoning) == laptop.support
    assert bool(host.support.reasoning) == bool(laptop.support.reasoning)
    write = write_hermes()
    for example in (weather(), TALK, messages(("user", "Hi"), ("assistant", "Ho"))):
        placed = place_in_text(example, laptop.support, write)
        assert rows_or_refusal(host, placed) == rows_or_refusal(laptop, placed)
        if rows_or_refusal(host, placed):
            before = placed.messages[:-1]
            assert host.prompt(before, placed.tools) == laptop.prompt(before, placed.tools)
    assert rows_or_refusal(host, place_in_text(weather(), laptop.support, write))


def test_a_template_is_told_the_same_day_every_day() -> None:
    told = with_a_day(
        "{{ strftime_now('%d %b %Y') }} {{ strftime_now( \"%Y-%m-%d\" ) }} {{ strftime_now(form) }}"
    )
    assert told == '{{ "01 Jan 2026" }} {{ "2026-01-01" }} {{ strftime_now(form) }}'
