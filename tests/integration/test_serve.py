"""A real model behind the endpoint, on this machine and through a real SSH server."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any

import pytest

from tests.support.commands import wait
from tests.support.faults import faulty_proxy
from tests.support.ssh_files import SshClient, TestServer
from tunewright.contract.errors import HostError, UserError
from tunewright.remote.connection import open_connection
from tunewright.remote.host import open_host
from tunewright.remote.process import FAREWELL
from tunewright.remote.serving import Served, serve_model
from tunewright.remote.tunnel import Tunnel, listen_on
from tunewright.train.tiny import model_folder

NAME = "20261123-093000-tiny-0a1b2c3d"
ASKED = {"messages": [{"role": "user", "content": "Where is Cache defined?"}], "max_tokens": 8}


def ask(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Status and JSON of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


class Running:
    """The server's process, spoken to as whoever started it would."""

    def __init__(self, *flags: str, name: str = NAME, model: Path | None = None) -> None:
        command = [sys.executable, "-m", "tunewright.train.serve", "--model", str(model or model_folder())]
        self.process = subprocess.Popen(
            [*command, "--name", name, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.answer: dict[str, Any] = json.loads(self.process.stdout.readline() or b"{}")

    @property
    def port(self) -> int:
        return int(self.answer["port"])

    def end(self) -> int:
        """Let go of its standard input; its exit code."""
        self.process.communicate(timeout=15)
        return self.process.returncode


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    running = Running("--patience", "0")
    yield running
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(15) == 0
    running.end()


def test_a_completion_comes_back_under_the_runs_name(server: Running) -> None:
    status, answer = ask(server.port, "POST", "/v1/chat/completions", {"model": NAME, **ASKED})
    assert status == 200
    assert answer["model"] == NAME
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] <= 8


def test_streaming_works_too(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(
        "POST",
        "/v1/chat/completions",
        json.dumps({"model": NAME, "stream": True, "stream_options": {}, **ASKED}).encode(),
    )
    lines = connection.getresponse().read().decode().strip().splitlines()
    connection.close()
    assert lines[-1] == "data: [DONE]"
    assert any("content" in line for line in lines)


def test_only_the_served_model_is_listed(server: Running) -> None:
    status, answer = ask(server.port, "GET", "/v1/models")
    assert status == 200
    assert [model["id"] for model in answer["data"]] == [NAME]
    assert ask(server.port, "GET", f"/v1/models/{NAME}")[1]["id"] == NAME
    assert ask(server.port, "GET", "/v1/models/other")[0] == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "Qwen/Qwen3-0.6B"}, 404, "model_not_found"),
        ({"model": "default_model"}, 404, "model_not_found"),
        ({"model": str(model_folder())}, 404, "model_not_found"),
        ({"model": ["a"]}, 404, "model_not_found"),
        ({"model": None}, 400, "model_missing"),
        ({"adapters": "/tmp/adapters"}, 400, "invalid_request"),
        ({"draft_model": "Qwen/Qwen3-0.6B"}, 400, "invalid_request"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            400,
            None,
        ),
        ({"messages": "hello"}, 400, "invalid_request"),
        ({"messages": [1]}, 400, "invalid_request"),
        ({"max_tokens": -1}, 400, None),
        ({"stream_options": 3}, 400, "invalid_request"),
    ],
)
def test_a_request_for_anything_else_is_refused(
    server: Running, change: dict[str, Any], status: int, code: str | None
) -> None:
    found, answer = ask(server.port, "POST", "/v1/chat/completions", {"model": NAME, **ASKED, **change})
    assert found == status
    assert answer["error"]
    if code:
        assert answer["error"]["code"] == code


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_garbage_is_refused_and_the_next_request_answered(server: Running, body: bytes) -> None:
    assert ask(server.port, "POST", "/v1/chat/completions", body)[0] == 400
    assert ask(server.port, "GET", "/health") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Host": "example.org"},
        {"Host": "example.org:80"},
    ],
)
def test_pages_of_other_sites_are_not_answered(server: Running, headers: dict[str, str]) -> None:
    body = {"model": NAME, **ASKED}
    assert ask(server.port, "POST", "/v1/chat/completions", body, headers)[0] == 403
    assert ask(server.port, "GET", "/v1/models", None, headers)[0] == 403


def test_several_requests_at_once_are_all_answered(server: Running) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as pool:
        body = {"model": NAME, **ASKED}
        sent = [pool.submit(ask, server.port, "POST", "/v1/chat/completions", body) for _ in range(6)]
        answers = [future.result() for future in sent]
    assert {status for status, _ in answers} == {200}
    assert len({answer["choices"][0]["message"]["content"] for _, answer in answers}) == 1


def test_it_listens_on_loopback_alone(server: Running) -> None:
    listening = Path("/proc/net/tcp")
    if not listening.exists():
        pytest.skip("no /proc/net/tcp here")
    at = [line.split()[1] for line in listening.read_text().splitlines()[1:]]
    assert {address for address in at if address.endswith(f":{server.port:04X}")} == {
        f"0100007F:{server.port:04X}"
    }


def test_silence_ends_it_as_a_cut_connection_would() -> None:
    running = Running("--patience", "0.2")
    assert running.process.wait(30) == 0
    running.end()


def test_what_is_no_model_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    running = Running(model=tmp_path)
    assert "error" in running.answer
    assert running.answer["hint"]
    assert running.end() == 2


