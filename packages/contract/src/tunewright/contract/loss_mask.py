"""Which parts of a rendered conversation are trained: every turn as it is answered when the model is served.

The text is cut where the assistant's turns begin and end, and each piece is tokenized by itself, so that a turn's first
token is the same in training as in generation, where the prompt ends there. Where a template renders a turn differently
once another one follows it (think blocks that are dropped, tools that move to the last request), the conversation becomes
several training rows, each the text that the model is served with.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tunewright.contract.chat_template import TemplateRefusal
from tunewright.contract.example import Message
from tunewright.contract.template_support import Render, Row, TemplateSupport, fit, probe_answer

Mask = Literal["assistant", "last_assistant", "none"]
LONGEST_TAIL = 200  # characters of a prompt's end that are looked for
_BEGUN_TAG = re.compile(r"<[\w|｜/:-]*\Z")
CONTEXT = -1  # the message of a piece that is not an answer


@dataclass(frozen=True)
class Piece:
    """A stretch of rendered text, and the weight of its loss. `message` is the answer that it is, or CONTEXT."""

    text: str
    weight: float
    message: int = CONTEXT

    @property
    def trained(self) -> bool:
        return self.weight > 0


class Conversation:
    """A conversation to be rendered: `ends` are the marks that close a turn (`<|im_end|>`)."""

    def __init__(
        self,
        messages: Sequence[Message],
        tools: Sequence[Row],
        render: Render,
        support: TemplateSupport,
        ends: Sequence[str],
    ) -> None:
        self._support = support
        self._turns = fit(messages, support)
        self._tools = tuple(tools) or None
        self._render_rows = render
        self._ends = ends
        self._rendered: dict[tuple[int, bool], str] = {}
        self._answers = [i for i, turn in enumerate(self._turns) if turn.row["role"] == "assistant"]

    def prompt(self) -> list[Piece]:
        """The text after which the model writes its turn, cut like the training rows. Raises TemplateRefusal."""
        return self._cut(self._render(len(self._turns), True), {})

    def rows(self, mask: Mask) -> list[list[Piece]]:
        """The training rows; together they train every answer that has weight under the mask. Raises TemplateRefusal."""
        whole = self._render(len(self._turns), False)
        wanted = {i: self._turns[i].weight for i in self._answers}
        if mask == "none":
            return [self._every_token(whole, wanted)]
        if mask == "last_assistant":
            wanted = {i: weight for i, weight in wanted.items() if self._is_last(i)}
        left = {i: weight for i, weight in wanted.items() if weight > 0}
        if not left:
            return [self._cut(whole, {})]
        rows: list[list[Piece]] = []
        text = whole
        while left:
            now = {i: weight for i, weight in left.items() if self._fits(i, text)}
            if now:
                rows.append(self._cut(text, now))
            left = {i: weight for i, weight in left.items() if i not in now}
            if left:
                last = max(left)
                text = self._render(last + 1, False)
                if not self._fits(last, text):
                    rows.append(self._served(last, left.pop(last)))
        return rows

    def _is_last(self, i: int) -> bool:
        # One message can be several turns.
        return self._turns[i].message == self._turns[self._answers[-1]].message

    def _every_token(self, whole: str, weights: dict[int, float]) -> list[Piece]:
        if not all(self._fits(i, whole) for i in self._answers):
            return [Piece(whole, 1.0)]
        pieces = self._cut(whole, weights)
        return [piece if piece.message != CONTEXT else Piece(piece.text, 1.0) for piece in pieces]

    def _cut(self, text: str, weights: dict[int, float]) -> list[Piece]:
        """Cut a text at every answer that appears in it as it was written, from its opening to its end mark."""
        cuts: list[tuple[int, int]] = []  # place, and the answer that begins there or CONTEXT
        for i in self._answers:
            if self._fits(i, text):
                before, after = self._before(i), self._render(i + 1, False)
                cuts += [(len(before), i), (len(before) + self._stop(after[len(before) :]), CONTEXT)]
        edges = [(0, CONTEXT), *cuts, (len(text), CONTEXT)]
        return [
            Piece(
                text[start:stop],
                weights.get(i, 0.0) if i != CONTEXT else 0.0,
                self._turns[i].message if i != CONTEXT else CONTEXT,
            )
            for (start, i), (stop, _) in pairwise(edges)
            if stop > start
        ]

    def _served(self, i: int, weight: float) -> list[Piece]:
        """A turn behind the prompt that it answers, where the template never renders it as an answer to that prompt.

        Some open a think block in the prompt, and write past answers without one; Mistral's shows the system message
        only in a prompt.
        """
        closed, prompt = self._render(i, False), self._before(i)
        after = self._render(i + 1, False)
        if prompt.startswith(closed) and after.startswith(closed):
            opening, written = prompt[len(closed) :], after[len(closed) :]
            answer = written[_shared(opening, written) :]
        else:
            opening, answer = prompt, after[self._answer_start(i, prompt, after) :]
        answer = answer[: self._stop(answer)]
        if _opens_thinking(opening) and "</think>" not in answer:
            thought = self._turns[i].reasoning.strip()
            answer = f"{thought}\n</think>\n\n" + answer.lstrip("\n")
        context = self._cut(prompt, {})
        return [*context, Piece(answer, weight, self._turns[i].message)]

    def _answer_start(self, i: int, prompt: str, after: str) -> int:
        """Where the last turn of a rendered conversation begins, which renders the turns before it unlike the prompt.

        It begins before the place where another answer would make a difference, and behind what the prompt ends with.
        """
        rows = [*(turn.row for turn in self._turns[:i]), probe_answer(self._turns[i].row, self._support)]
        differs = _shared(after, self._render_rows(rows, self._tools, False))
        tail = (
            prompt.rstrip().removesuffix("<think>")[-LONGEST_TAIL:]
            if _opens_thinking(prompt)
            else prompt[-LONGEST_TAIL:]
        )
        for begin in range(len(tail)):
            if (at := after.rfind(tail[begin:], 0, differs)) >= 0:
                return at + len(tail) - begin
        return differs

    def _fits(self, i: int, text: str) -> bool:
        """Whether a text holds an answer as it is written after the prompt that it answers."""
        before, after = self._before(i), self._render(i + 1, False)
        return after.startswith(before) and text.startswith(after)

    def _before(self, i: int) -> str:
        """The prompt that a turn answers."""
        if i:
            return self._render(i, True)
        try:
            before = self._render(0, True)
            if before and self._render(1, False).startswith(before):
                return before
        except TemplateRefusal:  # a template may refuse to render no messages at all
            pass
        text = self._render(1, False)
        return text[: max(text.find(self._turns[0].row["content"].strip()), 0)]

    def _stop(self, written: str) -> int:
        """Where a written turn ends: behind its end mark; all of it when there is none."""
        return max(
            (at + len(end) for end in self._ends if (at := written.rfind(end)) >= 0), default=len(written)
        )

    def _render(self, count: int, opened: bool) -> str:
        if (count, opened) not in self._rendered:
            rows = [turn.row for turn in self._turns[:count]]
            self._rendered[count, opened] = self._render_rows(rows, self._tools, opened)
        return self._rendered[count, opened]


def _opens_thinking(text: str) -> bool:
    return text.rstrip().endswith("<think>")


def _shared(first: str, second: str) -> int:
    """How many characters two texts share at their beginning, a tag that both only begin with not counted."""
    count = next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))
    tag = _BEGUN_TAG.search(first, max(0, count - LONGEST_TAIL), count)
    return tag.start() if tag else count
