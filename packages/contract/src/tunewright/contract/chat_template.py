"""A model's chat template: how a conversation becomes one text. It is somebody's program, so it runs in a sandbox."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from tunewright.contract.errors import UserError

A_DAY = date(2026, 1, 1)  # the date that a template is told: a text must not depend on the day it was made


class TemplateRefusal(ValueError):
    """What a chat template says about a conversation that it does not take, or how it failed on it."""


class ChatTemplate:
    """A Jinja chat template, rendered as `transformers` does: sandboxed, blocks trimmed, `tojson` plain.

    `special` are the tokenizer's special tokens by name (`bos_token`, …), and whatever else the template asks for.
    Raises UserError when the text is not a template.
    """

    def __init__(self, text: str, special: Mapping[str, Any] | None = None) -> None:
        from jinja2 import TemplateError
        from jinja2.ext import Extension, loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        class Generation(Extension):
            """`{% generation %}` marks answers for other trainers; here it is what it holds."""

            tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

            def parse(self, parser: Any) -> Any:
                next(parser.stream)
                return parser.parse_statements(("name:endgeneration",), drop_needle=True)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        functions: dict[str, Any] = {"raise_exception": _refuse, "strftime_now": strftime_now}
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


def strftime_now(form: str) -> str:
    """`A_DAY` in the form that a template asks for."""
    return A_DAY.strftime(form)


def _refuse(message: str) -> None:
    raise TemplateRefusal(message)
