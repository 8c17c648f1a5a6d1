"""`data.rehearse` from its flags to the report: the base answers, the answers are merged and trained on, and what was lost
is measured on those that were held out."""

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import front
from tests.support.conversations import conversation
from tests.support.endpoint import LookAlike, completion, look_alike, ok
from tunewright.cli.rehearsing import REHEARSALS
from tunewright.contract.atomic import sha256_file, write_jsonl
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder, RunSpec
from tunewright.eval.report import write_report
from tunewright.eval.run_scores import score_run

THINGS = (
    *(
        "tuple",
        "set",
        "generator",
        "decorator",
        "lambda",
        "module",
        "closure",
        "mutex",
        "queue",
        "stack",
        "thread",
    ),
    *(
        "protocol",
        "dataclass",
        "coroutine",
        "package",
        "process",
        "hash table",
        "binary tree",
        "transaction",
        "cache",
    ),
)


@pytest.fixture(autouse=True)
def _clean() -> Generator[None]:
    before = set(REHEARSALS.glob("*"))
    yield
    for folder in set(REHEARSALS.glob("*")) - before:
        for path in folder.glob("*"):
            path.unlink()
        folder.rmdir()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "data" / "train.jsonl", (conversation(n).row() for n in range(40)))
    write_jsonl(tmp_path / "data" / "valid.jsonl", (conversation(n).row() for n in range(40, 48)))
    return tmp_path / "data"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"What is a {thing}?\n" for thing in THINGS), encoding="utf-8")
    return path


@pytest.fixture
def served() -> Generator[LookAlike]:
    with look_alike() as server:
        yield server


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


RECIPE: dict[str, Any] = {
    "schema": 1,
    "name": "rehearsed",
    "model": {"base": "embedded:tiny", "dtype": "float32"},
    "train": {
        "steps": 60,
        "batch_size": 2,
        "learning_rate": 5e-3,
        "warmup": 2,
        "max_seq_length": 256,
        "rank": 8,
        "scale": 4.0,
        "layers": -1,
        "checkpoint_every": 60,
        "validate_every": 30,
    },
    "predict": {"models": ["base", "quantized"], "max_tokens": 8},
    "suites": [{"path": "suites/small.jsonl"}],
}


