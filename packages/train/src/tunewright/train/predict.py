"""The predict stage: what each model says to each case, kept as raw text to be scored anywhere.

Answers are generated in batches, stop at the model's end mark, and are greedy at temperature 0. A file is
finished or not there, so that an interrupted stage goes on with the next file.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tunewright.contract.atomic import sha256_bytes, write_jsonl
from tunewright.contract.chat_template import TemplateRefusal
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Predict
from tunewright.contract.suite import Prediction, Suite
from tunewright.train.base import Loaded
from tunewright.train.encode import encoder_for
from tunewright.train.served import served_answer

PREFILL = 16  # prompts processed at once


@dataclass
class _Answer:
    tokens: list[int] = field(default_factory=list[int])
    seconds: float = 0.0
    stopped: bool = False


def answer_suite(
    loaded: Loaded, suite: Suite, settings: Predict, seed: int, tick: Callable[[int], None]
) -> list[Prediction]:
    """Every case's answers, in the suite's order, samples of a case together.

    `tick` gets the number of finished answers, often. The same seed gives the same answers. Raises UserError
    when the model's template refuses a case.
    """
    prompts = encode_prompts(loaded, suite)
    # At temperature 0 every sample is the same answer: it is generated once.
    drawn = settings.samples if settings.temperature > 0 else 1
    jobs = [(case, sample) for case in range(len(prompts)) for sample in range(drawn)]
    # Prompts of similar length are processed together, so that little is padding.
    jobs.sort(key=lambda job: (len(prompts[job[0]]), job))
    answers = generate(loaded, [prompts[case] for case, _ in jobs], settings, _seed(seed, suite.name), tick)
    by_job = dict(zip(jobs, answers))
    predictions: list[Prediction] = []
    for number, case in enumerate(suite.cases):
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
    tick: Callable[[int], None],
) -> list[_Answer]:
    """Continue each prompt until an end mark or `max_tokens`; end marks are not kept."""
    import mlx.core as mx
    from mlx_lm.generate import BatchGenerator
    from mlx_lm.sample_utils import make_sampler

    mx.random.seed(seed)
    generator = BatchGenerator(
        loaded.model,
        max_tokens=settings.max_tokens,
        stop_tokens=[[token] for token in sorted(loaded.tokenizer.eos_token_ids)],
        sampler=make_sampler(settings.temperature),
        completion_batch_size=settings.batch_size,
        prefill_batch_size=min(PREFILL, settings.batch_size),
    )
    uids: list[int] = generator.insert([list(prompt) for prompt in prompts])
    answers = {uid: _Answer() for uid in uids}
    finished = 0
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
                finished += response.finish_reason is not None
            tick(finished)
    finally:
        generator.close()
    return [answers[uid] for uid in uids]


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write one prediction a line, atomically."""
    write_jsonl(path, (prediction.model_dump(mode="json", exclude_none=True) for prediction in predictions))


def _seed(seed: int, suite: str) -> int:
    return int(sha256_bytes(f"{seed}:{suite}".encode())[:8], 16)
