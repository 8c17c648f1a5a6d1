"""Predictions from an OpenAI-compatible endpoint.

The model's id is the caller's word, never the first one that a server lists: such a list may begin with any
model in the machine's cache. An answer that comes under another name is an error.

One answer that fails (reset, stalled, cut off, refused, not a completion) is asked for again and then fails alone;
every other one is kept, the moment it comes.
"""

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tunewright.contract.errors import HostError, UserError
from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.contract.visible import one_line
from tunewright.eval.chat_completion import (
    NotACompletion,
    completion_request,
    read_reply,
    refused_parameter,
    replace_parameters,
    same_model,
)

KEY = "TUNEWRIGHT_API_KEY"  # the environment variable that holds a key; a command line is seen by others
TIMEOUT = 300.0  # seconds for one answer, further attempts and waiting included
CONNECT = 10.0  # seconds to reach the server
LARGEST = 16 << 20  # bytes of an answer
WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each further attempt
PASSING = frozenset({408, 425, 429})  # refusals that pass, like every 5xx
CONCURRENCY = 4  # requests at once
FAILURES = 10  # in a row: the server is gone
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Endpoint:
    """Where to ask (`http://localhost:8080/v1`), for which model, and how. The key is never shown."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = TIMEOUT
    concurrency: int = CONCURRENCY


@dataclass(frozen=True)
class Answers:
    """Predictions in the suite's order, those with an `error` included. `rebuilt` counts those whose calls the server had
    taken apart; `not_taken` are parameters that it refused."""

    predictions: tuple[Prediction, ...]
    rebuilt: int = 0
    not_taken: tuple[str, ...] = ()


class Clock:
    """Time as it passes."""

    def now(self) -> float:
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Unanswered(Exception):
    """One case got no answer; `refused` when the server did not want the request, whatever is tried."""

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


def make_endpoint(
    url: str,
    model: str,
    environment: Mapping[str, str],
    timeout: float = TIMEOUT,
    concurrency: int = CONCURRENCY,
) -> Endpoint:
    """Check what the user gave; the key comes from `TUNEWRIGHT_API_KEY`. Raises UserError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
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
    return Endpoint(url.rstrip("/"), model, key, timeout, concurrency)


def answer_suite(
    endpoint: Endpoint,
    suite: Suite,
    *,
    samples: int = 1,
    temperature: float = 0.0,
    max_tokens: int = 512,
    deadline: float | None = None,
    known: Sequence[Prediction] = (),
    keep: Callable[[Prediction], None] = lambda _: None,
    tick: Callable[[int, int], None] = lambda _done, _total: None,
    clock: Clock | None = None,
) -> Answers:
    """Ask every case that is not among `known` answers, some at once.

    `keep` gets each answer when it comes, `tick` the answers done and in all; `deadline` is in seconds from now. A case
    that got no answer has a prediction with an `error`. Raises HostError when the server cannot be reached, gives no
    answer at all, `FAILURES` failed in a row, or the deadline is over; UserError when it refuses everything or answers as
    another model.
    """
    work = _Work(endpoint, suite, samples, temperature, max_tokens, known, keep, tick, clock or Clock())
    return asyncio.run(work.answer_all(deadline))


