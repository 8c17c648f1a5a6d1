"""A model's chat template: how a conversation becomes one text. It is somebody's program, so it runs in a sandbox."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.contract.errors import UserError

A_DAY = "2026-01-01"  # what a template hears when it asks for the date: a text must not depend on the day


class TemplateRefusal(ValueError):
    """What a chat template says about a conversation that it does not take, or how it failed on it."""


class ChatTemplate:
    """A Jinja chat template, rendered as `transformers` does: sandboxed, blocks trimmed, `tojson` plain.

    `special` are the tokenizer's special tokens by name (`bos_token`, …). Raises UserError when the text is no template.
    """

    def __init__(self, text: str, special: Mapping[str, str] | None = None) -> None:
        from jinja2 import TemplateError
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        functions: dict[str, Any] = {"raise_exception": _refuse, "strftime_now": _a_day}
        environment.globals.update(functions)
        self._special = dict(special or {})
        try:
            self._template = environment.from_string(text)
        except TemplateError as error:
            raise UserError(
                f"the chat template cannot be read: {error}", "Check the model's chat_template."
            ) from error

    def render(
        self, messages: Sequence[Mapping[str, Any]], tools: Any = None, *, opened: bool = False
    ) -> str:
        """The conversation as one text, ending with the opening of an answer when `opened`.

        Raises TemplateRefusal, whatever the template did.
        """
        try:
            return self._template.render(
                messages=list(messages), tools=tools, add_generation_prompt=opened, **self._special
            )
        except TemplateRefusal:
            raise
        except Exception as error:  # a template can fail in any way a program can
            raise TemplateRefusal(f"{type(error).__name__}: {error}") from error


def _to_json(value: Any, **options: Any) -> str:
    options.setdefault("ensure_ascii", False)
    return json.dumps(value, **options)


def _a_day(_format: str) -> str:
    return A_DAY


def _refuse(message: str) -> None:
    raise TemplateRefusal(message)
