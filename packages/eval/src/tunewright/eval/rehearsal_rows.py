"""A base model's own answers as training rows: which prompts it is asked, and which of its answers are kept. Pure.

A prompt is a `Case` without anything expected; its id is the hash of all that the model is shown.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tunewright.chat.calls import find
from tunewright.chat.message import first_tool
from tunewright.chat.similar import NearDuplicates
from tunewright.chat.split import NEAR, Linked, divide
from tunewright.contract.atomic import sha256_json
from tunewright.contract.example import Example, Message, Meta
from tunewright.contract.rehearsal import HELD_OUT, REHEARSED
from tunewright.contract.suite import Case, Prediction
from tunewright.eval.words import Fault, no_answer

HELD_OUT_SHARE = 0.2  # of the answers, whole groups of near prompts at a time
LONGEST = 2_000  # words of an answer
_FENCED = re.compile(r"```.*?```", re.DOTALL)
_SPECIAL = re.compile(r"<\|[^|<>\s]{1,40}\|>")  # a token of a chat template, which is not text


def make_prompt(
    messages: Sequence[Message], tools: Sequence[Mapping[str, object]] = (), meta: Meta | None = None
) -> Case:
    """A conversation that ends with what the user said, as a prompt."""
    meta = meta or Meta()
    shown = [[message.row() for message in messages], [dict(tool) for tool in tools]]
    return Case(
        id=sha256_json(shown)[:32],
        category=REHEARSED,
        messages=tuple(messages),
        tools=tuple(dict(tool) for tool in tools),
        template=meta.template,
        cluster=meta.cluster,
    )


def direct_prompts(rows: Mapping[str, Sequence[Example]]) -> list[Case]:
    """The requests of all splits but train that are answered without a call, with all that comes before them."""
    return [
        make_prompt(row.messages[:-1], row.tools, row.meta)
        for split, examples in rows.items()
        if split != "train"
        for row in examples
        if len(row.messages) > 1
        and (row.messages[-2].role, row.messages[-1].role) == ("user", "assistant")
        and row.meta.source != REHEARSED
        and not first_tool([message.row() for message in row.messages])
    ]


def with_structure(texts: Iterable[str], rows: Sequence[Example], seed: int) -> list[Case]:
    """Single requests, each with the system message and the tools of a row drawn at random, or without where that has none:
    rows that look different would teach the model that structure decides whether to call."""
    random = Random(f"{seed}/structure")
    prompts: list[Case] = []
    for text in texts:
        row = random.choice(rows) if rows else Example(messages=(Message(role="user", content=text),))
        system = [message for message in row.messages[:1] if message.role == "system"]
        prompts.append(make_prompt([*system, Message(role="user", content=text)], row.tools))
    return prompts


@dataclass
class Chosen:
    """The prompts to ask, and how many were left out for which reason."""

    prompts: list[Case] = field(default_factory=list[Case])
    left_out: Counter[str] = field(default_factory=Counter[str])


def choose_prompts(
    prompts: Sequence[Case],
    train: Iterable[Example],
    in_suite: Callable[[str], str | None],
    most: int,
    seed: int,
) -> Chosen:
    """At most `most` prompts in random order, without those that ask nearly what a row of train asks in any turn, what a
    suite asks (`in_suite` says why), or what an earlier prompt asks."""
    near = NearDuplicates(NEAR)
    for row in train:
        for message in row.messages:
            if message.role == "user":
                near.add(message.content)
    chosen = Chosen()
    asked = NearDuplicates(NEAR)
    order = list(prompts)
    Random(f"{seed}/order").shuffle(order)
    for prompt in order:
        text = prompt.messages[-1].content
        if near.knows(text):
            chosen.left_out["train asks nearly the same"] += 1
        elif in_suite(text):
            chosen.left_out["a suite asks nearly the same"] += 1
        elif not asked.add(text):
            chosen.left_out["another prompt asks nearly the same"] += 1
        elif len(chosen.prompts) == most:
            chosen.left_out["more than were wanted"] += 1
        else:
            chosen.prompts.append(prompt)
    return chosen


@dataclass
class Rehearsal:
    """Rows by split, and each answer that is none, with its prompt and the fault."""

    rows: dict[str, list[Example]]
    rejected: list[tuple[Case, Prediction, Fault]]

    @property
    def reasons(self) -> dict[str, int]:
        """Rejected answers by kind, the commonest first."""
        return dict(Counter(fault.kind for _, _, fault in self.rejected).most_common())


def rehearsal(prompts: Sequence[Case], answers: Mapping[str, Prediction], model: str, seed: int) -> Rehearsal:
    """The prompts with the answers of `model` (by prompt id) as rows, some of them held out."""
    kept: list[tuple[Case, Example]] = []
    rejected: list[tuple[Case, Prediction, Fault]] = []
    for prompt in prompts:
        answer = answers.get(prompt.id, Prediction(case=prompt.id, text="", error="not answered"))
        found = rehearsed_row(prompt, answer, model)
        if isinstance(found, Fault):
            rejected.append((prompt, answer, found))
        else:
            kept.append((prompt, found))
    links = [Linked("", prompt.request, row.request, prompt.cluster) for prompt, row in kept]
    division = divide(links, {"train": 1 - HELD_OUT_SHARE, HELD_OUT: HELD_OUT_SHARE}, Random(f"{seed}/split"))
    return Rehearsal(
        {split: [kept[number][1] for number in numbers] for split, numbers in division.splits.items()},
        rejected,
    )


def rehearsed_row(prompt: Case, answer: Prediction, model: str) -> Example | Fault:
    """The prompt with its answer as a training row, or why the answer is none."""
    if answer.error:
        return Fault("not answered", answer.error)
    turn = find(
        answer.text, tools=[str(tool.get("function", {}).get("name")) for tool in prompt.tools] or None
    )
    if answer.tool_calls or turn.calls:
        return Fault("call", "it calls a tool")
    said, thought = answer.text.strip(), answer.reasoning
    if turn.reasoning:
        said = "\n".join(part for part in (turn.preamble.strip(), turn.after.strip()) if part)
        thought = "\n".join(part for part in (thought, turn.reasoning) if part)
    if mark := _SPECIAL.search(said):
        return Fault("mark", f"it writes {mark.group()}")
    request = prompt.messages[-1].content
    # Lines of code repeat themselves and are full of signs; around code people write prose.
    prose = _FENCED.sub(" ", said)
    if fault := no_answer(prose if prose.strip() else said, request, answer.finish, longest=LONGEST):
        return fault
    meta = {
        "source": REHEARSED,
        "family": REHEARSED,
        "template": prompt.template,
        "cluster": prompt.cluster,
        "answered_by": model,
    }
    return Example(
        messages=(*prompt.messages, Message(role="assistant", content=said, reasoning_content=thought)),
        tools=prompt.tools,
        meta=Meta.model_validate(meta),
    )
