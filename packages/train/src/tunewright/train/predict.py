"""The predict stage: what each model says to each case, kept as raw text to be scored anywhere.

Answers are generated in batches, stop at the model's end mark, and are greedy at temperature 0. A file is
finished or not there, so that an interrupted stage goes on with the next file.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.contract.atomic import sha256_bytes, write_jsonl
from tunewright.contract.chat_template import TemplateRefusal
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Predict
from tunewright.contract.run import RunSpec
from tunewright.contract.suite import Prediction, Suite
from tunewright.train.base import Loaded
from tunewright.train.encode import encoder_for
from tunewright.train.other_process import parts_here
from tunewright.train.served import served_answer

if TYPE_CHECKING:
    from tunewright.train.other_process import OtherProcess

SHARED = 32  # tokens of a common beginning, at least, that are worth reading once
PREFILL = 16  # prompts processed at once


# Gets the answers that are finished, and how many answers' work is done.
Tick = Callable[[int, float], object]


@dataclass
class _Answer:
    tokens: list[int] = field(default_factory=list[int])
    seconds: float = 0.0
    stopped: bool = False


def asked_of(model: str, suite: Suite, spec: RunSpec) -> Suite:
    """A suite as it is put to one of a run's models: to the base with the run's note at the end of the system message."""
    return suite.told(spec.base_note if model == "base" else "")


def answer_suite(
    loaded: Loaded,
    suite: Suite,
    settings: Predict,
    seed: int,
    tick: Tick,
    other: "OtherProcess | None" = None,
) -> list[Prediction]:
    """Every case's answers, in the suite's order, samples of a case together.

    `tick` is called often. The same seed gives the same answers, whether or not an `other` process gives half of them.
    Raises UserError when the model's template refuses a case.
    """
    parts = parts_here()
    share = parts if other else 1  # how many parts go on at the pace of the first
    found = answer_part(loaded, suite, settings, seed, (0, parts), lambda n, w: tick(n * share, w * share))
    path = other.file(f"{suite.name}.jsonl") if other else None
    if path is not None:
        return in_order(suite, found + _read_predictions(path))
    for part in range(1, parts):
        before = len(found) * settings.drawn // settings.samples
        found += answer_part(
            loaded, suite, settings, seed, (part, parts), lambda n, w, b=before: tick(b + n, b + w)
        )
    return in_order(suite, found)


def in_order(suite: Suite, found: Sequence[Prediction]) -> list[Prediction]:
    """Predictions in the suite's order, samples of a case together."""
    place = {case.id: number for number, case in enumerate(suite.cases)}
    return sorted(found, key=lambda prediction: (place[prediction.case], prediction.sample))


def answer_part(
    loaded: Loaded,
    suite: Suite,
    settings: Predict,
    seed: int,
    part: tuple[int, int],
    tick: Tick,
) -> list[Prediction]:
    """The answers to one part of a suite's cases, `part` of so many: `(0, 2)` is the first half."""
    prompts = encode_prompts(loaded, suite)
    drawn = settings.drawn
    # Prompts of similar length are processed together, so that little is padding.
    cases = sorted(range(len(prompts)), key=lambda case: (len(prompts[case]), case))[part[0] :: part[1]]
    jobs = [(case, sample) for case in cases for sample in range(drawn)]
    drawing = _seed(seed, suite.name) + part[0]
    answers = generate(loaded, [prompts[case] for case, _ in jobs], settings, drawing, tick) if jobs else []
    by_job = dict(zip(jobs, answers))
    predictions: list[Prediction] = []
    for number in cases:
        case = suite.cases[number]
        for sample in range(settings.samples):
            answer = by_job[number, min(sample, drawn - 1)]
            # Special tokens stay: `<|python_tag|>` and harmony's channels are part of what was said.
            text: str = loaded.tokenizer.decode(answer.tokens, clean_up_tokenization_spaces=False)
            predictions.append(
                Prediction(
                    case=case.id,
                    sample=sample,
                    text=text,
                    prompt_tokens=len(prompts[number]),
                    tokens=len(answer.tokens),
                    seconds=round(answer.seconds, 4),
                    finish="stop" if answer.stopped else "length",
                    served=served_answer(
                        loaded.tokenizer, prompts[number], case.tools, text, stopped=answer.stopped
                    ),
                )
            )
    return predictions


