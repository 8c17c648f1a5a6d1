"""What the endpoint answers, and whom: requests for its one model, in text, from this machine."""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

LOCAL = "127.0.0.1"
OWN_NAMES = frozenset({LOCAL, "localhost", "::1"})


class Refused(Exception):
    """A request that is not answered: an HTTP status, and the error's code and words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def check_request(body: Any, name: str) -> None:
    """Raises Refused when a completion request asks for anything but the model of that name, in text."""
    if not isinstance(body, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "invalid_request", "the request must be a JSON object")
    model = body.get("model")
    if model is None:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "model_missing",
            f'the request names no model; say "model": {json.dumps(name)}',
        )
    if model != name:
        raise Refused(
            HTTPStatus.NOT_FOUND, "model_not_found", f"{model!r} is not served here; the model is {name}"
        )
    for key in ("adapters", "draft_model"):
        if body.get(key) is not None:
            raise Refused(HTTPStatus.BAD_REQUEST, "invalid_request", f"{key} cannot be chosen by a request")
    if not isinstance(body.get("stream_options", {}), dict | None):
        raise Refused(HTTPStatus.BAD_REQUEST, "invalid_request", "stream_options must be an object")
    messages = body.get("messages", [])
    if not isinstance(messages, list) or not all(_is_text(message) for message in messages):
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "invalid_request",
            "messages must be a list of messages that hold text only",
        )


def _is_text(message: Any) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        return False
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return (content is None or isinstance(content, str | list)) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
        for part in parts
    )


def check_sender(host: str | None, origin: str | None) -> None:
    """Raises Refused for a page of another site, which a browser on this machine may show.

    `Host` is looked at because a foreign name can be made to point at this machine.
    """
    if host is not None and _hostname(f"//{host}") not in OWN_NAMES:
        raise Refused(HTTPStatus.FORBIDDEN, "forbidden", f"{host} is not a name of this machine")
    if origin is not None and _hostname(origin) not in OWN_NAMES:
        raise Refused(HTTPStatus.FORBIDDEN, "forbidden", f"pages of {origin} are not answered")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def parse_request(data: bytes) -> Any:
    """The body as JSON. Raises Refused."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused(
            HTTPStatus.BAD_REQUEST, "invalid_request", f"the request is not JSON: {error}"
        ) from error