def trained_on(data: Path, root: Path) -> RunFolder:
    """A run of the worker to its end on these splits."""
    made = RunFolder(root / "runs" / data.name)
    for path in data.glob("*.jsonl"):
        write_jsonl(made.data / path.name, rows_of(path))
    case = {"id": "1", "category": "c", "messages": [{"role": "user", "content": "Where is name_99?"}]}
    write_jsonl(made.suites / "small.jsonl", [case])
    made.write_spec(
        RunSpec(
            id=data.name,
            created="2026-11-23T00:00:00+00:00",
            recipe=Recipe.model_validate(RECIPE),
            data={path.stem: sha256_file(path) for path in made.data.glob("*.jsonl")},
            suites={"small": sha256_file(made.suites / "small.jsonl")},
            environment="",
        )
    )
    worker = [sys.executable, "-m", "tunewright.train.worker", "run", "--run", str(made.path)]
    done = subprocess.run(worker, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def forgetting(made: RunFolder) -> dict[str, Any]:
    return json.loads((made.stage("fidelity") / "manifest.json").read_text())["facts"]["forgetting"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_tiny_model_said_is_rehearsed_and_forgotten_less(
    data: Path, prompts: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    flags = ["--prompts", str(prompts), "--model", "embedded:tiny", "--max-tokens", "60"]
    done = front("data.rehearse", "--data", str(data), "--out", str(own), *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = {split: rows_of(own / f"{split}.jsonl") for split in ("train", "test")}
    for row in kept["train"] + kept["test"]:
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
        assert row["messages"][0]["content"] == "You help."
        assert row["meta"]["answered_by"] == "embedded:tiny"
    asked = {split: {row["messages"][1]["content"] for row in rows} for split, rows in kept.items()}
    assert asked["test"]
    assert not asked["train"] & asked["test"]
    facts = json.loads((own / "dataset.json").read_text())["facts"]["rehearsal"]
    assert facts["asked"] == len(THINGS) == sum(map(len, kept.values())) + sum(facts["rejected"].values())
    assert len(rows_of(own / "rejected.jsonl")) == sum(facts["rejected"].values())

    both = tmp_path / "both"
    merged = front(
        "data.merge", "--data", str(data), "--data", str(own), "--out", str(both), "--balance", "none"
    )
    assert merged.returncode == 0, merged.stderr
    assert {row["messages"][1]["content"] for row in rows_of(both / "test.jsonl")} == asked["test"]

    # The same held-out answers, without training on the others.
    write_jsonl(data / "test.jsonl", rows_of(own / "test.jsonl"))
    made, without = trained_on(both, tmp_path), trained_on(data, tmp_path)
    found, lost = forgetting(made), forgetting(without)
    assert found["rows"] == len(kept["test"])
    assert found["answered_by"] == ["embedded:tiny"]
    assert found["before"] == lost["before"] < 3  # a model is not surprised by what it said itself
    assert found["after"] < lost["after"]
    page, summary = write_report(made, score_run(made))
    for shown in (page, summary):
        assert f"{found['before']:.2f}" in shown.read_text(encoding="utf-8")
    assert f"{found['after']:.2f} after, {found['delivered']:.2f} as delivered" in summary.read_text(
        encoding="utf-8"
    )


def test_an_endpoint_answers_once_and_what_failed_is_asked_again(
    data: Path, prompts: Path, served: LookAlike, tmp_path: Path
) -> None:
    texts = {
        f"What is a {thing}?": f"A {thing} is the {n}th word of this list." for n, thing in enumerate(THINGS)
    }
    down = "What is a mutex?"

    def behave(body: dict[str, Any]) -> Any:
        asked = body["messages"][-1]["content"]
        if asked == down:
            return 400, {}, b'{"error": {"message": "not now"}}'
        return ok(completion("Look." * 30 if asked == "What is a set?" else texts[asked], "base"))

    served.behave = behave
    flags = ["--prompts", str(prompts), "--endpoint", served.url, "--name", "base", "--json", "-"]
    first = front("data.rehearse", "--data", str(data), "--out", str(tmp_path / "own"), *flags)
    assert first.returncode == 0, first.stdout + first.stderr
    value = json.loads(first.stdout)
    assert value["rejected"] == {"degenerate": 1, "not answered": 1}
    assert value["splits"]["train"] + value["splits"]["test"] == len(THINGS) - 2
    assert all(body["messages"][0]["content"] == "You help." for _, _, body in served.asked)
    # Nothing finished is asked again; for another folder only what got no answer is.
    before = len(served.asked)
    again = front("data.rehearse", "--data", str(data), "--out", str(tmp_path / "own"), *flags)
    assert json.loads(again.stdout) == value
    assert len(served.asked) == before
    down = ""
    third = front("data.rehearse", "--data", str(data), "--out", str(tmp_path / "other"), *flags)
    assert json.loads(third.stdout)["rejected"] == {"degenerate": 1}
    assert [body["messages"][-1]["content"] for _, _, body in served.asked[before:]] == ["What is a mutex?"]


def test_a_base_that_only_talks_nonsense_makes_no_dataset(
    data: Path, prompts: Path, served: LookAlike, tmp_path: Path
) -> None:
    served.behave = lambda body: ok(completion("of of of of of of", "base"))
    out = tmp_path / "own"
    flags = ["--prompts", str(prompts), "--endpoint", served.url, "--name", "base"]
    done = front("data.rehearse", "--data", str(data), "--out", str(out), *flags)
    assert done.returncode == 2, done.stdout
    assert "0 of 20 answers can be used" in done.stderr
    assert "degenerate" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "one of --model and --endpoint is needed"),
        (
            ["--model", "embedded:tiny", "--endpoint", "http://localhost:1/v1"],
            "one of --model and --endpoint",
        ),
        (["--model", "embedded:tiny", "--name", "x"], "--name belongs to --endpoint"),
        (["--model", "embedded:none"], "no embedded model 'none'"),
        (["--endpoint", "http://localhost:1/v1"], "which model of the endpoint?"),
        (["--model", "embedded:tiny", "--rows", "0"], "--rows 0 leaves nothing to ask"),
        (["--model", "embedded:tiny", "--prompts", "PROMPTS"], "prompts.jsonl:2: not a prompt"),
        (["--model", "embedded:tiny"], "no prompt to ask"),
    ],
)
def test_mistakes_are_told(flags: list[str], told: str, data: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "prompts.jsonl"
    wrong.write_text('{"prompt": "What is a list?"}\n{"text": "What is a set?"}\n', encoding="utf-8")
    flags = [str(wrong) if flag == "PROMPTS" else flag for flag in flags]
    done = front("data.rehearse", "--data", str(data), "--out", str(tmp_path / "own"), *flags)
    assert done.returncode == 2, done.stdout + done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "own").exists()
