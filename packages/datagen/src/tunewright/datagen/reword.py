"""Optional rewording of requests by a model at any OpenAI-compatible endpoint: cached, and kept only when
everything that the call needs survives.

Off by default. It sends requests, which name files and symbols of the repositories, to the endpoint of the recipe
and nowhere else.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunewright.contract.atomic import sha256_json, write_json
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Reword
from tunewright.datagen.faithful import unfaithful

SECONDS = 30.0  # for one answer
MOST_FAILURES = 3  # in a row, before giving up
PROMPT = (
    "Rephrase this request to a coding assistant in other words. Keep every file path, number, name and quoted text "
    "exactly as it is, keep what is asked for and words like first, every, only, count, yes or no, add nothing. "
    "Answer with the new request alone."
)


class Reworder:
    """Asks for other wordings. Answers are kept in `cache`, one file a request, so a second run asks nothing."""

    def __init__(self, settings: Reword, cache: Path) -> None:
        if not settings.endpoint.startswith(("http://", "https://")):
            raise UserError(
                f"data.reword.endpoint: {settings.endpoint!r} is not an address",
                "Give the base of an OpenAI-compatible API, such as http://localhost:8000/v1.",
            )
        self._settings = settings
        self._cache = cache
        self._failures = 0

    def reword(self, request: str, values: Sequence[str], program: str = "") -> tuple[str, str | None]:
        """Another wording that still asks for the same, or the request itself and why: see `unfaithful`.

        Raises UserError when the endpoint fails several times in a row.
        """
        key = sha256_json([self._settings.model, PROMPT, request])
        path = self._cache / f"{key}.json"
        try:
            text = str(json.loads(path.read_text(encoding="utf-8"))["text"])
        except (OSError, ValueError, KeyError):
            answer = self._ask(request)
            if answer is None:
                return request, "the endpoint did not answer"
            text = answer
            write_json(path, {"request": request, "text": text})
        text = " ".join(text.split())
        reason = unfaithful(request, text, values, program)
        return (request, reason) if reason else (text, None)

    def _ask(self, request: str) -> str | None:
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [
                {"role": "system", "content": PROMPT},
                {"role": "user", "content": request},
            ],
            "temperature": 0.7,
            "seed": 1,
            "max_tokens": 200,
        }
        headers = {"Content-Type": "application/json"}
        if self._settings.key_env:
            headers["Authorization"] = f"Bearer {os.environ.get(self._settings.key_env, '')}"
        url = f"{self._settings.endpoint.rstrip('/')}/chat/completions"
        call = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - http(s) only, see above
        try:
            with urllib.request.urlopen(call, timeout=SECONDS) as reply:  # noqa: S310
                text = json.load(reply)["choices"][0]["message"]["content"]
        except (OSError, ValueError, LookupError, TypeError, urllib.error.URLError) as error:
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                raise UserError(
                    f"{url} failed {self._failures} times: {error}",
                    "Check the endpoint and the model, or leave [data.reword] out of the recipe.",
                ) from error
            return None
        self._failures = 0
        return str(text)
