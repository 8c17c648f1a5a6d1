"""Asking an OpenAI-compatible endpoint: a real HTTP server on loopback, well behaved and not."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.chat.calls.code_mode import parse_turn, render_program
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.example import Function, Message, ToolCall
from tunewright.contract.suite import Case, Suite
from tunewright.eval.endpoint import KEY, Answers, Endpoint, answer_suite, make_endpoint, read_reply

Reply = tuple[int, dict[str, str], bytes]
SUITE = Suite(
    name="small",
    cases=tuple(
        Case(id=f"case-{n}", category="any", messages=(Message(role="user", content=f"question {n}"),))
        for n in range(6)
    ),
)


def completion(text: str, model: str = "ours", **message: Any) -> dict[str, Any]:
    return {
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7},
    }


def ok(value: Any) -> Reply:
    return 200, {}, json.dumps(value).encode()


class Server:
    """Answers with what `behave` says for a request's body; keeps what it was asked."""

    def __init__(self) -> None:
        self.behave: Callable[[dict[str, Any]], Reply] = lambda body: ok(
            completion(f"answer to {body['messages'][-1]['content']}")
        )
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, dict(self.headers), body))
                status, headers, data = server.behave(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def endpoint(self, **changes: Any) -> Endpoint:
        return replace(Endpoint(self.url, "ours"), **changes)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def silent(done: int, total: int) -> None:
    """No progress wanted."""


def answer(endpoint: Endpoint, sleep: Callable[[float], None] = lambda _: None, **settings: Any) -> Answers:
    return answer_suite(endpoint, SUITE, tick=silent, sleep=sleep, **settings)


def test_every_case_is_answered_in_the_suites_order(server: Server) -> None:
    steps: list[tuple[int, int]] = []
    found = answer_suite(server.endpoint(), SUITE, samples=2, tick=lambda a, b: steps.append((a, b)))
    assert [(p.case, p.sample) for p in found.predictions] == [(c.id, s) for c in SUITE.cases for s in (0, 1)]
    assert [p.text for p in found.predictions[::2]] == [f"answer to question {n}" for n in range(6)]
    assert found.predictions[0].tokens == 7
    assert steps == [(n, 12) for n in range(13)]
    assert found.rebuilt == 0


def test_a_request_names_the_model_and_holds_the_whole_conversation(server: Server) -> None:
    answer(server.endpoint(), max_tokens=99)
    path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert body["model"] == "ours"
    assert body["max_tokens"] == 99
    assert body["temperature"] == 0
    assert body["messages"] == [{"role": "user", "content": "question 0"}]
    assert "Authorization" not in headers
    assert "seed" not in body


def test_samples_are_drawn_with_seeds_of_their_own(server: Server) -> None:
    answer(server.endpoint(), samples=3, temperature=0.7)
    seeds = {(body["messages"][0]["content"], body["seed"]) for _, _, body in server.asked}
    assert seeds == {(f"question {n}", seed) for n in range(6) for seed in (1, 2, 3)}


def test_the_key_goes_into_the_header_and_nowhere_else(server: Server) -> None:
    endpoint = make_endpoint(server.url, "ours", {KEY: "secret-key"})
    answer(endpoint)
    assert server.asked[0][1]["Authorization"] == "Bearer secret-key"
    assert "secret-key" not in repr(endpoint)
    server.behave = lambda body: (401, {}, b"{}")
    with pytest.raises(UserError) as error:
        answer(endpoint)
    assert "secret-key" not in str(error.value)
    assert KEY in error.value.hint


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_or_failing_server_is_asked_again(server: Server, status: int) -> None:
    plain = server.behave
    left = [3]

    def behave(body: dict[str, Any]) -> Reply:
        if left[0]:
            left[0] -= 1
            return status, {}, b"busy"
        return plain(body)

    server.behave = behave
    waits: list[float] = []
    assert len(answer(server.endpoint(), waits.append).predictions) == 6
    assert waits == [0.5, 1.0, 2.0]


def test_a_server_says_how_long_to_wait_but_not_for_ever(server: Server) -> None:
    plain = server.behave
    replies = iter([(429, {"Retry-After": "7"}, b""), (429, {"Retry-After": "99999"}, b"")])
    server.behave = lambda body: next(replies, None) or plain(body)
    waits: list[float] = []
    answer(server.endpoint(), waits.append)
    assert waits == [7, 60]


def test_one_that_keeps_failing_is_given_up(server: Server) -> None:
    server.behave = lambda body: (500, {}, b'{"error": {"message": "no memory\\u001b[31m left"}}')
    with pytest.raises(HostError, match=r"keeps failing: 500 no memory⟦U\+001B⟧\[31m left"):
        answer(server.endpoint())
    assert len(server.asked) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_told_at_once_and_nobody_asks_again(server: Server, status: int) -> None:
    server.behave = lambda body: (status, {}, b'{"error": "no such model"}')
    with pytest.raises(UserError, match=f"refused ours: {status} no such model"):
        answer(server.endpoint())
    assert len(server.asked) == 1


def test_a_failure_in_the_middle_ends_the_rest(server: Server) -> None:
    plain = server.behave
    server.behave = lambda body: (
        (400, {}, b'"too long"') if "3" in body["messages"][0]["content"] else plain(body)
    )
    with pytest.raises(UserError, match="too long"):
        answer(server.endpoint())


def test_a_redirect_is_not_followed_with_the_key(server: Server) -> None:
    server.behave = lambda body: (307, {"Location": "http://127.0.0.1:9/v1"}, b"")
    with pytest.raises(UserError, match="307") as error:
        answer(server.endpoint(key="secret"))
    assert "redirects" in error.value.hint
    assert len(server.asked) == 1


def test_an_answer_of_another_model_is_never_scored(server: Server) -> None:
    server.behave = lambda body: ok(completion("hello", model="some-other"))
    with pytest.raises(UserError, match="answered as some-other, not as ours"):
        answer(server.endpoint())


def test_a_dated_name_is_the_same_model(server: Server) -> None:
    server.behave = lambda body: ok(completion("hello", model="ours-2026-11-01"))
    assert len(answer(server.endpoint()).predictions) == 6


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": 3}}]}',
    ],
)
def test_what_is_no_completion_is_said_in_words(server: Server, data: bytes) -> None:
    server.behave = lambda body: (200, {}, data)
    with pytest.raises(UserError) as error:
        answer(server.endpoint())
    assert error.value.hint


