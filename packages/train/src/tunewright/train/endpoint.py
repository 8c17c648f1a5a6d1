"""The endpoint itself: mlx-lm's batching generator, behind a handler that knows one model."""

import argparse
import json
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

from mlx_lm import server as mlx_server
from mlx_lm.generate import make_text_state_machine
from mlx_lm.models.cache import LRUPromptCache, make_prompt_cache

from tunewright.contract.errors import UserError
from tunewright.contract.manifest import now
from tunewright.train.base import expand_on_cpu, load_folder
from tunewright.train.endpoint_rules import LOCAL, Refused, check_request, check_sender, parse_request
from tunewright.train.failures import explain
from tunewright.train.served_row import served_row

LARGEST = 16 << 20  # bytes of a request
SLOW = 60.0  # seconds that a request may take to arrive
Log = Callable[[dict[str, Any]], None]
COMPLETIONS = frozenset({"/v1/chat/completions", "/chat/completions", "/v1/completions"})
# What mlx-lm's server reads from its command line: its own defaults, and nobody else's origin.
SETTINGS: dict[str, Any] = {
    "model": None,
    "adapter_path": None,
    "draft_model": None,
    "num_draft_tokens": 3,
    "trust_remote_code": False,
    "allowed_origins": (),
    "chat_template": "",
    "chat_template_args": {},
    "use_default_chat_template": False,
    "temp": 0.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "max_tokens": 512,
    "decode_concurrency": 32,
    "prompt_concurrency": 8,
    "prefill_step_size": 2048,
    "prompt_cache_size": 10,
    "prompt_cache_bytes": None,
    "kv_bits": None,
    "kv_group_size": 64,
    "quantized_kv_start": 5000,
    "pipeline": False,
}


class OneModel(mlx_server.ModelProvider):
    """A provider that holds one model, whatever it is asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(argparse.Namespace(**SETTINGS))
        self.folder = folder
        self.settled = threading.Event()  # loaded, or never will be
        self.failure: Exception | None = None

    def load_default(self) -> None:
        """Load the model, in the thread that generates: mlx's streams belong to threads."""
        import mlx.core as mx

        try:
            loaded = expand_on_cpu(load_folder(self.folder), "float32")
            mx.eval(loaded.model.parameters())
            self.model_key = (str(self.folder), None, None)
            self.tokenizer = loaded.tokenizer
            self.is_batchable = all(hasattr(cache, "merge") for cache in make_prompt_cache(loaded.model))
            self.model = loaded.model
        except Exception as error:
            self.failure = error
            raise
        finally:
            self.settled.set()

    def load(self, model_path: Any, adapter_path: Any = None, draft_model_path: Any = None) -> Any:
        """The one model; `check_request` has refused every other name."""
        del model_path, adapter_path, draft_model_path
        return self.model, self.tokenizer


class PlainCalls:
    """A tokenizer that knows no calls, so that they stay in the text as the model wrote them."""

    has_tool_calling = False

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


class Generator(mlx_server.ResponseGenerator):
    """mlx-lm's, but calls are taken out of the text only for a client that offers tools.

    mlx-lm's parsers drop what they cannot read; without tools the client gets every character.
    """

    def generate(self, request: Any, generation_args: Any, progress_callback: Any = None) -> Any:
        context, responses = super().generate(request, generation_args, progress_callback)
        if context.has_tool_calling and not request.tools:
            plain = PlainCalls(self.model_provider.tokenizer)
            context.text_sm = make_text_state_machine(plain, generation_args.stop_words)
        return context, responses


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of its answer is nobody's mistake."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Endpoint:
    """A loopback endpoint for the model in `folder`, called `name`. It starts to load at once.

    `log` gets each chat request with its answer, as a row, after the client got the answer.

    Raises UserError when the port is taken.
    """

    def __init__(self, folder: Path, name: str, port: int = 0, log: Log | None = None) -> None:
        self.provider = OneModel(folder)
        try:
            self._http = _Listener((LOCAL, port), _handler(name, lambda: self.generator, self._is_ready, log))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"port {port} cannot be listened on: {reason}", "Choose another one: --port"
            ) from error
        self.generator = Generator(self.provider, LRUPromptCache(SETTINGS["prompt_cache_size"]))
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def _is_ready(self) -> bool:
        return self.provider.model is not None and self.generator.is_healthy

    def wait_until_loaded(self, stop: threading.Event) -> bool:
        """Whether the model is loaded; False when `stop` was set before. Raises UserError when it cannot be."""
        while not self.provider.settled.wait(0.1):
            if stop.is_set():
                return False
        error = self.provider.failure
        if error is None:
            return True
        if isinstance(error, UserError):
            raise error
        known = explain(error)
        if known is not None:
            raise UserError(known.message, known.hint) from error
        if isinstance(error, OSError):
            raise UserError(
                f"{self.provider.folder} cannot be read: {error}", "Is the model whole?"
            ) from error
        raise error

    def check(self) -> None:
        """Raises UserError when it will not answer any more."""
        if not self.generator.is_healthy:
            raise UserError("the model stopped answering", "Its last words are above; start it again.")

    def close(self, grace: float) -> None:
        """Stop answering; what is being generated is given up, within `grace` seconds where possible."""
        self._http.shutdown()
        self._http.server_close()
        stopping = threading.Thread(target=self.generator.stop_and_join, daemon=True)
        stopping.start()
        stopping.join(grace)


