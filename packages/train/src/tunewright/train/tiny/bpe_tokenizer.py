"""The tiny model's tokenizer: byte-level BPE that cuts names the same way wherever they appear.

A small model copies a name token by token, which works only if the name is cut into the same tokens
in the request (after a space) and in the call (after a quote). Therefore spaces are tokens of their own
except before common function words, words of a compound name are cut at case changes and underscores,
and digits stand alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from tunewright.train.tiny.names import words

VOCAB_SIZE = 1536
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END)
ADDED_TOKENS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
CONTEXT = 2048

_FUNCTION_WORDS = (
    "the|a|an|of|in|to|is|are|for|and|or|if|it|its|not|no|with|from|on|at|by|be|was|as|that|this|what|where|who|how|when|"
    "then|than|each|every|all|any|more|less|above|under|both|you|your|I|can|me|there|has|have|does|do|will|use|used|one|two|"
    "they|them|which|print|show|tell|give|helps|assistant|called|named|else|returns"
)
_ALONE = r"(?![\w(/=\[]|\.\w)"
PATTERN = "|".join(
    (
        r"<function=\w+>\n<parameter=\w+>\n",
        r"\n</parameter>\n</function>",
        r'print\((?:f?"\{?)?',
        rf" (?:{_FUNCTION_WORDS}){_ALONE}",
        r" result(?=\.)",
        r"[A-Z]?[a-z]+",
        r"[A-Z]+(?![a-z])",
        r"\d",
        r"_+",
        r"\n *",
        rf" ?[^\s\w]+(?: [^\s\w]+)*(?: (?!(?:{_FUNCTION_WORDS}){_ALONE}))?",
        r" +",
        r"\s+",
        r"\w",
    )
)
"""How text is cut before BPE; every character belongs to exactly one piece."""

_PROGRAMMING_WORDS = words(
    """
    argument branch call change class code column command commit count definition diff directory error
    example exist fail file find first format found function hover import info issue kind last line list
    location message method module name number package parameter pass path pattern project read reference
    result return run search signature source staged status string success summary symbol test text type
    usage user how what when why could please show value variable version warning where workspace write
    """
)
"""Everyday words of the trade that should be one token, however rare they are in the corpus."""

CHAT_TEMPLATE = """\
{%- for message in messages %}
    {%- if message.role == "tool" %}
        {%- if loop.first or messages[loop.index0 - 1].role != "tool" %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != "tool" %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
"""ChatML as Qwen3 renders it, without its reasoning and tool-schema blocks."""


def render(messages: Iterable[dict[str, str]]) -> str:
    """The messages as the chat template renders them, without loading a template engine."""
    text = ""
    previous = ""
    for message in messages:
        role, content = message["role"], message["content"]
        if previous == "tool" and role != "tool":
            text += f"{TURN_END}\n"
        if role == "tool":
            text += "" if previous == "tool" else f"{TURN_START}user"
            text += f"\n<tool_response>\n{content}\n</tool_response>"
        else:
            text += f"{TURN_START}{role}\n{content}{TURN_END}\n"
        previous = role
    return text + (f"{TURN_END}\n" if previous == "tool" else "")


def train(texts: Iterable[str]) -> Any:
    """A `tokenizers.Tokenizer` trained on the texts; the same texts give the same tokenizer."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(ADDED_TOKENS),
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # Markers are tokens already: without the split BPE would spend its vocabulary on spelling them.
    markers = re.compile("|".join(map(re.escape, (*SPECIAL_TOKENS, *ADDED_TOKENS))))
    pieces = (piece for text in texts for piece in markers.split(text) if piece)
    words = (f"{word} {word}s {word.capitalize()}" for word in _PROGRAMMING_WORDS for _ in range(400))
    tokenizer.train_from_iterator(chain(pieces, words), trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ADDED_TOKENS])
    return tokenizer


def save(tokenizer: Any, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json as `mlx_lm.load` expects them."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "add_prefix_space": False,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": TURN_END,
        "model_max_length": CONTEXT,
        "pad_token": END_OF_TEXT,
        # Not Qwen2Tokenizer: that class would put its own way of cutting text in place of ours.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
