"""`validate` from its flags to its exit code: against an endpoint, and with a model folder."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import front
from tests.support.endpoint import RESET, LookAlike, Reply, completion, look_alike, ok
from tests.support.gold import gold, suite
from tunewright.contract.suite import read_suite
from tunewright.eval.predictions import read_predictions
from tunewright.train.tiny import model_folder

ROOT = Path(__file__).parents[2]
VALIDATIONS = ROOT / ".tunewright" / "validations"


@pytest.fixture
def oracle() -> Iterator[LookAlike]:
    """An endpoint that knows every right answer of the navigation suite."""
    answers = {
        json.dumps([message.row() for message in case.messages]): gold("navigation")[case.id]
        for case in suite("navigation").cases
    }

    def behave(body: dict[str, Any]) -> Reply:
        if body["model"] != "oracle":
            return 404, {}, b'{"error": {"message": "no such model"}}'
        return ok(completion(answers[json.dumps(body["messages"])], "oracle"))

    with look_alike() as server:
        server.behave = behave
        yield server


def then(server: LookAlike, after: int, reply: Reply) -> None:
    """After so many good answers nothing but this."""
    plain, lock, left = server.behave, threading.Lock(), [after]

    def behave(body: dict[str, Any]) -> Reply:
        with lock:
            left[0] -= 1
            return plain(body) if left[0] >= 0 else reply

    server.behave = behave


def validate(*flags: str) -> "subprocess.CompletedProcess[str]":
    return front("validate", *flags)


FLAGS = ("--name", "oracle", "--suite", "navigation", "--subset", "quick")


def folder_of(done: "subprocess.CompletedProcess[str]") -> Path:
    return Path(done.stderr.rpartition("predictions ")[2].strip())


def test_an_endpoint_is_asked_and_scored(oracle: LookAlike) -> None:
    asked = (
        "--endpoint",
        oracle.url,
        *FLAGS,
        "--max-tokens",
        "77",
        "--temperature",
        "0.2",
        "--concurrency",
        "7",
    )
    command = [sys.executable, "-m", "tunewright.cli", "validate", *asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "100% of 60" in done.stdout
    folder = folder_of(done)
    assert len(read_predictions(folder / "navigation.jsonl")) == 60
    assert json.loads((folder / "scores" / "navigation.json").read_text())["model"] == "oracle"
    body = oracle.asked[0][2]
    assert (body["max_tokens"], body["temperature"]) == (77, 0.2)
    assert "warning" not in done.stderr
    assert [case.id for case in read_suite(folder / "suites" / "navigation.jsonl").cases] == [
        case.id for case in suite("navigation").cases
    ]
    again = front("score", "--predictions", str(folder / "navigation.jsonl"))
    assert "100% of 60" in again.stdout, again.stderr
    shutil.rmtree(folder)


def test_an_id_that_the_endpoint_does_not_know_is_wrong_usage(oracle: LookAlike) -> None:
    before = set(VALIDATIONS.glob("*"))
    done = validate("--endpoint", oracle.url, "--name", "someone-else", "--suite", "navigation")
    assert done.returncode == 2
    assert "no such model" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in set(VALIDATIONS.glob("*")) - before if "someone-else" in path.name]


def test_a_case_without_an_answer_is_wrong_and_can_be_asked_again(oracle: LookAlike) -> None:
    plain = oracle.behave
    bad = suite("navigation").cases[7]
    oracle.behave = lambda body: (
        (400, {}, b'"too long"')
        if body["messages"][-1]["content"] == bad.messages[-1].content
        else plain(body)
    )
    done = validate("--endpoint", oracle.url, *FLAGS)
    assert done.returncode == 0, done.stderr
    assert "98% of 60" in done.stdout
    assert "1 of 60 cases of navigation got no answer and count as wrong" in done.stderr
    scores = json.loads((folder_of(done) / "scores" / "navigation.json").read_text())
    (wrong,) = [case for case in scores["cases"] if not case["passed"]]
    assert wrong["case"] == bad.id
    assert wrong["reasons"] == ["the endpoint gave no answer: 400 too long"]
    oracle.behave, asked = plain, len(oracle.asked)
    again = validate("--resume", folder_of(done).name)
    assert "100% of 60" in again.stdout, again.stderr
    assert len(oracle.asked) - asked == 1
    shutil.rmtree(folder_of(done))


def test_a_server_that_dies_gives_no_score_and_the_rest_is_asked_later(oracle: LookAlike) -> None:
    plain = oracle.behave
    then(oracle, 25, RESET)
    done = validate("--endpoint", oracle.url, *FLAGS, "--timeout", "5")
    assert done.returncode == 4
    assert done.stdout == ""
    assert "25 of 60 cases are answered and kept" in done.stderr
    name = done.stderr.strip().rpartition("--resume ")[2]
    oracle.behave, asked = plain, len(oracle.asked)
    again = validate("--resume", name)
    assert again.returncode == 0, again.stderr
    assert "100% of 60" in again.stdout
    # Each once by its text: a request of the first command may reach the server after that command has ended.
    assert len({body["messages"][-1]["content"] for _, _, body in oracle.asked[asked:]}) == 35
    shutil.rmtree(folder_of(again))


def test_sixty_empty_answers_are_a_warning(oracle: LookAlike) -> None:
    oracle.behave = lambda body: ok(completion(None, "oracle", reasoning_content="hm"))
    done = validate("--endpoint", oracle.url, *FLAGS)
    assert "60 of 60 answers of navigation are empty; 60 of them hold thoughts alone" in done.stderr
    shutil.rmtree(folder_of(done))


def test_a_model_that_never_loads_gives_no_score(oracle: LookAlike) -> None:
    oracle.behave = lambda body: (503, {}, b'{"error": {"message": "loading"}}')
    done = validate("--endpoint", oracle.url, *FLAGS, "--timeout", "2")
    assert done.returncode == 4
    assert done.stdout == ""
    assert "loading" in done.stderr


def test_a_validation_is_scored_again_exported_and_compared(oracle: LookAlike, tmp_path: Path) -> None:
    good = folder_of(validate("--endpoint", oracle.url, *FLAGS))
    plain = oracle.behave
    turn = count()  # several requests arrive at once: how many have been asked says nothing about this one
    oracle.behave = lambda body: ok(completion("no idea", "oracle")) if next(turn) % 2 else plain(body)
    bad = folder_of(validate("--endpoint", oracle.url, *FLAGS))
    logs = tmp_path / "logs"
    again = front("score", "--run", good.name, "--inspect-logs", str(logs), "--json", "-")
    assert json.loads(again.stdout)["scores"]["oracle"]["navigation"]["metrics"]["overall"]["k"] == 60
    (log,) = logs.glob("*.eval")
    for a in (good.name, str(log), str(good / "navigation.jsonl")):
        worse = front("compare", "--a", a, "--b", str(bad))
        assert worse.returncode == 1, worse.stderr
        assert "b is WORSE" in worse.stdout
        assert "60 cases" in worse.stdout
        assert "show a difference of" in worse.stdout
    same = front("compare", "--a", good.name, "--b", str(log))
    assert same.returncode == 3, same.stderr
    kept = log.read_bytes()
    assert front("compare", "--a", good.name, "--b", str(log), "--json", str(log)).returncode == 2
    assert log.read_bytes() == kept
    log.write_bytes(kept[:1000])
    torn = front("compare", "--a", good.name, "--b", str(log))
    assert torn.returncode == 2
    assert len(torn.stderr.strip().splitlines()) == 2
    for folder in (good, bad):
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--endpoint", "http://localhost:1/v1"),
        ("--endpoint", "http://localhost:1/v1", "--name", "a", "--model", "b"),
        ("--model", ".", "--name", "a"),
        ("--model", ".", "--samples", "0"),
        ("--model", ".", "--run", "latest"),
        ("--endpoint", "http://localhost:1/v1", "--name", "a", "--temperature", "warm"),
        ("--endpoint", "http://localhost:1/v1", "--name", "a", "--temperature", "0", "--samples", "2"),
        ("--endpoint", "http://localhost:1/v1", "--name", "a", "--concurrency", "0"),
        ("--endpoint", "http://localhost:99999/v1", "--name", "a"),
        ("--resume", "nowhere"),
        ("--resume", "latest", "--suite", "navigation"),
        ("--model", ".", "--subset", "slow"),
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