def encode_prompts(loaded: Loaded, suite: Suite) -> list[list[int]]:
    """The tokens of each case's prompt. Raises UserError naming the case that the template refuses."""
    encoder = encoder_for(loaded.tokenizer)
    prompts: list[list[int]] = []
    for case in suite.cases:
        try:
            prompts.append(encoder.prompt(case.messages, case.tools))
        except TemplateRefusal as error:
            raise UserError(
                f"suite {suite.name}, case {case.id}: the chat template refuses it ({error})",
                "Check the order of roles in this case.",
            ) from error
    return prompts


def generate(
    loaded: Loaded,
    prompts: Sequence[list[int]],
    settings: Predict,
    seed: int,
    tick: Tick,
) -> list[_Answer]:
    """Continue each prompt until an end mark or `max_tokens`; end marks are not kept.

    What all prompts begin with is read once.
    """
    import mlx.core as mx
    from mlx_lm.generate import BatchGenerator
    from mlx_lm.models.cache import make_prompt_cache
    from mlx_lm.sample_utils import make_sampler

    from tunewright.train.loss import shares_prefixes

    mx.random.seed(seed)
    generator = BatchGenerator(
        loaded.model,
        max_tokens=settings.max_tokens,
        stop_tokens=[[token] for token in sorted(loaded.tokenizer.eos_token_ids)],
        sampler=make_sampler(settings.temperature),
        completion_batch_size=settings.batch_size,
        prefill_batch_size=min(PREFILL, settings.batch_size),
    )
    shared = common_prefix(prompts) if shares_prefixes(loaded.model) else 0
    if shared:
        cache = make_prompt_cache(loaded.model)
        loaded.model(mx.array([prompts[0][:shared]]), cache=cache)
        mx.eval([layer.state for layer in cache])
        rests, caches = [list(prompt[shared:]) for prompt in prompts], [cache for _ in prompts]
        begun = [list(prompt[:shared]) for prompt in prompts]
        uids: list[int] = generator.insert(rests, caches=caches, all_tokens=begun)
    else:
        uids = generator.insert([list(prompt) for prompt in prompts])
    answers = {uid: _Answer() for uid in uids}
    finished = spoken = ended = 0  # answers; tokens of all answers, and of those that are finished
    before = time.perf_counter()
    try:
        while responses := generator.next_generated():
            after = time.perf_counter()
            share = (after - before) / len(responses)
            before = after
            for response in responses:
                answer = answers[response.uid]
                answer.seconds += share
                answer.stopped = response.finish_reason == "stop"
                if not answer.stopped:
                    answer.tokens.append(int(response.token))
                    spoken += 1
                if response.finish_reason is not None:
                    finished += 1
                    ended += len(answer.tokens)
            started = sum(1 for answer in answers.values() if answer.tokens)
            tick(finished, answers_worth(finished, started, ended, spoken, settings.max_tokens))
    finally:
        generator.close()
    return [answers[uid] for uid in uids]


def answers_worth(finished: int, begun: int, ended: int, spoken: int, longest: int) -> float:
    """How many answers' work is done: `finished` of `begun` answers are complete and hold `ended` of all `spoken` tokens.

    The answers of a batch end late and together, so finished answers alone would give far too long an estimate. An
    unfinished one counts by its share of the expected length, which is one over the rate at which tokens end an answer
    (the maximum-likelihood mean of exponential lengths, some of them censored), and at most `longest`.
    """
    expected = max(1.0, min(spoken / max(finished, 1), longest))
    return finished + min((spoken - ended) / expected, max(begun - finished, 0))


def common_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts begin with, each of them having more; 0 where too few to be worth while."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)  # what these two share, all share
    end = min(len(prompt) for prompt in prompts) - 1
    count = next((i for i, (a, b) in enumerate(zip(first[:end], last[:end])) if a != b), end)
    return count if count >= SHARED else 0


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write one prediction a line, atomically."""
    write_jsonl(path, (prediction.model_dump(mode="json", exclude_none=True) for prediction in predictions))


def _read_predictions(path: Path) -> list[Prediction]:
    return [Prediction.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _seed(seed: int, suite: str) -> int:
    return int(sha256_bytes(f"{seed}:{suite}".encode())[:8], 16)
