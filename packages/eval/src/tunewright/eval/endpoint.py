"""Predictions from an OpenAI-compatible endpoint: chat completions, over the standard library alone.

The model's id is the caller's word, never the first one that a server lists: such a list may begin with any
model in the machine's cache. An answer that comes under another name is an error.
"""

import email.message
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import IO, Any
from urllib.parse import urlsplit

from tunewright.chat.calls.code_mode import CallSyntaxError, render_program
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.example import Message
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.contract.visible import one_line

KEY = "TUNEWRIGHT_API_KEY"  # the environment variable that holds a key; a command line is seen by others
TIMEOUT = 300.0  # seconds without a byte of an answer
LARGEST = 16 << 20  # bytes of an answer
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each further attempt
LONGEST_WAIT = 60.0  # of what a server may ask for
PARALLEL = 4  # requests at once
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Endpoint:
    """Where to ask (`http://localhost:8080/v1`), and for which model. The key is never shown."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = TIMEOUT


_Found = tuple[Prediction, bool]  # and whether its calls were put together again


@dataclass(frozen=True)
class Answers:
    """Predictions in the suite's order. `rebuilt` counts those whose calls the server had taken apart."""

    predictions: tuple[Prediction, ...]
    rebuilt: int = 0


def make_endpoint(url: str, model: str, environment: Mapping[str, str]) -> Endpoint:
    """Check what the user gave; the key comes from `TUNEWRIGHT_API_KEY`. Raises UserError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url!r} is not an endpoint", "It looks like http://localhost:8080/v1.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(
            "an endpoint's URL holds no password, query or fragment",
            f"Put a key into {KEY} and leave it out.",
        )
    if not model:
        raise UserError(
            "which model of the endpoint?", "Say its id: --name ID. The first one listed may be any model."
        )
    key = environment.get(KEY, "")
    if not key.isprintable() or not key.isascii():
        raise UserError(f"{KEY} holds characters that no key has", "Set it again, without a line end.")
    if key and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UserError(f"{KEY} would go to {parts.hostname} unencrypted", f"Use https, or unset {KEY}.")
    return Endpoint(url.rstrip("/"), model, key)


def answer_suite(
    endpoint: Endpoint,
    suite: Suite,
    *,
    samples: int = 1,
    temperature: float = 0.0,
    max_tokens: int = 512,
    tick: Callable[[int, int], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Answers:
    """Ask every case, some at once. `tick` gets the answers done and in all.

    A busy or failing server (429, 5xx) is asked again a few times. Raises HostError when it cannot be
    reached or keeps failing, UserError when it refuses a request or answers as another model.
    """
    jobs = [(case, sample) for case in suite.cases for sample in range(samples)]
    waiting: SimpleQueue[int | None] = SimpleQueue()
    told: SimpleQueue[tuple[int, _Found | BaseException]] = SimpleQueue()
    stop = threading.Event()

    def one(number: int) -> _Found:
        case, sample = jobs[number]
        began = time.perf_counter()
        reply = _ask(endpoint, _request(endpoint.model, case, temperature, max_tokens, sample), sleep, stop)
        return read_reply(reply, endpoint.model, case.id, sample, time.perf_counter() - began)

    def work() -> None:
        while (number := waiting.get()) is not None and not stop.is_set():
            try:
                told.put((number, one(number)))
            except BaseException as error:  # noqa: BLE001 - raised again where somebody waits for it
                told.put((number, error))

    tick(0, len(jobs))
    # The first case alone, so that a wrong address or id is told before others have tried it too.
    found: dict[int, _Found] = {0: one(0)}
    tick(1, len(jobs))
    for number in range(1, len(jobs)):
        waiting.put(number)
    threads = min(PARALLEL, len(jobs) - 1)
    for _ in range(threads):
        waiting.put(None)
        # Daemons: Ctrl-C need not wait for answers under way.
        threading.Thread(target=work, daemon=True).start()
    try:
        while len(found) < len(jobs):
            number, result = told.get()
            if isinstance(result, BaseException):
                raise result
            found[number] = result
            tick(len(found), len(jobs))
    finally:
        stop.set()
    ordered = [found[number] for number in range(len(jobs))]
    return Answers(tuple(prediction for prediction, _ in ordered), sum(rebuilt for _, rebuilt in ordered))


class _Stopped(Exception):
    """Another request has failed; this one need not be sent."""


def _request(model: str, case: Case, temperature: float, max_tokens: int, sample: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": message_rows(case.messages),
        "temperature": temperature,
        "max_tokens": max_tokens,
        "stream": False,
    }
    if case.tools:
        body["tools"] = list(case.tools)
    return body | ({"seed": sample + 1} if temperature > 0 else {})


def message_rows(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as OpenAI's API takes them: arguments are JSON text there, and calls and their results share an id. Where the
    data have none, results answer calls in their order."""
    rows = [message.row() for message in messages]
    waiting: list[str] = []
    for number, row in enumerate(rows):
        row.pop("weight", None)
        for place, call in enumerate(row.get("tool_calls", ())):
            call.setdefault("id", f"call_{number}_{place}")
            call["function"] = {
                **call["function"],
                "arguments": json.dumps(call["function"]["arguments"], ensure_ascii=False),
            }
            waiting.append(call["id"])
        if row["role"] == "tool" and waiting:
            answered = row.setdefault("tool_call_id", waiting[0])
            waiting = [known for known in waiting if known != answered]
    return rows


