"""What the tiny base model can do on conversations it has not seen: `python -m tunewright.train.tiny.evaluate`.

The conversations come from the generator that trained it, with another seed: names, values and passing
tools are new, the shapes of requests and programs are not.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tunewright.train.tiny import model_folder
from tunewright.train.tiny.conversations import Conversation, Message
from tunewright.train.tiny.pretraining_corpus import clean_conversations

SEED = 900_001
_OPEN, _CLOSE = (
    "<tool_call><function=execute_code>\n<parameter=code>\n",
    "\n</parameter>\n</function></tool_call>",
)

Answers = Callable[[list[list[Message]]], list[tuple[str, bool]]]
"""Gives the assistant's text for each prompt, and whether it ended by itself."""


@dataclass(frozen=True)
class Call:
    """A function and its literal arguments; any other argument is its source."""

    function: str
    arguments: tuple[Any, ...]


def program_of(text: str) -> str | None:
    """The program in an answer, or None where the format is not met exactly."""
    before, opened, rest = text.partition(_OPEN)
    program, closed, after = rest.partition(_CLOSE)
    return program if opened and closed and not after and "<" not in before else None


def calls_of(program: str) -> list[Call] | None:
    """The program's calls of plain functions other than print and len, or None if it does not parse."""
    try:
        tree = ast.parse(program)
    except SyntaxError:
        return None
    found: list[tuple[int, int, Call]] = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id not in ("print", "len")
        ):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            arguments = tuple(v.value if isinstance(v, ast.Constant) else ast.unparse(v) for v in values)
            found.append((node.lineno, node.col_offset, Call(node.func.id, arguments)))
    return [call for *_, call in sorted(found, key=lambda entry: entry[:2])]


class Tally:
    """Successes and trials by name."""

    def __init__(self) -> None:
        self.counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, name: str, success: bool) -> None:
        """Counts one trial."""
        self.counts[name][0] += success
        self.counts[name][1] += 1

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Share and number of trials for each name."""
        return {name: {"share": round(k / n, 3), "n": n} for name, (k, n) in sorted(self.counts.items())}


@dataclass(frozen=True)
class Question:
    """One place in a conversation where the assistant answers."""

    made: Conversation
    at: int
    """The answer's place among the messages."""

    @property
    def prompt(self) -> list[Message]:
        """The messages before the answer."""
        return list(self.made.messages[: self.at])

    @property
    def expected(self) -> str:
        """The answer in the conversation."""
        return self.made.messages[self.at]["content"]


def questions_of(made: Conversation) -> list[Question]:
    """The first answer, and the final one where the conversation has a tool's response."""
    places = [i for i, m in enumerate(made.messages) if m["role"] == "assistant"]
    final = [i for i in places if made.messages[i - 1]["role"] == "tool"]
    return [Question(made, i) for i in (places[0], *final)]


def judge(question: Question, text: str, ended: bool, tally: Tally) -> None:
    """Counts what is right about one answer."""
    made, wanted = question.made, question.expected
    if made.messages[question.at - 1]["role"] == "tool":
        tally.add("final: stops, no call", ended and "<tool_call>" not in text)
        tally.add("final: exact", text == wanted)
        return
    tally.add("stops", ended)
    expected, program = program_of(wanted), program_of(text)
    if expected is None:
        tally.add("direct: no call", program is None)
        tally.add("direct: exact", text == wanted)
        return
    got = calls_of(program) if program is not None else None
    want = calls_of(expected) or []
    tally.add("call: format", program is not None)
    tally.add("call: parses", got is not None)
    tally.add("call: whole program", program == expected)
    group = "drill" if made.kind == "direct" else "listed" if made.listed else "household"
    tally.add(f"{group}: function", bool(got) and got[0].function == want[0].function)
    tally.add(f"{group}: arguments", bool(got) and got[0].arguments == want[0].arguments)
    if made.kind == "chain":
        both = bool(got) and [c.function for c in got] == [c.function for c in want]
        tally.add("chain: both functions", both)


def mlx_answers(folder: Path, limit: int = 160) -> Answers:
    """Greedy answers of a model folder through mlx_lm, many at a time."""
    import mlx.core as mx
    import mlx_lm
    from mlx_lm.generate import BatchGenerator

    model, tokenizer, *_ = mlx_lm.load(str(folder))
    model.set_dtype(mx.float32)  # pyright: ignore[reportUnknownMemberType]
    plain: Any = tokenizer

    def answers(prompts: list[list[Message]]) -> list[tuple[str, bool]]:
        generator: Any = BatchGenerator(
            model,
            max_tokens=limit,
            stop_tokens=[[token] for token in sorted(plain.eos_token_ids)],
            completion_batch_size=32,
            prefill_batch_size=8,
        )
        rendered = [list(plain.apply_chat_template(p, add_generation_prompt=True)) for p in prompts]
        tokens: dict[int, list[int]] = {uid: [] for uid in generator.insert(rendered)}
        ended: dict[int, bool] = {}
        while responses := generator.next_generated():
            for response in responses:
                if response.finish_reason != "stop":
                    tokens[response.uid].append(int(response.token))
                if response.finish_reason is not None:
                    ended[response.uid] = response.finish_reason == "stop"
        return [(plain.decode(ids), ended[uid]) for uid, ids in tokens.items()]

    return answers


def main() -> None:
    """Parses the command line and prints the shares as JSON."""
    parser = argparse.ArgumentParser(
        description="Probe the tiny base model on held-out generated conversations."
    )
    parser.add_argument("--model", type=Path, default=model_folder())
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument(
        "--show", type=int, default=0, help="print this many wrong answers next to the expected ones"
    )
    options = parser.parse_args()
    asked = [q for made in islice(clean_conversations(SEED), options.cases) for q in questions_of(made)]
    given = mlx_answers(options.model)([question.prompt for question in asked])
    tally = Tally()
    for question, (text, ended) in zip(asked, given, strict=True):
        judge(question, text, ended, tally)
        if options.show and text != question.expected:
            options.show -= 1
            sys.stdout.write(f"--- {question.prompt[-1]['content']}\nwant {question.expected}\ngot  {text}\n")
    sys.stdout.write(json.dumps(tally.as_dict(), indent=1) + "\n")


if __name__ == "__main__":
    main()
