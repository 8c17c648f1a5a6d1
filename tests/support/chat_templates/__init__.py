"""Small copies of public chat templates, each with the quirk that it shows; the file names say whose."""

from functools import cache
from pathlib import Path

from tunewright.contract.chat_template import ChatTemplate
from tunewright.contract.encoding import Encoder
from tunewright.contract.template_support import Render, Row, WriteCalls

# The marks that end a turn, as each model's config names them.
ENDS = {
    "smollm2": ["<|im_end|>"],
    "qwen25": ["<|im_end|>", "<|endoftext|>"],
    "qwen3": ["<|im_end|>", "<|endoftext|>"],
    "llama31": ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"],
    "mistral": ["</s>"],
    "gemma2": ["<eos>", "<end_of_turn>"],
    "gptoss": ["<|return|>", "<|endoftext|>", "<|call|>"],
    "deepseek_r1": ["<｜end▁of▁sentence｜>"],
}


def text_of(name: str) -> str:
    return Path(__file__).with_name(f"{name}.jinja").read_text(encoding="utf-8")


@cache
def template(name: str) -> ChatTemplate:
    return ChatTemplate(text_of(name), {"bos_token": "<s>", "eos_token": "</s>", "enable_thinking": True})


def renderer(name: str) -> Render:
    def render(rows: "list[Row]", tools: "list[Row] | None", opened: bool) -> str:
        return template(name).render(rows, tools, opened=opened)

    return render  # pyright: ignore[reportReturnType]


@cache
def encoder(name: str) -> Encoder:
    """An encoder whose tokens are characters."""
    return Encoder(renderer(name), lambda text: [ord(character) for character in text], ENDS[name])


def write_hermes() -> WriteCalls:
    from tunewright.chat.calls import write

    return lambda calls: write(calls, "hermes_json")