def read_reply(
    reply: Mapping[str, Any], model: str, case: str, sample: int, seconds: float
) -> tuple[Prediction, bool]:
    """A chat completion as a prediction, and whether its calls had to be put together again.

    A dated name (`model-2026-11-01` for `model`) is the same model. Raises UserError for another one, and
    for what is no chat completion.
    """
    answered = reply.get("model")
    if isinstance(answered, str) and answered != model and not answered.startswith(f"{model}-"):
        raise UserError(
            f"the endpoint answered as {answered}, not as {model}", "Nothing of it was scored. Check --name."
        )
    try:
        choice = reply["choices"][0]
        message = choice["message"]
        text, rebuilt = _text_of(message)
        usage = reply.get("usage") or {}
        prediction = Prediction(
            case=case,
            sample=sample,
            # A lone surrogate is valid in JSON and cannot be written to a file.
            text=text.encode(errors="replace").decode(),
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            tokens=int(usage.get("completion_tokens") or 0),
            seconds=round(seconds, 4),
            finish="length" if choice.get("finish_reason") == "length" else "stop",
            tool_calls=tuple(_native_call(call["function"]) for call in message.get("tool_calls") or ()),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"case {case}: the endpoint's answer is no chat completion ({type(error).__name__}: {error})",
            "Is it OpenAI-compatible? Its URL usually ends in /v1.",
        ) from error
    return prediction, rebuilt


def _text_of(message: Mapping[str, Any]) -> tuple[str, bool]:
    """The model's text. Calls that the server's parser took out are written down again after it."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        raise TypeError("content is not text")
    calls = message.get("tool_calls") or []
    parts = [content, *(_call_text(call["function"]) for call in calls)]
    return "\n\n".join(part for part in parts if part) if calls else content, bool(calls)


def _native_call(function: Mapping[str, Any]) -> dict[str, Any]:
    """A call as the server wrote it, well formed or not."""
    call = {key: function.get(key) for key in ("name", "arguments")}
    return json.loads(json.dumps(call, ensure_ascii=False).encode(errors="replace"))


def _call_text(function: Mapping[str, Any]) -> str:
    arguments = function.get("arguments")
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):  # one malformed call is one wrong answer
        return f"<tool_call><function={function['name']}>\n{arguments}"
    if function["name"] == "execute_code" and set(value) == {"code"}:
        try:
            return render_program(str(value["code"]))
        except CallSyntaxError:
            return f"<tool_call>{value['code']}"  # what cannot be written as a call is not right either
    lines = "".join(f"<parameter={key}>\n{each}\n</parameter>\n" for key, each in value.items())
    return f"<tool_call><function={function['name']}>\n{lines}</function></tool_call>"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another address."""

    def redirect_request(
        self,
        req: urllib.request.Request,  # noqa: ARG002
        fp: IO[bytes],  # noqa: ARG002
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: http.client.HTTPMessage | email.message.Message,  # noqa: ARG002
        newurl: str,  # noqa: ARG002
    ) -> None:
        return None


