"""Other words for requests: cached, and refused when anything the call needs is lost."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Reword
from tunewright.datagen.reword import Reworder

REQUEST = "Where is `run` defined? It stands at app.py:12."
VALUES = ("run", "app.py", "12")


class Endpoint(ThreadingHTTPServer):
    """An OpenAI-compatible API that gives one answer, or an error."""

    text: str | None = "Tell me where run, seen at app.py:12, is defined."
    asked: list[dict[str, Any]]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.asked.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
            good = server.text is not None
            self.send_response(200 if good else 500)
            self.end_headers()
            if good:
                self.wfile.write(json.dumps({"choices": [{"message": {"content": server.text}}]}).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = Endpoint(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def reworder(server: Endpoint, cache: Path, **more: Any) -> Reworder:
    return Reworder(Reword(endpoint=f"http://127.0.0.1:{server.server_port}/v1", model="m", **more), cache)


def test_a_faithful_wording_is_kept_and_asked_for_once(endpoint: Endpoint, tmp_path: Path) -> None:
    words = reworder(endpoint, tmp_path)
    assert words.reword(REQUEST, VALUES) == (endpoint.text, None)
    assert reworder(endpoint, tmp_path).reword(REQUEST, VALUES) == (endpoint.text, None)
    assert len(endpoint.asked) == 1
    assert endpoint.asked[0]["path"] == "/v1/chat/completions"
    assert endpoint.asked[0]["messages"][1]["content"] == REQUEST


def test_a_wording_that_lost_a_value_leaves_the_request_as_it_was(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.text = "Where is run, seen at app.py:120, defined?"
    assert reworder(endpoint, tmp_path).reword(REQUEST, VALUES) == (REQUEST, "the new wording lost a value")


def test_the_key_comes_from_the_environment(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "abc")
    reworder(endpoint, tmp_path, key_env="MY_KEY").reword(REQUEST, VALUES)
    assert endpoint.asked[0]["key"] == "Bearer abc"


def test_an_endpoint_that_keeps_failing_is_named(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.text = None
    words = reworder(endpoint, tmp_path)
    assert words.reword(REQUEST, VALUES) == (REQUEST, "the endpoint did not answer")
    words.reword(REQUEST + " ", VALUES)
    with pytest.raises(UserError, match=r"/v1/chat/completions failed 3 times"):
        words.reword(REQUEST + "  ", VALUES)
    assert not list(tmp_path.iterdir())


def test_an_endpoint_that_is_no_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not an address"):
        Reworder(Reword(endpoint="file:///etc/passwd", model="m"), tmp_path)
