"""A look-alike of the model hub on loopback: a repository, its files with ranges, and what a hub may do wrong."""

import hashlib
import http.server
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "somebody/a-model"
LARGE = 1000  # bytes from which Git LFS holds a file


def model_files(weights: int = 300_000) -> dict[str, bytes]:
    """The files of a repository with a model, and some that must stay there."""
    return {
        "config.json": b'{"model_type": "llama"}',
        "model.safetensors": bytes(number * 7 % 251 for number in range(weights)),
        "tokenizer.json": b'{"model": {}}',
        "tokenizer_config.json": b"{}",
        "README.md": b"# A model",
        "modeling_custom.py": b"raise SystemExit('this must never run')",
        "pytorch_model.bin": b"\x80\x04pickle",
        "training_args.bin": b"\x80\x04pickle",
    }


@dataclass
class Hub:
    """What it holds, and what it does wrong. `requests` keeps each request as `METHOD path [range]`."""

    files: dict[str, bytes] = field(default_factory=model_files)
    commit: str = COMMIT
    address: str = ""
    status: int = 0  # instead of every answer
    error_code: str = ""  # the header in which a hub says what is wrong
    served: dict[str, bytes] = field(default_factory=dict[str, bytes])  # contents other than those listed
    listed: list[dict[str, Any]] = field(
        default_factory=list[dict[str, Any]]
    )  # entries on top of those of `files`
    cuts: list[int] = field(default_factory=list[int])  # after so many bytes the next answers are cut
    ranges: bool = True
    requests: list[str] = field(default_factory=list[str])
    reached: threading.Event = field(default_factory=threading.Event)  # set when an answer was cut or held
    hold: threading.Event | None = None  # an answer stops in its middle until this is set

    def tree(self) -> list[dict[str, Any]]:
        return [entry(name, data) for name, data in self.files.items()] + self.listed

    def bytes_sent(self, name: str) -> list[str]:
        """The ranges that were asked of a file."""
        return [request.partition(" ")[2] for request in self.requests if f"/{name}" in request]


def entry(name: str, data: bytes) -> dict[str, Any]:
    """A file as the hub lists it."""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    found: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": blob}
    if len(data) > LARGE:
        found["lfs"] = {"size": len(data), "oid": hashlib.sha256(data).hexdigest(), "pointerSize": 130}
    return found


@contextmanager
def open_hub() -> Generator[Hub]:
    """A hub that answers until the block ends."""
    hub = Hub()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            wanted = self.headers.get("Range", "")
            hub.requests.append(f"{self.command} {path} {wanted}".strip())
            if hub.status:
                self._send(hub.status, b"{}", {"X-Error-Code": hub.error_code} if hub.error_code else {})
            elif path in (f"/api/models/{REPOSITORY}", f"/api/models/{REPOSITORY}/revision/{hub.commit}"):
                self._send(200, json.dumps({"id": REPOSITORY, "sha": hub.commit}).encode())
            elif path == f"/api/models/{REPOSITORY}/tree/{hub.commit}":
                self._send(200, json.dumps(hub.tree()).encode())
            elif path.startswith(f"/{REPOSITORY}/resolve/{hub.commit}/"):
                self._send_file(path.rsplit("/", 1)[1], wanted)
            else:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def _send_file(self, name: str, wanted: str) -> None:
            data = hub.served.get(name, hub.files.get(name))
            if data is None:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted and hub.ranges else 0
            if start and start >= len(data):
                self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers = {"ETag": f'"{entry(name, data)["oid"]}"', "X-Repo-Commit": hub.commit}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._send(206 if start else 200, data[start:], headers)

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.cuts and len(body) > hub.cuts[0]:
                self.wfile.write(body[: hub.cuts.pop(0)])
                self.wfile.flush()
                hub.reached.set()
                if hub.hold:
                    hub.hold.wait(60)
                self.close_connection = True
                return
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