def _handler(name: str, generator: Callable[[], Any], is_ready: Callable[[], bool], log: Log | None) -> Any:
    """The handler class for one model."""

    class Handler(mlx_server.APIHandler):
        timeout = SLOW

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(generator(), *args, **kwargs)

        def log_message(self, format: str, *args: Any) -> None:
            """What was asked and answered; never what was said."""
            sys.stderr.write(f"{format % args}\n".replace('"', ""))

        def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
            try:
                check_sender(self.headers.get("Host"), self.headers.get("Origin"))
                self._answer(HTTPStatus.OK, self._get(self.path.partition("?")[0].rstrip("/")))
            except Refused as error:
                self._refuse(error)

        def _get(self, path: str) -> dict[str, Any]:
            ours = {"id": name, "object": "model", "created": self.created, "owned_by": "tunewright"}
            if path == "/v1/models":
                return {"object": "list", "data": [ours]}
            if path == f"/v1/models/{name}":
                return ours
            if path == "/health":
                if not is_ready():
                    raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "loading", "the model is not loaded")
                return {"status": "ok"}
            raise Refused(HTTPStatus.NOT_FOUND, "not_found", f"there is nothing at {path}")

        def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
            try:
                check_sender(self.headers.get("Host"), self.headers.get("Origin"))
                if self.path not in COMPLETIONS:
                    raise Refused(HTTPStatus.NOT_FOUND, "not_found", f"there is nothing at {self.path}")
                body = parse_request(self._read())
                check_request(body, name)
                if not is_ready():
                    raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "loading", "the model is not loaded")
            except Refused as error:
                self._refuse(error)
                return
            # mlx-lm reads the body itself, and stumbles over options without this one.
            if body.get("stream_options") is not None:
                body["stream_options"].setdefault("include_usage", False)
            data = json.dumps(body).encode()
            self.headers.replace_header("Content-Length", str(len(data)))
            self.rfile = BytesIO(data)
            self._choices: list[dict[str, Any]] = []
            super().do_POST()
            if log is not None and (row := served_row(body, self._choices, name, now())):
                log(row)

        def generate_response(self, *args: Any, **named: Any) -> dict[str, Any]:
            packet = super().generate_response(*args, **named)
            if log is not None:
                self._choices += packet["choices"]
            return packet

        def do_OPTIONS(self) -> None:  # noqa: N802 - http.server calls it so
            self._refuse(Refused(HTTPStatus.FORBIDDEN, "forbidden", "pages of other sites are not answered"))

        def _read(self) -> bytes:
            text = self.headers.get("Content-Length") or ""
            if not (text.isascii() and text.isdigit()):
                raise Refused(HTTPStatus.LENGTH_REQUIRED, "invalid_request", "Content-Length is required")
            if int(text) > LARGEST:
                raise Refused(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "invalid_request", f"more than {LARGEST >> 20} MiB"
                )
            return self.rfile.read(int(text))

        def _refuse(self, error: Refused) -> None:
            value = {"message": str(error), "type": "invalid_request_error", "code": error.code}
            self._answer(error.status, {"error": value})

        def _answer(self, status: int, value: dict[str, Any]) -> None:
            data = json.dumps(value, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