def _opener(url: str) -> urllib.request.OpenerDirector:
    # A company's proxy does not know our loopback.
    handlers: Sequence[Any] = [urllib.request.ProxyHandler({})] if urlsplit(url).hostname in LOOPBACK else []
    return urllib.request.build_opener(_NoRedirect(), *handlers)


def _ask(
    endpoint: Endpoint, body: Mapping[str, Any], sleep: Callable[[float], None], stop: threading.Event
) -> dict[str, Any]:
    """One completion, asked again while the server is busy or fails."""
    url = f"{endpoint.url}/chat/completions"
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    data = json.dumps(body, ensure_ascii=False).encode()
    for attempt in range(len(WAITS) + 1):
        if stop.is_set():
            raise _Stopped
        request = urllib.request.Request(url, data, headers, method="POST")  # noqa: S310 - http and https only
        try:
            with _opener(url).open(request, timeout=endpoint.timeout) as answer:
                return _object(answer.read(LARGEST + 1), endpoint)
        except urllib.error.HTTPError as error:
            with error:
                said = _said(error)
                if error.code != 429 and error.code < 500:
                    raise _refused(endpoint, error.code, said) from error
                if attempt == len(WAITS):
                    raise HostError(
                        f"{endpoint.url} keeps failing: {error.code} {said}", "See the server's own log."
                    ) from error
                wait = _asked_wait(error.headers.get("Retry-After")) or WAITS[attempt]
            sleep(wait)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            late = isinstance(error, TimeoutError) or isinstance(reason, TimeoutError)
            raise HostError(
                f"{endpoint.url} "
                + (f"gave no answer in {endpoint.timeout:g} s" if late else f"cannot be reached: {reason}"),
                "Is it running, and is the URL right? A run's own model: ./inv serve",
            ) from error
    raise AssertionError("the last attempt returns or raises")


def _refused(endpoint: Endpoint, code: int, said: str) -> UserError:
    hint = "See the endpoint's own documentation."
    if code in (401, 403):
        hint = f"Put a valid key into {KEY}." if not endpoint.key else f"The key in {KEY} is not accepted."
    elif code == 404:
        hint = f"Check --name, and the URL: it usually ends in /v1. GET {endpoint.url}/models lists the ids."
    elif 300 <= code < 400:
        hint = "It redirects; give the address that it redirects to."
    return UserError(f"{endpoint.url} refused {endpoint.model}: {code} {said}", hint)


def _object(data: bytes, endpoint: Endpoint) -> dict[str, Any]:
    try:
        value = json.loads(data) if len(data) <= LARGEST else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UserError(
            f"{endpoint.url} does not answer in JSON", "Is the URL right? It usually ends in /v1."
        )
    return value


def _said(error: urllib.error.HTTPError) -> str:
    """The server's own words, one short printable line."""
    try:
        value: Any = json.loads(error.read(1 << 16))
        found = value.get("error", value) if isinstance(value, dict) else value
        text = str(found.get("message", found) if isinstance(found, dict) else found)
    except (ValueError, OSError, RecursionError, http.client.HTTPException):
        text = str(error.reason)
    return one_line(text, 300)


def _asked_wait(text: str | None) -> float:
    try:
        return max(0.0, min(float(text or 0), LONGEST_WAIT))
    except ValueError:
        return 0.0  # a date: our own wait will do
