"""Asking an OpenAI-compatible endpoint: a real HTTP server on loopback, well behaved and not."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.endpoint import (
    DRIP,
    HALF,
    RESET,
    STALL,
    LookAlike,
    Reply,
    completion,
    echo,
    look_alike,
    ok,
)
from tunewright.chat.calls.code_mode import parse_turn, render_program
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.example import Function, Message, ToolCall
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval import endpoint_client as endpoint_module
from tunewright.eval.chat_completion import NotACompletion, read_reply, same_model
from tunewright.eval.endpoint_client import KEY, Answers, Clock, Endpoint, answer_suite, make_endpoint


def question(number: int) -> Case:
    message = Message(role="user", content=f"question {number}")
    return Case(id=f"case-{number}", category="any", messages=(message,))


SUITE = Suite(name="small", cases=tuple(question(n) for n in range(6)))


class FastClock(Clock):
    """Waiting takes no time, and is written down."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> float:
        return sum(self.waits)

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def server() -> Iterator[LookAlike]:
    with look_alike() as server:
        yield server


def at(server: LookAlike, **changes: Any) -> Endpoint:
    return replace(Endpoint(server.url, "ours"), **changes)


def answer(endpoint: Endpoint, clock: Clock | None = None, **settings: Any) -> Answers:
    return answer_suite(endpoint, SUITE, clock=clock or FastClock(), **settings)