def test_on_this_machine_it_ends_with_the_block(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        open_host("local", tmp_path) as host,
        serve_model(host, sys.executable, PurePosixPath(model_folder()), NAME, 0, said.append) as served,
    ):
        port = port_of(served)
        assert ask(port, "POST", "/v1/chat/completions", {"model": NAME, **ASKED})[0] == 200
        began = time.monotonic()
    assert time.monotonic() - began < FAREWELL  # by itself, not by force
    assert any("loaded" in line for line in said)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def port_of(served: Served) -> int:
    return int(served.url.rpartition(":")[2].partition("/")[0])


def processes_of(name: str) -> list[str]:
    done = subprocess.run(
        ["pgrep", "-f", f"serve .*--name {name}"], capture_output=True, text=True, check=False
    )
    return done.stdout.split()


def stream(port: int, body: dict[str, Any]) -> str:
    """The text of a streamed answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}).encode())
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events)


def test_a_log_gets_each_chat_request_with_its_answer_and_no_secret(tmp_path: Path) -> None:
    rows: list[Any] = []
    said: list[str] = []
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    body = {"model": NAME, **ASKED, "tools": tools, "user": "secret-user"}
    path = "/v1/chat/completions"
    with open_host("local", tmp_path) as host:
        model = PurePosixPath(model_folder())
        with serve_model(host, sys.executable, model, NAME, 0, said.append, log=True) as served:
            port = port_of(served)
            _, answer = ask(port, "POST", path, body, {"Authorization": "Bearer secret-key"})
            text = stream(port, {"model": NAME, **ASKED, "messages": [{"role": "user", "content": "Hello"}]})
            assert ask(port, "POST", path, {**body, "model": "other"})[0] == 404
            assert (
                ask(port, "POST", "/v1/completions", {"model": NAME, "prompt": "a", "max_tokens": 2})[0]
                == 200
            )

            def collect() -> None:
                with pytest.raises(HostError):
                    served.wait(rows.append)

            waiting = Thread(target=collect)
            waiting.start()
            ask(port, "POST", path, body)
            deadline = time.monotonic() + 20
            while len(rows) < 3 and time.monotonic() < deadline:
                time.sleep(0.02)
        waiting.join(20)
    assert [row["messages"][-1]["content"] for row in rows] == [
        answer["choices"][0]["message"]["content"],
        text,
        answer["choices"][0]["message"]["content"],
    ]
    assert text
    assert rows[0]["messages"][:-1] == ASKED["messages"]
    assert rows[0]["tools"] == tools
    assert rows[0]["meta"]["model"] == NAME
    assert rows[0]["meta"]["finish"] in ("stop", "length")
    assert "secret" not in json.dumps(rows) + "".join(said)


def test_without_a_log_nothing_is_handed_over() -> None:
    running = Running()
    assert ask(running.port, "POST", "/v1/chat/completions", {"model": NAME, **ASKED})[0] == 200
    assert running.process.communicate(timeout=15)[0] == b""


@pytest.mark.sshd
def test_over_ssh_it_answers_here_and_ends_there_when_the_connection_breaks(
    ssh: SshClient, openssh: TestServer, tmp_path: Path
) -> None:
    unique = f"cut-{uuid.uuid4().hex}"
    with faulty_proxy(openssh.port) as proxy:
        name = ssh.add("mac", openssh, port=proxy.port)
        with (
            open_host(name, tmp_path) as host,
            serve_model(
                host, sys.executable, PurePosixPath(model_folder()), unique, 0, print, log=True
            ) as served,
        ):
            port = port_of(served)
            assert ask(port, "POST", "/v1/chat/completions", {"model": unique, **ASKED})[0] == 200
            assert ask(port, "POST", "/v1/chat/completions", {"model": "other", **ASKED})[0] == 404
            assert processes_of(unique)
            lines = served.process._lines  # pyright: ignore[reportPrivateUsage]
            wait(lambda: not lines.empty())  # the log's row comes after the client's answer
            proxy.cut_now()
            began = time.monotonic()
            rows: list[Any] = []
            with pytest.raises(HostError, match="ended, or the connection to it broke"):
                served.wait(rows.append)
            assert [row["messages"][0] for row in rows] == ASKED["messages"]
            assert time.monotonic() - began < 5
    deadline = time.monotonic() + 15
    while processes_of(unique) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of(unique)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_a_host_that_forbids_tunnels_is_said_so(
    ssh: SshClient, asyncssh_server: TestServer, tmp_path: Path
) -> None:
    link = open_connection(ssh.add("mac", asyncssh_server))
    listener = listen_on(0)
    try:
        with pytest.raises(HostError, match="opens no tunnel") as error:
            Tunnel(listener, link.transport, 9)
        assert "AllowTcpForwarding" in error.value.hint
    finally:
        listener.close()
        link.close()


def test_a_taken_port_is_the_users_mistake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(UserError, match="cannot be listened on") as error:
            listen_on(taken.getsockname()[1])
        assert "--port" in error.value.hint
    with pytest.raises(UserError, match="cannot be listened on"):
        listen_on(70_000)


def test_an_environment_that_is_gone_is_said_so(tmp_path: Path) -> None:
    with (
        open_host("local", tmp_path) as host,
        pytest.raises(HostError, match="cannot be started"),
        serve_model(host, "/nowhere/python", PurePosixPath(model_folder()), NAME, 0, print),
    ):
        pass
