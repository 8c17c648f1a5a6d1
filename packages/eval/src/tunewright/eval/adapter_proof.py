"""Who answers at an endpoint: a run's fine-tuned model, its base, or another one?

A name proves nothing: a server that lost its adapter answers under the same one. So fixed prompts are asked first, those
of the run's own suites to which its model and its base gave different answers, and each answer is compared with both. The
verdict is a sign test over the prompts at which the answer is closer to one of the two.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from statistics import mean
from typing import Any, Literal

from tunewright.chat.calls import find
from tunewright.contract.atomic import sha256_bytes
from tunewright.contract.run import RunFolder
from tunewright.contract.suite import Case, Prediction, Suite, read_suite
from tunewright.eval.predictions import read_predictions
from tunewright.eval.statistics import mcnemar_exact

PROMPTS = 12
NEEDED = (
    6  # prompts that must tell the two apart: with fewer, even all of them together are not evidence at 5 %
)
ALPHA = 0.05
CLOSER = 0.1  # of similarity: less does not count as a difference
ALIKE = 0.5  # mean similarity below which an answer is not that model's
LONGEST = 4000  # characters of an answer that are compared

Who = Literal["run", "base", "other", "indistinguishable"]


@dataclass(frozen=True)
class FixedPrompt:
    """A case, and what the run's model and its base said to it, each greedily."""

    case: Case
    tuned: Prediction
    base: Prediction


@dataclass(frozen=True)
class Proof:
    """`closer_to_run` and `closer_to_base` count the prompts; `like_run` and `like_base` are mean similarities."""

    run: str
    who: Who
    prompts: int
    closer_to_run: int = 0
    closer_to_base: int = 0
    like_run: float = 0.0
    like_base: float = 0.0
    why: str = ""  # there is no proof

    @property
    def text(self) -> str:
        """The verdict in a sentence."""
        if self.who == "indistinguishable":
            return f"the run's model is indistinguishable from its base: {self.why}"
        counts = (
            f"of {self.prompts} fixed prompts {self.closer_to_run} were answered as by the run's model and "
            f"{self.closer_to_base} as by its base"
        )
        if self.who == "other":
            return (
                f"neither the run's model nor its base answers: the answers to {self.prompts} fixed prompts are "
                f"{self.like_run:.0%} like the one's and {self.like_base:.0%} like the other's"
            )
        who = "the run's model" if self.who == "run" else "the base, not the adapter,"
        return f"{who} answers: {counts}"

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "who": self.who,
            "prompts": self.prompts,
            "closer_to_run": self.closer_to_run,
            "closer_to_base": self.closer_to_base,
            "like_run": round(self.like_run, 3),
            "like_base": round(self.like_base, 3),
            "why": self.why,
        }


def fixed_prompts(run: RunFolder) -> tuple[FixedPrompt, ...] | str:
    """The prompts that tell a run's model from its base, always the same ones; or why there are none.

    Raises UserError for a run whose files cannot be read.
    """
    spec = run.read_spec()
    models = spec.recipe.predict.models
    if "base" not in models or models[-1] == "base":
        return "the run did not ask its base"
    if spec.recipe.predict.temperature > 0:
        return "the run's answers were drawn by chance (predict.temperature)"
    told: list[FixedPrompt] = []
    cases = 0
    for name in (entry.name for entry in spec.recipe.suites):
        paths = [run.predictions / model / f"{name}.jsonl" for model in (models[-1], "base")]
        if not all(path.is_file() for path in paths):
            return f"the run has no predictions of {name}; bring them: ./inv pull --run {run.path.name}"
        tuned, base = ({p.case: p for p in read_predictions(path) if p.sample == 0} for path in paths)
        for case in read_suite(run.suites / f"{name}.jsonl").cases:
            cases += 1
            if case.id not in tuned or case.id not in base:
                continue
            prompt = FixedPrompt(case, tuned[case.id], base[case.id])
            if similarity(_said(prompt.tuned), _said(prompt.base)) < 1 - 2 * CLOSER:
                told.append(prompt)
    if len(told) < NEEDED:
        return f"both said nearly the same to all but {len(told)} of the run's {cases} cases"
    told.sort(key=lambda prompt: sha256_bytes(prompt.case.id.encode()))
    return tuple(told[:PROMPTS])


def prove(run: RunFolder, ask: Callable[[Suite], Sequence[Prediction]]) -> Proof:
    """Ask the fixed prompts by way of `ask`, which must ask greedily, and say who answers."""
    prompts = fixed_prompts(run)
    if isinstance(prompts, str):
        return Proof(run.path.name, "indistinguishable", 0, why=prompts)
    answers = ask(Suite(name="fixed prompts", cases=tuple(_renamed(prompts))))
    return judge_answers(run.path.name, prompts, answers)


def _renamed(prompts: Sequence[FixedPrompt]) -> list[Case]:
    """Cases of several suites may have one id."""
    return [prompt.case.model_copy(update={"id": str(place)}) for place, prompt in enumerate(prompts)]


def judge_answers(run: str, prompts: Sequence[FixedPrompt], answers: Sequence[Prediction]) -> Proof:
    """The verdict from the answers to the prompts, in their order. Pure."""
    pairs = [
        (similarity(_said(answer), _said(prompt.tuned)), similarity(_said(answer), _said(prompt.base)))
        for prompt, answer in zip(prompts, answers, strict=True)
        if not answer.error
    ]
    if not pairs:
        return Proof(run, "indistinguishable", 0, why="no fixed prompt was answered")
    to_run = sum(tuned - base >= CLOSER for tuned, base in pairs)
    to_base = sum(base - tuned >= CLOSER for tuned, base in pairs)
    like_run, like_base = mean(tuned for tuned, _ in pairs), mean(base for _, base in pairs)
    certain = mcnemar_exact(to_run, to_base) < ALPHA
    who: Who = "indistinguishable"
    why = ""
    if max(like_run, like_base) < ALIKE:
        who = "other"
    elif certain and to_run > to_base and like_run >= ALIKE:
        who = "run"
    elif certain and to_base > to_run and like_base >= ALIKE:
        who = "base"
    else:
        why = f"of {len(pairs)} fixed prompts {to_run} were answered as by the one and {to_base} as by the other"
    return Proof(run, who, len(pairs), to_run, to_base, like_run, like_base, why)


def similarity(a: str, b: str) -> float:
    """How much of two texts is the same, in words, from 0 to 1."""
    if a == b:
        return 1.0
    words = [text[:LONGEST].split() for text in (a, b)]
    return SequenceMatcher(None, *words, autojunk=False).ratio()


def _said(prediction: Prediction) -> str:
    """An answer's words and calls, whatever dialect they are written in and whoever took them apart."""
    turn = find(prediction.text)
    if not turn.calls or any(call.error for call in turn.calls):
        return prediction.text.strip()
    calls = (call.program or f"{call.name} {_sorted(call.arguments)}" for call in turn.calls)
    return "\n".join(dict.fromkeys((turn.preamble.strip(), *calls)))


def _sorted(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False)
