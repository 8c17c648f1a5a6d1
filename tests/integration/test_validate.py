"""`validate` from its flags to its exit code: against an endpoint, and with a model folder."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.gold import gold, suite
from tunewright.eval.predictions import read_predictions
from tunewright.train.tiny import model_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def oracle() -> Iterator[str]:
    """An endpoint that knows every right answer of the navigation suite."""
    answers = {
        json.dumps([message.row() for message in case.messages]): gold("navigation")[case.id]
        for case in suite("navigation").cases
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = body["model"] == "oracle"
            text = answers[json.dumps(body["messages"])] if known else ""
            message = {"role": "assistant", "content": text}
            value: dict[str, Any] = (
                {"model": "oracle", "choices": [{"message": message, "finish_reason": "stop"}]}
                if known
                else {"error": {"message": "no such model"}}
            )
            data = json.dumps(value).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}/v1"
    http.shutdown()
    http.server_close()


def validate(*flags: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tunewright.cli", "validate", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_an_endpoint_is_asked_and_scored(oracle: str) -> None:
    done = validate("--endpoint", oracle, "--name", "oracle", "--suite", "navigation")
    assert done.returncode == 0, done.stderr
    assert "100% of 60" in done.stdout
    folder = Path(done.stderr.rpartition("predictions ")[2].strip())
    assert len(read_predictions(folder / "navigation.jsonl")) == 60
    assert json.loads((folder / "scores" / "navigation.json").read_text())["model"] == "oracle"
    shutil.rmtree(folder)


def test_an_id_that_the_endpoint_does_not_know_is_wrong_usage(oracle: str) -> None:
    done = validate("--endpoint", oracle, "--name", "someone-else", "--suite", "navigation")
    assert done.returncode == 2
    assert "no such model" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--endpoint", "http://localhost:1/v1"),
        ("--endpoint", "http://localhost:1/v1", "--name", "a", "--model", "b"),
        ("--model", ".", "--name", "a"),
        ("--model", ".", "--samples", "0"),
    ],
)
def test_flags_that_do_not_go_together_are_told_in_two_lines(flags: tuple[str, ...]) -> None:
    done = validate(*flags)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2


def predict(question: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "tunewright.train.predict_folder"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ},
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_a_model_folder_answers_every_case_in_samples(tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("".join((ROOT / "suites/navigation.jsonl").read_text().splitlines(keepends=True)[:3]))
    settings = {"max_tokens": 8, "samples": 2, "temperature": 0.7}
    question = {
        "model": str(model_folder()),
        "suites": [str(few)],
        "out": str(tmp_path / "out"),
        "settings": settings,
    }
    code, answer, said = predict(question)
    assert code == 0, said
    found = read_predictions(Path(answer["files"]["few"]))
    assert [(p.case, p.sample) for p in found] == [
        (case.id, sample) for case in suite("navigation").cases[:3] for sample in (0, 1)
    ]
    assert json.loads(said.strip().splitlines()[-1]) == {"suite": "few", "done": 6, "total": 6}


def test_what_is_no_model_is_told_in_words(tmp_path: Path) -> None:
    question = {"model": str(tmp_path), "suites": [], "out": str(tmp_path / "out")}
    code, answer, said = predict(question)
    assert code == 2
    assert "no model in" in answer["error"]
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