def asks_about(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda body: body["messages"][-1]["content"] == f"question {number}"


def errors(found: Answers) -> dict[str, str]:
    return {one.case: one.error for one in found.predictions if one.error}


BROKEN: dict[str, tuple[Reply, str]] = {
    "reset": (RESET, "connection broke"),
    "half an answer": (HALF, "peer closed connection|incomplete|broke"),
    "stall": (STALL, "no whole answer in 8 s"),
    "drip": (DRIP, "no whole answer in 8 s"),
    "malformed JSON": ((200, {}, b'{"choices": [{"mess'), "not JSON"),
    "no JSON": ((200, {}, b"<html>"), "not JSON: '<html>'"),
    "nothing": ((200, {}, b""), "empty"),
    "a list": ((200, {}, b"[]"), "not a JSON object"),
    "no completion": (ok({"model": "ours", "choices": []}), "not a chat completion"),
    "a picture": (ok(completion([{"type": "image_url", "image_url": {}}])), "part of type 'image_url'"),
    "a refusal": ((400, {}, b'{"error": {"message": "too long"}}'), "400 too long"),
    "an error with status 200": (ok({"error": {"message": "overloaded"}}), "overloaded"),
    "an error": ((500, {}, b"no memory\x1b[31m left"), r"500 no memory⟦U\+001B⟧\[31m left"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("number", [0, 3])
def test_a_case_that_fails_fails_alone(server: LookAlike, kind: str, number: int) -> None:
    reply, words = BROKEN[kind]
    server.behave = lambda body: reply if asks_about(number)(body) else echo(body)
    kept: list[Prediction] = []
    found = answer(at(server, timeout=8 if reply in (STALL, DRIP) else 300.0), keep=kept.append)
    assert list(errors(found)) == [f"case-{number}"]
    assert re.search(words, errors(found)[f"case-{number}"])
    assert [p.text for p in found.predictions if not p.error] == [
        f"answer to question {n}" for n in range(6) if n != number
    ]
    # What is kept the moment it comes is what was answered, and no more.
    assert {one.case for one in kept} == {f"case-{n}" for n in range(6)} - {f"case-{number}"}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_server_that_fails_at_everything_gives_no_answers(server: LookAlike, kind: str) -> None:
    reply, words = BROKEN[kind]
    server.behave = lambda body: reply
    with pytest.raises(UserError, match=words) as error:
        answer(at(server, timeout=8 if reply in (STALL, DRIP) else 300.0))
    assert isinstance(error.value, HostError) == (kind != "a refusal")


def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    server: LookAlike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "LARGEST", 2 << 20)
    long = "x" * (3 << 20)
    server.behave = lambda body: ok(completion(long)) if asks_about(2)(body) else echo(body)
    assert errors(answer(at(server))) == {"case-2": "it sent more than 2 MiB"}
    long = "x" * (1 << 20)
    assert not errors(answer(at(server)))


def test_a_proxy_is_not_asked_for_this_machine(server: LookAlike, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert not errors(answer(at(server)))


@pytest.mark.parametrize("reply", [RESET, HALF, (503, {}, b""), (200, {}, b"{")])
def test_what_passes_is_tried_again(server: LookAlike, reply: Reply) -> None:
    left = dict.fromkeys(range(6), 2)

    def behave(body: dict[str, Any]) -> Reply:
        number = int(body["messages"][-1]["content"][-1])
        left[number] -= 1
        return reply if left[number] >= 0 else echo(body)

    server.behave = behave
    clock = FastClock()
    assert not errors(answer(at(server), clock))
    assert sorted(clock.waits) == [0.5] * 6 + [1.0] * 6


def test_a_server_that_dies_in_the_middle_is_given_up_and_nothing_is_lost(server: LookAlike) -> None:
    suite = Suite(name="long", cases=tuple(question(n) for n in range(60)))
    served = [0]

    def behave(body: dict[str, Any]) -> Reply:
        served[0] += 1
        return echo(body) if served[0] <= 20 else RESET

    server.behave = behave
    kept: list[Prediction] = []
    with pytest.raises(HostError, match="10 requests in a row failed") as error:
        answer_suite(at(server), suite, keep=kept.append, clock=FastClock())
    assert len(kept) == 20
    assert "20 of 60 cases are answered and kept" in error.value.hint
    # It goes on with what is missing.
    again: list[str] = []

    def well(body: dict[str, Any]) -> Reply:
        again.append(body["messages"][-1]["content"])
        return echo(body)

    server.behave = well
    found = answer_suite(at(server), suite, known=kept, clock=FastClock())
    answered = {f"question {one.case.removeprefix('case-')}" for one in kept}
    assert set(again) >= {f"question {n}" for n in range(60)} - answered
    assert not set(again) & answered
    assert [one.case for one in found.predictions] == [case.id for case in suite.cases]


def test_many_refusals_in_a_row_cost_those_cases_alone(server: LookAlike) -> None:
    """A suite may hold its longest cases next to each other."""
    suite = Suite(name="long", cases=tuple(question(n) for n in range(40)))
    refused = {f"question {n}" for n in range(25)}

    def behave(body: dict[str, Any]) -> Reply:
        too_long = body["messages"][-1]["content"] in refused
        return (400, {}, b'"too long"') if too_long else echo(body)

    server.behave = behave
    found = answer_suite(at(server), suite, clock=FastClock())
    assert len(errors(found)) == 25


def test_the_last_case_that_is_left_may_fail_again(server: LookAlike) -> None:
    known = [Prediction(case=f"case-{n}", text="known") for n in range(5)]
    server.behave = lambda body: (400, {}, b'"too long"')
    assert errors(answer(at(server), known=known)) == {"case-5": "400 too long"}


def test_what_failed_before_is_asked_again_and_what_belongs_to_no_case_is_dropped(server: LookAlike) -> None:
    known = [
        Prediction(case="case-0", text="known"),
        Prediction(case="case-1", text="", error="reset"),
        Prediction(case="elsewhere", text="?"),
        Prediction(case="case-2", sample=1, text="?"),
    ]
    found = answer(at(server), known=known)
    assert [one.text for one in found.predictions[:3]] == [
        "known",
        "answer to question 1",
        "answer to question 2",
    ]
    assert len(found.predictions) == 6
    assert len(server.asked) == 5


def test_a_deadline_holds_and_keeps_what_has_come(server: LookAlike) -> None:
    server.behave = lambda body: echo(body) if body["messages"][-1]["content"] < "question 3" else STALL
    kept: list[Prediction] = []
    began = time.monotonic()
    with pytest.raises(HostError, match=r"deadline passed; \d of 6 cases are answered") as error:
        answer(at(server), deadline=3, keep=kept.append)
    assert time.monotonic() - began < 30
    assert f"{len(kept)} of 6" in error.value.message
    assert 1 <= len(kept) <= 3
    server.behave = echo
    assert not errors(answer(at(server), deadline=60, known=kept))


def test_no_more_requests_at_once_than_was_said(server: LookAlike) -> None:
    at_work, most, lock = [0], [0], threading.Lock()
    together = threading.Barrier(3)

    def behave(body: dict[str, Any]) -> Reply:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        if not asks_about(0)(body) and int(body["messages"][-1]["content"][-1]) <= 3:
            together.wait(20)
        with lock:
            at_work[0] -= 1
        return echo(body)

    server.behave = behave
    answer(at(server, concurrency=3))
    assert most[0] == 3


def test_every_case_is_answered_in_the_suites_order(server: LookAlike) -> None:
    steps: list[tuple[int, int]] = []
    found = answer_suite(at(server), SUITE, samples=2, tick=lambda a, b: steps.append((a, b)))
    assert [(p.case, p.sample) for p in found.predictions] == [(c.id, s) for c in SUITE.cases for s in (0, 1)]
    assert [p.text for p in found.predictions[::2]] == [f"answer to question {n}" for n in range(6)]
    assert found.predictions[0].tokens == 7
    assert steps == [(n, 12) for n in range(13)]
    assert found.rebuilt == 0


def test_a_request_names_the_model_and_holds_the_whole_conversation(server: LookAlike) -> None:
    answer(at(server), max_tokens=99)
    path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert body["model"] == "ours"
    assert body["max_tokens"] == 99
    assert body["temperature"] == 0
    assert body["messages"] == [{"role": "user", "content": "question 0"}]
    assert "Authorization" not in headers
    assert "seed" not in body


def test_samples_are_drawn_with_seeds_of_their_own(server: LookAlike) -> None:
    answer(at(server), samples=3, temperature=0.7)
    seeds = {(body["messages"][0]["content"], body["seed"]) for _, _, body in server.asked}
    assert seeds == {(f"question {n}", seed) for n in range(6) for seed in (1, 2, 3)}


def test_the_key_goes_into_the_header_and_nowhere_else(server: LookAlike) -> None:
    endpoint = make_endpoint(server.url, "ours", {KEY: "secret-key"})
    answer(endpoint)
    assert server.asked[0][1]["Authorization"] == "Bearer secret-key"
    assert "secret-key" not in repr(endpoint)
    server.behave = lambda body: (401, {}, b"{}")
    with pytest.raises(UserError) as error:
        answer(endpoint)
    assert "secret-key" not in str(error.value)
    assert KEY in error.value.hint


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_says_how_long_to_wait(server: LookAlike, status: int) -> None:
    replies = iter([(status, {"Retry-After": "90"}, b"")] * 8)
    server.behave = lambda body: next(replies, None) or echo(body)
    clock = FastClock()
    assert not errors(answer(at(server, timeout=1000), clock))
    assert len(server.asked) == 14
    assert sum(clock.waits) == pytest.approx(8 * 90)


def test_a_date_says_how_long_to_wait_too(server: LookAlike) -> None:
    replies = iter([(429, {"Retry-After": formatdate(time.time() + 100, usegmt=True)}, b"")])
    server.behave = lambda body: next(replies, None) or echo(body)
    clock = FastClock()
    assert not errors(answer(at(server), clock))
    assert clock.waits == [pytest.approx(100, abs=5)]


def test_nobody_asks_while_the_server_wants_rest(server: LookAlike) -> None:
    """One is told to wait; the others wait too."""
    clock, asked_at = FastClock(), list[float]()

    def behave(body: dict[str, Any]) -> Reply:
        asked_at.append(clock.now())
        return (429, {"Retry-After": "50"}, b"") if len(asked_at) == 1 else echo(body)

    server.behave = behave
    answer(at(server), clock)
    assert asked_at[0] == 0
    assert min(asked_at[1:]) == pytest.approx(50)


@pytest.mark.parametrize("value", ["soon", "", "-5", "nan", "inf", "0"])
def test_a_wait_that_is_none_is_ours(server: LookAlike, value: str) -> None:
    replies = iter([(429, {"Retry-After": value}, b"")])
    server.behave = lambda body: next(replies, None) or echo(body)
    clock = FastClock()
    assert not errors(answer(at(server), clock))
    assert clock.waits == [0.5]


def test_who_has_to_wait_longer_than_an_answer_may_take_fails(server: LookAlike) -> None:
    server.behave = lambda body: (429, {"Retry-After": "86400"}, b"") if asks_about(5)(body) else echo(body)
    found = answer(at(server, concurrency=1))
    assert "86400 s later" in errors(found)["case-5"]
    assert len(errors(found)) == 1


def test_a_model_that_is_still_loading_is_waited_for(server: LookAlike) -> None:
    clock = FastClock()
    server.behave = lambda body: echo(body) if clock.now() > 200 else (503, {}, b"loading")
    assert not errors(answer(at(server, timeout=300), clock))


def test_a_model_that_never_loads_gives_no_answers(server: LookAlike) -> None:
    server.behave = lambda body: (503, {}, b'{"error": {"message": "the model is not loaded"}}')
    with pytest.raises(HostError, match="the model is not loaded") as error:
        answer(at(server))
    assert "no" in error.value.hint.lower()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_told_at_once_and_nobody_asks_again(server: LookAlike, status: int) -> None:
    server.behave = lambda body: (status, {}, b'{"error": "no such model"}')
    with pytest.raises(UserError, match=f"refused ours: {status} no such model"):
        answer(at(server))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("refused", "sent"), [("max_tokens", "max_completion_tokens"), ("temperature", None), ("seed", None)]
)
def test_a_parameter_that_the_server_does_not_take_is_replaced(
    server: LookAlike, refused: str, sent: str | None
) -> None:
    def behave(body: dict[str, Any]) -> Reply:
        if refused in body:
            return 400, {}, json.dumps({"error": {"message": f"Unsupported parameter: '{refused}'"}}).encode()
        return echo(body)

    server.behave = behave
    found = answer(at(server, concurrency=1), temperature=0.7, max_tokens=99)
    assert not errors(found)
    assert found.not_taken == (refused,)
    assert len(server.asked) == 7  # it is remembered
    last = server.asked[-1][2]
    assert refused not in last
    assert sent is None or last[sent] == 99


def test_an_error_that_stays_without_the_parameter_is_the_cases_own(server: LookAlike) -> None:
    message = b'{"error": {"message": "5000 tokens are too many with max_tokens=512"}}'
    server.behave = lambda body: (400, {}, message) if asks_about(2)(body) else echo(body)
    found = answer(at(server, concurrency=1))
    assert list(errors(found)) == ["case-2"]
    assert found.not_taken == ()
    assert server.asked[-1][2]["max_tokens"] == 512


def test_a_redirect_is_not_followed_with_the_key(server: LookAlike) -> None:
    server.behave = lambda body: (307, {"Location": "http://127.0.0.1:9/v1"}, b"")
    with pytest.raises(UserError, match="307") as error:
        answer(at(server, key="secret"))
    assert "redirects" in error.value.hint
    assert len(server.asked) == 1


def test_an_answer_of_another_model_is_never_scored(server: LookAlike) -> None:
    server.behave = lambda body: ok(completion("hello", model="some-other"))
    with pytest.raises(UserError, match="answered as some-other, not as ours"):
        answer(at(server))


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("ours", "ours", True),
        ("ours", "ours-2026-11-01", True),
        ("ours", "ours-20261101", True),
        ("ours", "ours:latest", True),
        ("org/ours", "ours", True),
        ("ours", "org/ours", True),
        ("ours", "/srv/models/ours/", True),
        ("org/ours", "org/ours-0613", True),
        ("ours", "ours-mini", False),
        ("ours", "ours-2026", True),
        ("ours", "our", False),
        ("ours", "", False),
        ("org/ours", "other/ours", False),
        ("org/ours", "org/base", False),
        ("org/ours", "org", False),
        ("ours-2026-11-01", "ours", False),
    ],
)
def test_which_names_are_the_same_model(asked: str, answered: str, same: bool) -> None:
    assert same_model(asked, answered) is same


