"""Answers: those of mlx-lm's own generation, as raw text, stopped where they should stop."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Predict
from tunewright.contract.suite import Case, Suite
from tunewright.train import predict
from tunewright.train.base import Loaded
from tunewright.train.predict import (
    answer_part,
    answer_suite,
    answers_worth,
    common_prefix,
    generate,
    in_order,
)


def suite(*questions: str, role: str = "user") -> Suite:
    cases = [
        Case.model_validate(
            {"id": f"case-{n}", "category": "c", "messages": [{"role": role, "content": text}]}
        )
        for n, text in enumerate(questions)
    ]
    return Suite(name="small", cases=tuple(cases))


def nothing(_done: int, _worth: float) -> None: ...


SETTINGS = Predict(max_tokens=12, batch_size=2)
QUESTIONS = suite(
    "Where is a?", "What is b, and why is it there at all?", "c?", "Find every use of the name d.", "e"
)


def answers(loaded: Loaded, settings: Predict = SETTINGS, seed: int = 1) -> list[Any]:
    ticks: list[int] = []
    found = answer_suite(loaded, QUESTIONS, settings, seed, lambda done, _: ticks.append(done))
    assert ticks == sorted(ticks)
    return found


def test_greedy_answers_are_those_of_mlx_lms_stream(loaded: Loaded) -> None:
    from mlx_lm import stream_generate

    for case, prediction in zip(QUESTIONS.cases, answers(loaded)):
        prompt = loaded.tokenizer.apply_chat_template(
            [message.model_dump() for message in case.messages], add_generation_prompt=True
        )
        pieces = list(stream_generate(loaded.model, loaded.tokenizer, prompt, max_tokens=12))
        assert prediction.case == case.id
        assert prediction.prompt_tokens == len(prompt)
        # Not their texts: the streaming detokenizer drops a space at the beginning.
        said = [piece.token for piece in pieces if piece.token not in loaded.tokenizer.eos_token_ids]
        assert prediction.text == loaded.tokenizer.decode(said)


LONG = (
    "You can call goto_definition(file, line, symbol), find_references(symbol), read_file(path) and run_command(text). "
    "Answer with one call. "
)


def test_what_all_prompts_begin_with_is_read_once_and_answers_stay_the_same(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = suite(*(LONG + case.messages[0].content for case in QUESTIONS.cases))
    read: list[int] = []
    whole = type(loaded.model).__call__

    def counted(model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        read.append(int(inputs.size))
        return whole(model, inputs, *rest, **named)

    monkeypatch.setattr(type(loaded.model), "__call__", counted)
    once = answer_suite(loaded, questions, SETTINGS, 1, nothing)
    tokens = sum(read)
    read.clear()
    monkeypatch.setattr(predict, "SHARED", 10**6)
    each = answer_suite(loaded, questions, SETTINGS, 1, nothing)
    assert [p.text for p in once] == [p.text for p in each]
    assert [p.prompt_tokens for p in once] == [p.prompt_tokens for p in each]
    assert tokens < 0.7 * sum(read)


PROMPTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=60), min_size=1, max_size=5)


@given(st.integers(0, 80), PROMPTS)
def test_a_common_beginning_is_one_and_leaves_each_prompt_something(
    shared: int, ends: list[list[int]]
) -> None:
    prompts = [[7] * shared + end for end in ends]
    count = common_prefix(prompts)
    assert all(len(prompt) > count for prompt in prompts)
    assert len({tuple(prompt[:count]) for prompt in prompts}) == 1
    assert count == 0 or count >= 32
    assert count >= shared or shared < 32 or len(prompts) < 2


def test_parts_of_a_suite_are_all_of_it_once(loaded: Loaded) -> None:
    warm = SETTINGS.model_copy(update={"temperature": 1.0, "samples": 2})
    whole = answers(loaded, warm)
    halves = [answer_part(loaded, QUESTIONS, warm, 1, (part, 2), nothing) for part in range(2)]
    assert all(halves)
    joined = in_order(QUESTIONS, [*halves[1], *halves[0]])
    assert [(p.case, p.sample, p.text) for p in joined] == [(p.case, p.sample, p.text) for p in whole]


def test_the_same_seed_gives_the_same_samples_and_another_does_not(loaded: Loaded) -> None:
    warm = SETTINGS.model_copy(update={"temperature": 1.0, "samples": 3})
    first = [p.text for p in answers(loaded, warm)]
    assert [p.text for p in answers(loaded, warm)] == first
    assert [p.text for p in answers(loaded, warm, seed=2)] != first
    found = answers(loaded, warm)
    assert [(p.case, p.sample) for p in found] == [(c.id, s) for c in QUESTIONS.cases for s in range(3)]
    assert len(set(first)) > len(QUESTIONS.cases)


def test_samples_at_temperature_zero_are_one_answer_repeated(loaded: Loaded) -> None:
    found = answers(loaded, SETTINGS.model_copy(update={"samples": 2}))
    assert all(a.text == b.text and a.sample == 0 and b.sample == 1 for a, b in zip(found[::2], found[1::2]))


def test_an_answer_ends_at_the_end_mark_or_at_the_limit(loaded: Loaded) -> None:
    prompts = [[1, 40, 41], [1, 50, 51, 52]]
    cut = generate(loaded, prompts, SETTINGS, 1, nothing)
    assert [(len(answer.tokens), answer.stopped) for answer in cut] == [(12, False)] * 2
    # The token that the first prompt's answer gives third is made an end mark.
    end = cut[0].tokens[2]
    first = cut[0].tokens.index(end)
    loaded.tokenizer.eos_token_ids = {end}
    stopped = generate(loaded, prompts, SETTINGS, 1, nothing)[0]
    assert stopped.stopped
    assert stopped.tokens == cut[0].tokens[:first]


def test_special_tokens_of_an_answer_are_kept(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = '<|im_start|><tool_call>goto("a")</tool_call><|endoftext|>'
    tokens = loaded.tokenizer.encode(spoken, add_special_tokens=False)

    def canned(_loaded: Any, prompts: list[Any], *_: Any) -> list[Any]:
        return [predict._Answer(tokens=list(tokens), stopped=True) for _ in prompts]  # pyright: ignore[reportPrivateUsage]

    monkeypatch.setattr(predict, "generate", canned)
    prediction = answer_suite(loaded, suite("a?"), SETTINGS, 1, nothing)[0]
    assert prediction.text == spoken
    assert prediction.finish == "stop"


def test_a_case_that_the_template_refuses_is_named(loaded: Loaded) -> None:
    template = "{{ raise_exception('a system message first') }}"
    loaded.tokenizer.chat_template = template
    with pytest.raises(UserError, match=r"suite small, case case-0: .*a system message first"):
        answer_suite(loaded, suite("a?"), SETTINGS, 1, nothing)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=40), st.integers(1, 200))
def test_the_work_done_is_that_of_finished_answers_and_of_no_more_than_were_begun(
    lengths: list[int], step: int
) -> None:
    ended = [length for length in lengths if length <= step]
    spoken = sum(ended) + step * (len(lengths) - len(ended))
    worth = answers_worth(len(ended), len(lengths), sum(ended), spoken, 200)
    assert len(ended) <= worth <= len(lengths)
    if len(ended) == len(lengths):
        assert worth == len(lengths)


def test_answers_that_all_end_late_count_while_they_are_given() -> None:
    """Of thirty at once two end early; an estimate from these two alone would be fifteen times too long."""
    for step in range(70, 200, 10):
        spoken = 80 + step * 28
        worth = answers_worth(2, 30, 80, spoken, 200)
        assert abs(worth / 30 - step / 200) < 0.1, step
