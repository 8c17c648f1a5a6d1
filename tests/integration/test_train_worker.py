"""The worker as a process: detached, killed, cancelled, started twice, short of disk, and used again."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import end_worker
from tests.support.conversations import conversation
from tests.support.random_qwen3 import write_model
from tunewright.contract.atomic import sha256_file, write_jsonl
from tunewright.contract.manifest import damaged_files, read_manifest
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import FINAL_STATES, STAGES, RunFolder, RunSpec, Status
from tunewright.contract.suite import Prediction
from tunewright.train import detach
from tunewright.train.lock import is_held, read_owner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

RECIPE: dict[str, Any] = {
    "schema": 1,
    "name": "test",
    "seed": 3,
    "train": {
        "steps": 40,
        "batch_size": 4,
        "learning_rate": 5e-3,
        "warmup": 4,
        "max_seq_length": 256,
        "rank": 4,
        "scale": 2.0,
        "layers": -1,
        "checkpoint_every": 5,
        "validate_every": 10,
    },
    "quantize": {"bits": 5, "group_size": 64},
    "predict": {"models": ["base", "adapter", "fused", "quantized"], "max_tokens": 8},
    "suites": [{"path": "suites/small.jsonl"}],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


Make = Callable[..., RunFolder]


@pytest.fixture
def make(tmp_path: Path, model: Path) -> Generator[Make]:
    """Make a run's folder as a laptop ships it; kill its worker at the end."""
    runs: list[RunFolder] = []

    def new(name: str, root: Path = tmp_path, **train: Any) -> RunFolder:
        run = RunFolder(root / "runs" / name)
        root.mkdir(parents=True, exist_ok=True)
        (root / "host.toml").write_text("resumes = 0\n")
        values = RECIPE | {
            "model": {"base": str(model), "dtype": "float32"},
            "train": RECIPE["train"] | train,
        }
        for split, numbers in (("train", range(20)), ("valid", range(20, 26))):
            write_jsonl(run.data / f"{split}.jsonl", (conversation(number).row() for number in numbers))
        cases = [
            {"id": f"case-{n}", "category": "c", "messages": [{"role": "user", "content": f"Where is x{n}?"}]}
            for n in range(3)
        ]
        write_jsonl(run.suites / "small.jsonl", cases)
        data = {split: sha256_file(run.data / f"{split}.jsonl") for split in ("train", "valid")}
        suites = {"small": sha256_file(run.suites / "small.jsonl")}
        run.write_spec(
            RunSpec(
                id=name,
                created="2026-11-23T00:00:00+00:00",
                recipe=Recipe.model_validate(values),
                data=data,
                suites=suites,
                environment="",
            )
        )
        runs.append(run)
        return run

    yield new
    for run in runs:
        end_worker(run.path)