def test_one_answer_of_another_model_ends_it_and_keeps_the_others(server: LookAlike) -> None:
    server.behave = lambda body: ok(completion("?", "base")) if asks_about(5)(body) else echo(body)
    kept: list[Prediction] = []
    with pytest.raises(UserError, match="answered as base, not as ours"):
        answer(at(server, concurrency=1), keep=kept.append)
    assert len(kept) == 5


def test_a_server_that_is_not_there_is_a_host_that_is_not_there(server: LookAlike) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(HostError, match="cannot be reached"):
        answer(at(server))


@pytest.mark.parametrize(
    ("url", "model", "environment", "words"),
    [
        ("localhost:8080", "ours", {}, "not an endpoint"),
        ("file:///etc/passwd", "ours", {}, "not an endpoint"),
        ("http://user:word@localhost/v1", "ours", {}, "no password"),
        ("http://localhost/v1?key=1", "ours", {}, "no password"),
        ("http://localhost/v1", "", {}, "which model"),
        ("http://models.example.org/v1", "ours", {KEY: "k"}, "unencrypted"),
        ("http://localhost/v1", "ours", {KEY: "k\n"}, "no key has"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused_before_anything_is_sent(
    url: str, model: str, environment: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        make_endpoint(url, model, environment)


def test_a_call_that_the_server_took_apart_is_written_down_again() -> None:
    code = 'result = goto_definition("a.py", 1, "Cache")\nprint(result)'
    calls = [
        {"type": "function", "function": {"name": "execute_code", "arguments": json.dumps({"code": code})}}
    ]
    prediction, rebuilt = read_reply(completion("I look.", tool_calls=calls), "case", 0, 1.0)
    assert rebuilt
    assert parse_turn(prediction.text).programs == (code,)
    assert parse_turn(prediction.text).preamble.strip() == "I look."


def test_a_call_of_another_function_stays_wrong() -> None:
    calls = [{"function": {"name": "goto_definition", "arguments": '{"file": "a.py"}'}}]
    prediction, _ = read_reply(completion("", tool_calls=calls), "case", 0, 1.0)
    assert "goto_definition" in prediction.text
    assert "execute_code" not in prediction.text


def test_tools_are_offered_and_calls_come_back_as_data(server: LookAlike) -> None:
    messages = (
        Message(role="user", content="Rain?"),
        Message(
            role="assistant",
            content="",
            tool_calls=(ToolCall(function=Function(name="look", arguments={"a": "é"})),),
        ),
        Message(role="tool", content="no", name="look"),
    )
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    suite = Suite(name="s", cases=(Case(id="c", category="any", messages=messages, tools=(tool,)),))
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"a": "b"}'}}
    server.behave = lambda _: ok(completion("", tool_calls=[call]))
    (prediction,) = answer_suite(at(server), suite).predictions
    assert prediction.tool_calls == ({"name": "look", "arguments": '{"a": "b"}'},)
    body = server.asked[0][2]
    assert body["tools"] == [tool]
    (sent,) = body["messages"][1]["tool_calls"]
    assert json.loads(sent["function"]["arguments"]) == {"a": "é"}
    assert sent["id"] == body["messages"][2]["tool_call_id"] != ""


@given(st.text() | st.none() | st.lists(st.integers(), max_size=2))
def test_malformed_arguments_are_one_wrong_answer_and_no_error(arguments: Any) -> None:
    calls = [{"function": {"name": "look", "arguments": arguments}}]
    prediction, _ = read_reply(completion("", tool_calls=calls), "case", 0, 0.0)
    assert prediction.tool_calls[0]["name"] == "look"
    prediction.model_dump_json()


def test_a_lone_surrogate_does_not_break_the_file_it_goes_to() -> None:
    prediction, _ = read_reply(json.loads(json.dumps(completion("a\ud800b"))), "case", 0, 0.0)
    assert prediction.text.encode() == b"a?b"


def reply(**message: Any) -> Prediction:
    return read_reply({"choices": [{"message": message}]}, "case", 0, 0.0)[0]


def test_content_comes_in_parts() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "a"},
        {"type": "output_text", "text": "b"},
        "c",
    ]
    found = reply(content=parts)
    assert (found.text, found.reasoning) == ("abc", "hm")
    assert reply(content=[{"type": "refusal", "refusal": "no"}]).text == "no"
    assert reply(content=None, refusal="no").text == "no"
    assert reply(content=[]).text == ""


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_thoughts_are_kept_and_are_no_answer(key: str) -> None:
    found = reply(content="yes", **{key: "let me see"})
    assert (found.text, found.reasoning) == ("yes", "let me see")
    assert reply(content=None, **{key: "let me see"}).text == ""


def test_the_older_form_of_a_call_is_a_call() -> None:
    call = {"name": "look", "arguments": '{"a": 1}'}
    assert reply(content=None, function_call=call).tool_calls == (call,)
    assert reply(content=None, tool_calls=[{"function": call}]).tool_calls == (call,)
    assert reply(content=None, function_call=None).tool_calls == ()


@pytest.mark.parametrize("usage", [None, [], "many", {"completion_tokens": "7"}, {"completion_tokens": -1}])
def test_a_count_of_tokens_that_is_none_costs_no_answer(usage: Any) -> None:
    found, _ = read_reply({"choices": [{"message": {"content": "a"}}], "usage": usage}, "case", 0, 0.0)
    assert (found.text, found.tokens) == ("a", 0)


KEYS = ["type", "text", "thinking", "function", "name", "arguments"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@given(ANYTHING, st.sampled_from(["content", "tool_calls", "function_call", "reasoning_content", "refusal"]))
def test_whatever_a_message_holds_is_an_answer_or_none(value: Any, key: str) -> None:
    try:
        found = reply(**{key: value})
    except NotACompletion:
        return
    found.model_dump_json().encode()


@given(st.text())
def test_plain_text_comes_through_unchanged(text: str) -> None:
    prediction, rebuilt = read_reply(completion(text), "case", 0, 0.0)
    assert prediction.text == text
    assert not rebuilt


@given(st.text().filter(lambda code: "<" not in code and code.strip()))
def test_any_program_survives_being_taken_apart(code: str) -> None:
    calls = [{"function": {"name": "execute_code", "arguments": json.dumps({"code": code})}}]
    prediction, _ = read_reply(completion("", tool_calls=calls), "case", 0, 0.0)
    assert prediction.text == render_program(code)
