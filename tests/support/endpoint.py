"""A look-alike of an OpenAI-compatible endpoint on loopback: a real HTTP server, well behaved and not."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]
# What a server may do instead of answering.
RESET: Reply = (-1, {}, b"")  # the connection is reset
HALF: Reply = (-2, {}, b"")  # half an answer, then the connection closes
STALL: Reply = (-3, {}, b"")  # nothing comes
DRIP: Reply = (-4, {}, b"")  # a byte now and then, without an end


def completion(text: Any, model: str = "ours", **message: Any) -> dict[str, Any]:
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


def echo(body: dict[str, Any]) -> Reply:
    """A good answer."""
    return ok(completion(f"answer to {body['messages'][-1]['content']}", body["model"]))


class LookAlike:
    """Answers with what `behave` says for a request's body; keeps what it was asked."""

    def __init__(self) -> None:
        self.behave: Callable[[dict[str, Any]], Reply] = echo
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, dict(self.headers), body))
                status, headers, data = reply = server.behave(body)
                if reply == RESET:
                    # Closing with unsent data and no lingering sends a reset.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                if reply == STALL:
                    server.over.wait(60)
                    return
                if reply in (HALF, DRIP):
                    whole = json.dumps(completion("half")).encode()
                    status, headers, data = 200, {"Content-Length": str(len(whole))}, whole[: len(whole) // 2]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if reply == DRIP:
                    for byte in data:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        if server.over.wait(0.05):
                            return
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Http(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that has gone, or that we reset."""

        self.http = Http(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self.http.shutdown()
        self.http.server_close()


@contextmanager
def look_alike() -> Generator[LookAlike]:
    server = LookAlike()
    try:
        yield server
    finally:
        server.close()