def worker(command: str, run: RunFolder, *flags: str, **options: Any) -> dict[str, Any]:
    """Run one command; its standard output must be one JSON line."""
    done = subprocess.run(
        [sys.executable, "-m", "tunewright.train.worker", command, "--run", str(run.path), *flags],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        **options,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return json.loads(lines[0]) | {"code": done.returncode}


def wait(run: RunFolder, until: Callable[[Status], bool], seconds: float = 200) -> Status:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = run.read_status()
        if status is not None and until(status):
            return status
        time.sleep(0.05)
    raise AssertionError(f"{run.read_status()}\n{run.log.read_text()[-3000:] if run.log.exists() else ''}")


def over(status: Status) -> bool:
    return status.state in FINAL_STATES


def kinds(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    return [{"stage": event.stage, **event.data} for event in run.read_events() if event.kind == kind]


def results(run: RunFolder) -> dict[str, Any]:
    """What a run made, without times: hashes of every stage's files, and the texts that were predicted."""
    made: dict[str, Any] = {}
    for stage in STAGES:
        manifest = read_manifest(run.stage(stage))
        assert manifest is not None, stage
        assert damaged_files(run.stage(stage), manifest) == []
        if stage == "predict":
            made[stage] = {
                name: [
                    Prediction.model_validate_json(line).text
                    for line in (run.predictions / name).read_text().splitlines()
                ]
                for name in sorted(manifest.files)
            }
        else:
            made[stage] = {name: entry.sha256 for name, entry in manifest.files.items()}
    return made


def test_a_killed_worker_is_told_lost_and_the_next_one_ends_as_if_nothing_had_happened(make: Make) -> None:
    whole = make("whole")
    started = worker("start", whole)
    assert started["state"] == "queued"
    again = worker("start", whole)
    assert again["state"] in ("queued", "running")
    assert wait(whole, over).state == "done"
    assert worker("status", whole)["state"] == "done"
    assert whole.log.read_text().count("--- worker started") == 1

    cut = make("cut", root=whole.path.parent.parent / "elsewhere")
    stop_at = random.Random(os.environ.get("PYTEST_CURRENT_TEST")).randrange(6, 39)
    worker("start", cut)
    wait(cut, lambda _: any(event["step"] >= stop_at for event in kinds(cut, "loss")))
    owner = read_owner(cut.path)
    assert owner is not None
    os.killpg(os.getpgid(owner.pid), signal.SIGKILL)
    wait(cut, lambda _: not is_held(cut.path), 10)
    with cut.events.open("ab") as file:
        file.write(b'{"seq": 99, "ti')
    lost = worker("status", cut)
    assert lost["state"] == "lost"
    assert lost["message"].startswith("the worker was killed")
    assert "checkpoint" in lost["hint"]

    worker("start", cut)
    assert wait(cut, over).state == "done"
    assert results(cut) == results(whole)
    events = cut.read_events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    begun = [event.seq for event in events if event.kind == "stage_start" and event.stage == "train"]
    assert len(begun) == 2
    repeated = [event.data["step"] for event in events if event.kind == "loss" and event.seq > begun[1]]
    assert min(repeated) > 5, "it went on from a checkpoint"


def test_one_process_and_two_make_the_same_bytes_also_when_one_goes_on_where_two_stopped(
    make: Make, tmp_path: Path
) -> None:
    def begin(name: str) -> RunFolder:
        return make(name, root=tmp_path / name, steps=40, dropout=0.1, batch_size=3)

    def environment(ranks: int) -> dict[str, str]:
        return {**os.environ, "TUNEWRIGHT_RANKS": str(ranks)}

    runs = {ranks: begin(f"ranks{ranks}") for ranks in (1, 2)}
    for ranks, run in runs.items():
        assert worker("run", run, env=environment(ranks))["state"] == "done"
        assert kinds(run, "ranks") == [{"stage": "train", "processes": ranks}]
        assert kinds(run, "warning") == []
    assert results(runs[1]) == results(runs[2])

    cut = begin("cut")
    worker("start", cut, env=environment(2))
    wait(cut, lambda _: any(event["step"] >= 6 for event in kinds(cut, "loss")))
    owner = read_owner(cut.path)
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    wait(cut, lambda _: not is_held(cut.path), 30)
    assert worker("run", cut, env=environment(1))["state"] == "done"
    assert [event["processes"] for event in kinds(cut, "ranks")] == [2, 1]
    assert results(cut) == results(runs[1])


def test_a_second_process_that_is_killed_ends_the_run_with_a_reason_and_it_goes_on(make: Make) -> None:
    run = make("halved", steps=40)
    worker("start", run, env={**os.environ, "TUNEWRIGHT_RANKS": "2"})
    wait(run, lambda _: any(event["step"] >= 6 for event in kinds(run, "loss")))
    owner = read_owner(run.path)
    assert owner is not None
    listed = subprocess.run(
        ["pgrep", "-P", str(owner.pid), "-f", "train.ranks"], capture_output=True, text=True, check=True
    )
    (other,) = map(int, listed.stdout.split())
    os.kill(other, signal.SIGKILL)
    status = wait(run, over)
    assert status.state == "failed"
    assert "another training process of this run is gone" in status.message
    assert worker("run", run)["state"] == "done"


def test_a_cancelled_run_saves_where_it_is_and_goes_on_from_there(make: Make) -> None:
    run = make("cancelled", steps=120, checkpoint_every=1000, validate_every=60)
    worker("start", run)
    wait(run, lambda _: len(kinds(run, "loss")) >= 7)
    # In this process: another one might start so slowly that the training is over. Patient, as saving may be slow.
    assert detach.cancel(run, patience=120).state == "cancelled"
    assert not is_held(run.path)
    (saved,) = kinds(run, "checkpoint")
    assert 7 <= saved["step"] < 120
    assert worker("cancel", run)["state"] == "cancelled"
    worker("start", run)
    assert wait(run, over).state == "done"
    steps = [event["step"] for event in kinds(run, "loss")]
    assert steps == sorted(set(steps)), "no step was trained twice"


def test_finished_stages_are_used_again_by_sibling_runs_until_fresh_is_asked_for(make: Make) -> None:
    first = make("first", steps=6)
    assert worker("run", first)["state"] == "done"
    second = make("second", steps=6)
    assert worker("run", second)["state"] == "done"
    assert {event["stage"]: event["from"] for event in kinds(second, "stage_reused")} == dict.fromkeys(
        STAGES, "first"
    )
    assert results(second) == results(first)

    # Another quantization keeps what comes before it, and the base model's answers.
    spec = first.read_spec()
    third = make("third", steps=6)
    changed = spec.recipe.model_dump(by_alias=True) | {"quantize": {"bits": 8, "group_size": 64}}
    third.write_spec(spec.model_copy(update={"id": "third", "recipe": Recipe.model_validate(changed)}))
    assert worker("run", third)["state"] == "done"
    assert {event["stage"] for event in kinds(third, "stage_reused")} == {"train", "fuse"}
    base = [run.predictions / "base" / "small.jsonl" for run in (first, third)]
    assert base[0].read_bytes() == base[1].read_bytes()

    # A damaged output is not passed on.
    (first.stage("train") / "loss.json").write_text("{}")
    (second.stage("train") / "loss.json").unlink()
    (third.stage("train") / "loss.json").unlink()
    fourth = make("fourth", steps=6)
    assert worker("run", fourth)["state"] == "done"
    assert "train" not in {event["stage"] for event in kinds(fourth, "stage_reused")}

    assert worker("run", fourth, "--fresh")["state"] == "done"
    after = [event for event in fourth.read_events() if event.kind == "done"]
    assert len(after) == 2
    repeated = [event for event in fourth.read_events() if event.seq > after[0].seq]
    assert [event.stage for event in repeated if event.kind == "stage_end"] == list(STAGES)
    assert not any(event.kind == "stage_reused" for event in repeated)


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(make: Make) -> None:
    run = make("full", steps=6)

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))

    # Python 3.11 keeps bytecode that it could not write whole, and every later import of that module fails.
    failed = worker("run", run, preexec_fn=little_room, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert failed["state"] == "failed"
    assert "disk is full" in failed["message"]
    assert "Free some space" in failed["hint"]
    assert failed["code"] == 1
    assert worker("status", run)["message"] == failed["message"]
    assert worker("run", run)["state"] == "done"


def test_inputs_that_are_not_what_the_spec_names_are_refused_before_anything_is_done(make: Make) -> None:
    run = make("changed")
    with (run.data / "train.jsonl").open("ab") as file:
        file.write(b"\n")
    failed = worker("run", run)
    assert failed["state"] == "failed"
    assert "train.jsonl is not the file that the run's spec names" in failed["message"]
    assert not run.stage("train").exists()


def test_a_folder_that_is_no_run_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    answer = worker("start", RunFolder(tmp_path))
    assert answer["code"] == 2
    assert "is not a run" in answer["error"]


def test_a_restart_of_the_host_is_told(make: Make) -> None:
    run = make("rebooted")
    worker("start", run)
    wait(run, lambda status: status.stage == "train")
    owner = read_owner(run.path)
    assert owner is not None
    os.killpg(os.getpgid(owner.pid), signal.SIGKILL)
    wait(run, lambda _: not is_held(run.path), 10)
    (run.path / "worker.lock").write_text(owner.model_copy(update={"boot": "before"}).model_dump_json())
    assert "host was restarted" in worker("status", run)["message"]
    # A process that merely has the number of a worker of before the restart is never touched.
    bystander = subprocess.Popen(["sleep", "30"])
    try:
        other = owner.model_copy(update={"boot": "before", "pid": bystander.pid})
        (run.path / "worker.lock").write_text(other.model_dump_json())
        assert worker("cancel", run)["state"] == "cancelled"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_only_run_and_facts_import_mlx() -> None:
    code = (
        "import sys, tunewright.train.worker, tunewright.train.detach, tunewright.train.run_events; "
        "print([name for name in sys.modules if name.split('.')[0] in ('mlx', 'mlx_lm', 'numpy', 'transformers')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_facts_name_versions_and_device() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tunewright.train.worker", "facts"], capture_output=True, text=True, check=True
    )
    facts = json.loads(done.stdout)
    assert facts.keys() >= {"mlx", "mlx_lm", "python", "device", "memory", "blas"}