def test_a_server_that_is_not_there_is_a_host_that_is_not_there(server: Server) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(HostError, match="cannot be reached"):
        answer(server.endpoint())


def test_a_server_that_says_nothing_does_not_hang(server: Server) -> None:
    silence = threading.Event()

    def behave(body: dict[str, Any]) -> Reply:
        silence.wait(5)
        return ok(completion("late"))

    server.behave = behave
    began = time.monotonic()
    with pytest.raises(HostError, match=r"gave no answer in 0\.2 s"):
        answer(server.endpoint(timeout=0.2))
    assert time.monotonic() - began < 3
    silence.set()


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
    prediction, rebuilt = read_reply(completion("I look.", tool_calls=calls), "ours", "case", 0, 1.0)
    assert rebuilt
    assert parse_turn(prediction.text).programs == (code,)
    assert parse_turn(prediction.text).preamble.strip() == "I look."


def test_a_call_of_another_function_stays_wrong() -> None:
    calls = [{"function": {"name": "goto_definition", "arguments": '{"file": "a.py"}'}}]
    prediction, _ = read_reply(completion("", tool_calls=calls), "ours", "case", 0, 1.0)
    assert "goto_definition" in prediction.text
    assert "execute_code" not in prediction.text


def test_tools_are_offered_and_calls_come_back_as_data(server: Server) -> None:
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
    (prediction,) = answer_suite(server.endpoint(), suite, tick=silent).predictions
    assert prediction.tool_calls == ({"name": "look", "arguments": '{"a": "b"}'},)
    body = server.asked[0][2]
    assert body["tools"] == [tool]
    (sent,) = body["messages"][1]["tool_calls"]
    assert json.loads(sent["function"]["arguments"]) == {"a": "é"}
    assert sent["id"] == body["messages"][2]["tool_call_id"] != ""


@given(st.text() | st.none() | st.lists(st.integers(), max_size=2))
def test_malformed_arguments_are_one_wrong_answer_and_no_error(arguments: Any) -> None:
    calls = [{"function": {"name": "look", "arguments": arguments}}]
    prediction, _ = read_reply(completion("", tool_calls=calls), "ours", "case", 0, 0.0)
    assert prediction.tool_calls[0]["name"] == "look"
    prediction.model_dump_json()


def test_a_lone_surrogate_does_not_break_the_file_it_goes_to() -> None:
    prediction, _ = read_reply(json.loads(json.dumps(completion("a\ud800b"))), "ours", "case", 0, 0.0)
    assert prediction.text.encode() == b"a?b"


@given(st.text())
def test_plain_text_comes_through_unchanged(text: str) -> None:
    prediction, rebuilt = read_reply(completion(text), "ours", "case", 0, 0.0)
    assert prediction.text == text
    assert not rebuilt


@given(st.text().filter(lambda code: "<" not in code and code.strip()))
def test_any_program_survives_being_taken_apart(code: str) -> None:
    calls = [{"function": {"name": "execute_code", "arguments": json.dumps({"code": code})}}]
    prediction, _ = read_reply(completion("", tool_calls=calls), "ours", "case", 0, 0.0)
    assert prediction.text == render_program(code)