class _Work:
    """One suite's questions and what became of them."""

    def __init__(
        self,
        endpoint: Endpoint,
        suite: Suite,
        samples: int,
        temperature: float,
        max_tokens: int,
        known: Sequence[Prediction],
        keep: Callable[[Prediction], None],
        tick: Callable[[int, int], None],
        clock: Clock,
    ) -> None:
        self.endpoint = endpoint
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.keep = keep
        self.tick = tick
        self.clock = clock
        self.jobs = [(case, sample) for case in suite.cases for sample in range(samples)]
        wanted = {(case.id, sample) for case, sample in self.jobs}
        self.found = {
            (one.case, one.sample): one for one in known if not one.error and (one.case, one.sample) in wanted
        }
        self.rebuilt = 0
        self.failures = 0  # since the last answer
        self.last: Unanswered | None = None

    async def answer_all(self, deadline: float | None) -> Answers:
        left = [job for job in self.jobs if (job[0].id, job[1]) not in self.found]
        self.tick(len(self.found), len(self.jobs))
        try:
            async with asyncio.timeout(deadline), _Client(self.endpoint, self.clock) as client:
                # The first case alone, so that a wrong address or id is told before others have tried it too.
                for job in left[:1]:
                    await self._answer(client, *job)
                await self._share_out(client, left[1:])
        except TimeoutError:
            raise HostError(
                f"the deadline passed; {self._answered} of {len(self.jobs)} cases are answered",
                "Nothing was scored; what is answered is kept.",
            ) from None
        if not self._answered:
            raise self._no_answers()
        predictions = tuple(self.found[case.id, sample] for case, sample in self.jobs)
        return Answers(predictions, self.rebuilt, tuple(client.not_taken))

    @property
    def _answered(self) -> int:
        return sum(not one.error for one in self.found.values())

    async def _share_out(self, client: "_Client", jobs: Sequence[tuple[Case, int]]) -> None:
        waiting = iter(jobs)

        async def work() -> None:
            for job in waiting:
                await self._answer(client, *job)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.endpoint.concurrency, len(jobs))):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _answer(self, client: "_Client", case: Case, sample: int) -> None:
        model = self.endpoint.model
        began = time.perf_counter()
        try:
            reply = await client.ask(
                completion_request(model, case, self.temperature, self.max_tokens, sample)
            )
            answered = reply.get("model")
            if isinstance(answered, str) and not same_model(model, answered):
                raise UserError(
                    f"the endpoint answered as {one_line(answered)}, not as {model}",
                    "Nothing of it was scored. Check --name.",
                )
            prediction, rebuilt = read_reply(reply, case.id, sample, time.perf_counter() - began)
        except (Unanswered, NotACompletion) as error:
            self.last = error if isinstance(error, Unanswered) else Unanswered(one_line(str(error), 300))
            self.failures += not self.last.refused  # who refuses a request is there
            if self.failures >= FAILURES:
                raise self._no_answers() from error
            prediction = Prediction(case=case.id, sample=sample, text="", error=str(self.last))
        else:
            self.failures = 0
            self.rebuilt += rebuilt
            self.keep(prediction)
        self.found[case.id, sample] = prediction
        self.tick(len(self.found), len(self.jobs))

    def _no_answers(self) -> UserError:
        """Why there is no score."""
        url, model = self.endpoint.url, self.endpoint.model
        if self._answered:
            return HostError(
                f"{url} stopped answering: {self.failures} requests in a row failed, the last one: {self.last}",
                f"Nothing was scored; {self._answered} of {len(self.jobs)} cases are answered and kept.",
            )
        if self.last and self.last.refused:
            return UserError(
                f"{url} refused every request for {model}: {self.last}",
                "See the endpoint's own documentation.",
            )
        return HostError(
            f"{url} gave no answer as {model}: {self.last}",
            "Nothing was scored. Has it loaded its model? See the server's own log.",
        )


class _TooLong(Exception):
    """An answer that is too long."""


