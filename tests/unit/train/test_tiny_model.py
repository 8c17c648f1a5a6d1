"""The tiny base model that ships with the package."""

import hashlib
import json
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tunewright.train.tiny import model_folder
from tunewright.train.tiny.bpe_tokenizer import CHAT_TEMPLATE, PATTERN, VOCAB_SIZE, render
from tunewright.train.tiny.conversations import render_call

CARD_FILE = model_folder().parent / "card.json"
MESSAGES = [
    {"role": "system", "content": "You are Ada."},
    {"role": "user", "content": "Count the boxes in src/pkg/module.py"},
    {"role": "assistant", "content": render_call('print(count_boxes("src/pkg/module.py"))', "Let me check.")},
    {"role": "tool", "content": "12"},
    {"role": "assistant", "content": "There are 12 boxes."},
]


def card() -> dict[str, Any]:
    return json.loads(CARD_FILE.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@lru_cache(maxsize=1)
def loaded() -> tuple[Any, Any]:
    mlx_lm = pytest.importorskip("mlx_lm")
    model, tokenizer, *_ = mlx_lm.load(str(model_folder()))
    return model, tokenizer


def test_finding_the_model_imports_no_mlx():
    code = (
        "import sys, tunewright.train.tiny as tiny; assert tiny.model_folder().is_dir(); "
        "assert not {'mlx', 'mlx_lm', 'numpy'} & {name.split('.')[0] for name in sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_weights_are_float16_and_at_most_12_mb():
    path = model_folder() / "model.safetensors"
    assert path.stat().st_size <= 12_000_000
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}


def test_the_model_has_2_to_5_million_parameters_as_its_card_says():
    from tunewright.train.tiny.model import parameter_count

    count = parameter_count(loaded()[0])
    assert 2_000_000 <= count <= 5_000_000
    assert count == card()["parameters"]


def test_every_matrix_can_be_quantized_in_groups_of_64():
    config = json.loads((model_folder() / "config.json").read_text())
    widths = (
        config["hidden_size"],
        config["intermediate_size"],
        config["num_attention_heads"] * config["head_dim"],
    )
    assert [width % 64 for width in widths] == [0, 0, 0]


def test_the_card_names_the_shipped_files_by_their_hashes():
    assert card()["model_sha256"] == sha256(model_folder() / "model.safetensors")
    assert card()["corpus"]["tokenizer_sha256"] == sha256(model_folder() / "tokenizer.json")
    assert len(card()["loss_curve"]) > 5


def test_the_chat_template_renders_chatml():
    text = loaded()[1].apply_chat_template(MESSAGES[:2], tokenize=False, add_generation_prompt=True)
    system = "<|im_start|>system\nYou are Ada.<|im_end|>\n"
    user = "<|im_start|>user\nCount the boxes in src/pkg/module.py<|im_end|>\n"
    assert text == system + user + "<|im_start|>assistant\n"


def test_a_tool_message_is_rendered_as_a_user_turn():
    text = loaded()[1].apply_chat_template(MESSAGES, tokenize=False)
    response = "<|im_start|>user\n<tool_response>\n12\n</tool_response><|im_end|>\n"
    assert text.endswith(response + "<|im_start|>assistant\nThere are 12 boxes.<|im_end|>\n")


def test_tool_messages_in_a_row_share_one_turn():
    jinja2 = pytest.importorskip("jinja2")
    messages = [
        {"role": "user", "content": "a"},
        {"role": "tool", "content": "b"},
        {"role": "tool", "content": "c"},
        {"role": "assistant", "content": "d"},
    ]
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(CHAT_TEMPLATE).render(messages=messages, add_generation_prompt=False)
    assert text == render(messages)
    assert text.count("<|im_start|>user") == 2


def test_the_corpus_was_rendered_as_the_template_renders():
    assert loaded()[1].apply_chat_template(MESSAGES, tokenize=False) == render(MESSAGES)


def test_tokens_give_the_text_back():
    tokenizer = loaded()[1]
    for text in (
        render(MESSAGES),
        "naïve – 日本\t\r\n  x = {'a': [1, 2]}\n\n\n    _private__name9 <b>",
        'print(f"{result.reference_count} references")',
    ):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_a_name_is_cut_alike_after_a_space_and_after_a_quote():
    tokenizer = loaded()[1]
    for name in ("UserService", "load_config", "src/pkg/module.py", "pkg.mod.HTTPError", "session"):
        ids = tokenizer.encode(name, add_special_tokens=False)
        for around in (f'("{name}")', f"find {name} now", f"`{name}`"):
            whole = tokenizer.encode(around, add_special_tokens=False)
            assert any(whole[i : i + len(ids)] == ids for i in range(len(whole))), (name, around)


def test_the_markers_are_single_tokens_and_a_turn_ends_the_answer():
    tokenizer = loaded()[1]
    markers = (
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<tool_call>",
        "</tool_call>",
        "<tool_response>",
        "</tool_response>",
    )
    assert all(len(tokenizer.encode(m, add_special_tokens=False)) == 1 for m in markers)
    assert tokenizer.eos_token == "<|im_end|>"
    assert len(tokenizer.get_vocab()) == VOCAB_SIZE


def test_the_pattern_covers_every_character():
    text = "a_b9 Ünï  \n\t(x) ß’“日"
    assert "".join(m.group() for m in re.finditer(PATTERN, text)) == text


def test_the_model_writes_a_call_that_parses_and_stops():
    import ast

    from tunewright.train.tiny.evaluate import mlx_answers, program_of

    asked = "Look up the invoice for AcmeLoader in src/app/main.py and print the status."
    text, ended = mlx_answers(model_folder())([[{"role": "user", "content": asked}]])[0]
    program = program_of(text)
    assert ended
    assert program is not None
    ast.parse(program)


def test_the_fast_forward_pass_agrees_with_mlx_lm():
    mx = pytest.importorskip("mlx.core")
    from tunewright.train.tiny import fastmath

    tokens = mx.array([list(range(7, 207))])
    slow = loaded()[0](tokens).astype(mx.float32)
    model = loaded()[0]
    model.set_dtype(mx.float32)
    assert mx.abs(fastmath.logits(model, tokens) - model(tokens)).max().item() < 0.02
    assert slow.shape == (1, 200, VOCAB_SIZE)
