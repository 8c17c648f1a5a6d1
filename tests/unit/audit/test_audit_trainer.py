"""The simulated trainers against the real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.conversations import weather
from tunewright.audit.tokenizer import Tokenizer, call_writer
from tunewright.audit.trainer import measure, mlx_batches, tokenizer_folder, train_as_ours
from tunewright.chat.calls.code_mode import render_program
from tunewright.chat.prepare import prepare
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, Message
from tunewright.contract.loss_mask import Mask

CONVERSATIONS: list[list[dict[str, Any]]] = [
    [
        {"role": "user", "content": "Where is parse defined?"},
        {"role": "assistant", "content": render_program("goto_definition('a.py', 3, 'parse')")},
    ],
    [
        {"role": "system", "content": "You are a coding assistant."},
        {"role": "user", "content": "Read a.py"},
        {"role": "assistant", "content": "One moment.\n\n" + render_program("print(read_file('a.py').text)")},
        {"role": "user", "content": "<tool_response>\nx = 1\n</tool_response>"},
        {"role": "assistant", "content": "It sets x to 1."},
    ],
    [
        {"role": "user", "content": "What is a decorator? — with “quotes”"},
        {"role": "assistant", "content": "A function that takes one. " * 20},
    ],
]


@pytest.fixture(scope="module")
def folder() -> Path:
    found = tokenizer_folder("embedded:tiny", None)
    if found is None:
        pytest.skip("the embedded model is not in this checkout")
    return found


@pytest.fixture(scope="module")
def real(folder: Path) -> Any:
    pytest.importorskip("mlx_lm")
    from mlx_lm.utils import load_tokenizer

    return load_tokenizer(folder)


@pytest.mark.filterwarnings("ignore")
def test_lengths_are_those_of_mlx_lm_s_own_dataset(folder: Path, real: Any) -> None:
    from mlx_lm.tuner.datasets import ChatDataset

    tokenizer = Tokenizer(folder)
    for messages in CONVERSATIONS:
        tokens, offset = ChatDataset([], real, mask_prompt=True).process({"messages": messages})
        measured = measure(messages, None, tokenizer)
        assert (measured.tokens, measured.prompt) == (len(tokens), offset)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mask", ["assistant", "last_assistant", "none"])
def test_what_is_trained_is_what_our_own_trainer_trains(mask: Mask, folder: Path, real: Any) -> None:
    from tunewright.train.encode import encoder_for

    trainer, simulated = encoder_for(real), Tokenizer(folder).encoder
    assert simulated.support == trainer.support
    write = call_writer("hermes_json")
    for messages in CONVERSATIONS:
        example = Example(messages=tuple(Message(**message) for message in messages))
        rows = trainer.rows(prepare(example).example, mask)
        assert simulated.rows(prepare(example).example, mask) == rows
        found = train_as_ours(example, simulated, write, mask, 2048)
        assert found.tokens == sum(row.trainable for row in rows)
        assert found.longest == max(map(len, rows))
        assert [tokens > 0 for tokens in found.answers] == (
            [False] * (len(found.answers) - 1) + [True]
            if mask == "last_assistant"
            else [True] * len(found.answers)
        )


def test_tools_and_calls_that_the_template_drops_are_counted_as_the_text_that_they_become(
    folder: Path,
) -> None:
    encoder = Tokenizer(folder).encoder
    assert not encoder.support.native
    write = call_writer("openai")
    with_calls = train_as_ours(weather(), encoder, write, "assistant", 2048)
    bare = weather().model_copy(update={"tools": ()})
    assert with_calls.longest > train_as_ours(bare, encoder, write, "assistant", 2048).longest
    assert all(with_calls.answers)
    assert len(with_calls.answers) == 3


def test_weight_0_is_not_trained_and_too_long_a_row_neither(folder: Path) -> None:
    encoder, write = Tokenizer(folder).encoder, call_writer("hermes_json")
    messages = list(weather().messages)
    messages[5] = messages[5].model_copy(update={"weight": 0.0})
    example = weather().model_copy(update={"messages": tuple(messages)})
    assert [tokens > 0 for tokens in train_as_ours(example, encoder, write, "assistant", 2048).answers] == [
        True,
        False,
        True,
    ]
    whole = train_as_ours(weather(), encoder, write, "assistant", 2048)
    cut = train_as_ours(weather(), encoder, write, "assistant", whole.longest - 1)
    assert (cut.tokens, set(cut.answers), cut.longest) == (0, {0}, whole.longest)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [1, 4, 7])
def test_batches_are_those_of_mlx_lm(size: int, folder: Path, real: Any) -> None:
    from mlx_lm.tuner.datasets import CacheDataset, ChatDataset
    from mlx_lm.tuner.trainer import iterate_batches

    rows: list[dict[str, Any]] = []
    for number in range(30):
        messages = [{"role": "user", "content": f"number {number}"}, {"role": "assistant", "content": "yes"}]
        rows.append({"messages": messages, **{f"key{k}": 1 for k in range(number * 7 % 3)}})
    taken: list[frozenset[int]] = []
    for batch, _ in iterate_batches(CacheDataset(ChatDataset(rows, real)), size, 512):
        texts = [real.decode(line) for line in np.array(batch).tolist()]
        taken.append(frozenset(next(n for n in range(30) if f"number {n}<" in text) for text in texts))
    expected = [frozenset(batch) for batch in mlx_batches([len(row) for row in rows], size)]
    assert sorted(map(sorted, taken)) == sorted(map(sorted, expected))


def test_the_place_of_a_call_is_found_in_tokens(folder: Path) -> None:
    tokenizer = Tokenizer(folder)
    measured = measure(CONVERSATIONS[1], None, tokenizer)
    first, second = measured.spans
    assert second.call == -1
    text = tokenizer.render(CONVERSATIONS[1], None, False)
    start = tokenizer.encode(text)[first.call][0]
    assert text[start:].startswith("<tool_call>")
    assert first.start < first.call < first.end < second.start


def test_a_template_that_refuses_is_a_reason_and_no_traceback(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    measured = measure(CONVERSATIONS[0], None, Tokenizer(tmp_path))
    assert (measured.tokens, measured.spans) == (0, ())
    assert "roles must alternate" in measured.refused


def test_a_template_runs_in_a_sandbox(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages.__class__.__mro__[1].__subclasses__() }}")
    assert "SecurityError" in measure(CONVERSATIONS[0], None, Tokenizer(tmp_path)).refused


def test_a_model_that_is_not_here_has_no_tokenizer() -> None:
    assert tokenizer_folder("nobody/nothing", "0" * 40) is None
    assert tokenizer_folder("/no/such/folder", None) is None


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"broken')
    with pytest.raises(UserError, match=r"tokenizer\.json cannot be read"):
        Tokenizer(tmp_path)