class _Client:
    """Asks for one completion at a time of each caller, and again while the server is busy or fails."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self.not_taken: list[str] = []  # parameters that the server refused, and took the request without
        self._answered = False  # has it ever?
        self._quiet_until = 0.0  # the server asked everybody to wait
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        self._http = httpx2.AsyncClient(
            headers=headers,
            # `ask` measures how long an answer takes in all: a server that sends a byte now and then gains nothing.
            timeout=httpx2.Timeout(None, connect=CONNECT),
            limits=httpx2.Limits(max_connections=endpoint.concurrency),
            follow_redirects=False,  # a redirect would carry the key to another address
            trust_env=urlsplit(endpoint.url).hostname
            not in LOOPBACK,  # a company's proxy does not know our loopback
        )

    async def __aenter__(self) -> "_Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """One completion, within the endpoint's timeout.

        Raises Unanswered, and UserError or HostError for what would be the same for every case.
        """
        end = self.clock.now() + self.endpoint.timeout
        refused = list(self.not_taken)
        failure = ""
        attempt = 0
        while True:
            await self._wait(self._quiet_until - self.clock.now(), end, failure)
            status, headers, data, failure = await self._post(replace_parameters(body, refused), end, failure)
            if status == 200 and not failure:
                try:
                    reply = _object(data)
                except ValueError as error:
                    failure = str(error)
                else:
                    self._answered = True
                    self.not_taken += [name for name in refused if name not in self.not_taken]
                    return reply
            elif status:
                said = _said(data)
                failure = f"{status} {said}".strip()
                if status not in PASSING and status < 500:
                    name = refused_parameter(replace_parameters(body, refused), said)
                    if name is None or status not in (400, 422):
                        raise self._refused(status, failure)
                    refused.append(name)
                    continue
            if asked := _asked_wait(headers.get("retry-after")):
                # Who says when to come back is asked again then, for as long as an answer may take.
                self._quiet_until = max(self._quiet_until, self.clock.now() + asked)
                continue
            # So is a server that is still loading its model.
            if attempt == len(WAITS) and (status != 503 or self._answered):
                raise Unanswered(failure)
            await self._wait(WAITS[min(attempt, len(WAITS) - 1)], end, failure)
            attempt = min(attempt + 1, len(WAITS))

    async def _wait(self, seconds: float, end: float, failure: str) -> None:
        """Wait before an attempt. Raises Unanswered when there is no time left for it."""
        if seconds <= 0:
            return
        if self.clock.now() + seconds >= end:
            raise Unanswered(
                f"{failure or 'the server is busy'}; the next attempt would be {seconds:.0f} s later, "
                f"and an answer may take {self.endpoint.timeout:g} s"
            )
        await self.clock.pause(seconds)

    async def _post(
        self, body: Mapping[str, Any], end: float, before: str
    ) -> tuple[int, Mapping[str, str], bytes, str]:
        """One attempt: the reply's status, headers and body, and why there is none (status 0)."""
        try:
            async with asyncio.timeout(end - self.clock.now()):
                return (*await self._send(body), "")
        except TimeoutError:
            last = f"; the attempt before: {before}" if before else ""
            raise Unanswered(f"no whole answer in {self.endpoint.timeout:g} s{last}") from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            if not self._answered:
                raise HostError(
                    f"{self.endpoint.url} cannot be reached: {_reason(error)}",
                    "Is it running, and is the URL right? A run's own model: ./inv serve",
                ) from error
            return 0, {}, b"", f"it cannot be reached: {_reason(error)}"
        except (httpx2.RequestError, _TooLong) as error:
            return 0, {}, b"", _reason(error)

    async def _send(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        request = self._http.build_request("POST", f"{self.endpoint.url}/chat/completions", json=body)
        answer = await self._http.send(request, stream=True)
        try:
            data = bytearray()
            async for piece in answer.aiter_bytes():
                data += piece
                if len(data) > LARGEST:
                    raise _TooLong(f"it sent more than {LARGEST >> 20} MiB")
            return answer.status_code, answer.headers, bytes(data)
        finally:
            await answer.aclose()

    def _refused(self, code: int, failure: str) -> Exception:
        if self._answered or code in (400, 413, 422):
            return Unanswered(failure, refused=True)
        url = self.endpoint.url
        hint = "See the endpoint's own documentation."
        if code in (401, 403):
            known = self.endpoint.key
            hint = f"The key in {KEY} is not accepted." if known else f"Put a valid key into {KEY}."
        elif code == 404:
            hint = f"Check --name, and the URL: it usually ends in /v1. GET {url}/models lists the ids."
        elif 300 <= code < 400:
            hint = "It redirects; give the address that it redirects to."
        return UserError(f"{url} refused {self.endpoint.model}: {failure}", hint)


def _reason(error: Exception) -> str:
    """A transport's failure in words."""
    text = one_line(str(error), 200) or type(error).__name__
    if isinstance(error, httpx2.ReadError | httpx2.WriteError):
        return f"the connection broke ({text})"
    return text


def _object(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError that says what was sent instead."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        shown = one_line(data[:200].decode(errors="replace"), 80)
        raise ValueError(f"the answer is not JSON: {shown!r}" if shown else "the answer is empty") from None
    if not isinstance(value, dict):
        raise ValueError("the answer is not a JSON object")
    if value.get("error") and "choices" not in value:  # some gateways tell of errors with status 200
        raise ValueError(_said(data))
    return value


def _said(data: bytes) -> str:
    """The server's own words, one short printable line."""
    try:
        value: Any = json.loads(data)
        found = value.get("error", value) if isinstance(value, dict) else value
        text = str(found.get("message", found) if isinstance(found, dict) else found)
    except (ValueError, RecursionError):
        text = data[:1000].decode(errors="replace")
    return one_line(text, 300)


def _asked_wait(text: str | None) -> float:
    """The seconds of a Retry-After header, a number or a date; 0 where there is none."""
    if not text:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
