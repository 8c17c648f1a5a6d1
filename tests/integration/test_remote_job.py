"""A run's life on every kind of host, with a worker that trains nothing."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.remote_runs import assert_whole, begin, make_run, on_host
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.run import RunFolder
from tunewright.remote import follow
from tunewright.remote.cleanup import plan_cleanup, remove_planned
from tunewright.remote.cleanup_plan import Choice
from tunewright.remote.host import Host
from tunewright.remote.job import (
    cancel_run,
    follow_run,
    go_on_with_earlier,
    list_runs,
    pull_run,
    resume_run,
    run_log,
    run_status,
    ship_run,
    start_run,
)

# For what the laptop decides by itself: which kind of host it talks to makes no difference.
HERE = pytest.mark.parametrize("host_name", ["local"], indirect=True)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL", 0.02)


def test_a_run_goes_from_shipping_to_pulling(host: Host, checkout: Path) -> None:
    run = begin(host, checkout)
    assert [event.seq for event in follow_run(host, run)] == list(range(1, len(run.read_events()) + 1))
    status = run.read_status()
    assert status is not None
    assert status.state == "done"
    pull_run(host, run, print)
    assert_whole(run, "train", "quantize", "fidelity", "predictions")
    assert run.events.read_bytes() == on_host(host, run, "events.jsonl")
    assert on_host(host, run, "inputs/data/train.jsonl") == (checkout / "data" / "train.jsonl").read_bytes()
    assert "data/train" in run.log.read_text()
    assert run_log(host, run, 2).count("\n") == 2
    assert run_status(host, run).state == "done"


@HERE
def test_models_stay_on_the_host_unless_the_recipe_wants_them(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=1, models=False)
    list(follow_run(host, run))
    pull_run(host, run, print)
    assert_whole(run, "train", "fidelity", "predictions")


def test_starting_twice_starts_once(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=20_000)
    start_run(host, run)
    start_run(host, run)
    assert run_status(host, run).state in ("queued", "running")
    assert on_host(host, run, "worker.log").count(b"worker started") == 1
    assert cancel_run(host, run).state == "cancelled"


def test_a_cancelled_run_can_go_on(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=3000)
    for event in follow_run(host, run):
        if event.kind == "progress":
            break
    assert cancel_run(host, run).state == "cancelled"
    assert [event.kind for event in follow_run(host, run)][-1] == "cancelled"
    pull_run(host, run, print)  # nothing is finished, and that is not an error
    assert_whole(run)
    resume_run(host, run)
    assert run_status(host, run).state in ("queued", "running")
    cancel_run(host, run)


def test_a_worker_that_was_killed_is_reported_as_lost_and_resumed(
    host: Host, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "SILENCE", 0.3)
    run = begin(host, checkout, steps=300)
    os.kill(json.loads(on_host(host, run, "worker.lock"))["pid"], signal.SIGKILL)
    list(follow_run(host, run))
    status = run.read_status()
    assert status is not None
    assert (status.state, status.message) == ("lost", "the worker was killed")
    resume_run(host, run)
    list(follow_run(host, run))
    pull_run(host, run, print)
    assert_whole(run, "train", "quantize", "fidelity", "predictions")


def test_a_run_that_was_never_started_says_how_to_start_it(host: Host, checkout: Path) -> None:
    run = make_run(host, checkout)
    with pytest.raises(HostError, match=r"is not a run|never started"):
        next(follow_run(host, run))
    ship_run(host, run, print)
    with pytest.raises(HostError, match="never started") as error:
        next(follow_run(host, run))
    assert "resume" in error.value.hint


def test_a_run_that_was_not_shipped_whole_says_resume_and_is_resumed(host: Host, checkout: Path) -> None:
    run = make_run(host, checkout, steps=1)
    for _ in range(2):
        found = run_status(host, run)
        assert found.state == "queued"
        assert "never started" in found.message
        assert found.hint == f"./inv resume --run {run.path.name}"
        assert not run.status.exists(), "so that `train` finds it again"
        ship_run(host, run, print)
    resume_run(host, run)
    list(follow_run(host, run))
    assert run_status(host, run).state == "done"
    # A host that lost a run does not unmake what is known of it.
    host.run(["rm", "-rf", str(host.root / "runs" / run.path.name)])
    gone = run_status(host, run)
    assert (gone.state, gone.message) == ("done", f"{host.name} does not have it any more")
    assert (run.read_status() or gone).message == ""


@HERE
def test_inputs_that_were_damaged_on_the_host_are_sent_again(host: Host, checkout: Path) -> None:
    run = make_run(host, checkout, steps=1)
    ship_run(host, run, print)
    said: list[str] = []
    ship_run(host, run, said.append)
    assert said == ["shipped to local: 3 files, 0.0 MB sent"]
    path = host.root / "runs" / run.path.name / "inputs" / "data" / "train.jsonl"
    right = b"".join(host.stream(path))
    host.run(["chmod", "u+w", str(path)])
    host.append(path, len(right) - 2, [b"x\n"])  # and with it the blob, which is the same file
    ship_run(host, run, said.append)
    assert b"".join(host.stream(path)) == right
    assert said[-1] == "shipped to local: 3 files, 0.2 MB sent"


@HERE
def test_a_run_that_was_never_started_is_gone_on_with(host: Host, checkout: Path) -> None:
    first = make_run(host, checkout, steps=1)
    other = make_run(host, checkout, steps=2)
    again = make_run(host, checkout, steps=1)
    assert go_on_with_earlier(again, print).path == first.path
    assert not again.path.exists()
    assert go_on_with_earlier(other, print).path == other.path
    (checkout / "data" / "valid.jsonl").write_bytes((checkout / "data" / "train.jsonl").read_bytes())
    changed = make_run(host, checkout, steps=1)
    assert go_on_with_earlier(changed, print).path == changed.path, "its data are others"
    ship_run(host, other, print)
    start_run(host, other)
    list(follow_run(host, other))
    twin = make_run(host, checkout, steps=2)
    assert go_on_with_earlier(twin, print).path == twin.path, "the earlier one was started"
    assert other.path.exists()


@HERE
def test_a_run_is_not_looked_for_on_another_host(host: Host, checkout: Path) -> None:
    run = make_run(host, checkout)
    record = json.loads((run.path / "host.json").read_text())
    (run.path / "host.json").write_text(json.dumps(record | {"name": "elsewhere"}))
    with pytest.raises(UserError, match="is on elsewhere"):
        ship_run(host, run, print)


def test_an_environment_that_is_gone_says_how_to_bring_it_back(host: Host, checkout: Path) -> None:
    run = make_run(host, checkout)
    ship_run(host, run, print)
    (checkout / ".fake" / "python").unlink()
    with pytest.raises(HostError, match=r"environment of run .* is gone") as error:
        start_run(host, run)
    assert "host.setup" in error.value.hint


def test_pulling_again_fetches_nothing_and_mends_what_was_damaged(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=1)
    list(follow_run(host, run))
    pull_run(host, run, print)
    said: list[str] = []
    pull_run(host, run, said.append)
    assert said == []
    (run.path / "train" / "adapters.safetensors").write_bytes(b"flipped")
    pull_run(host, run, said.append)
    assert len(said) == 1
    assert said[0].startswith("pulled train: 2 files, 0.4 MB")
    assert_whole(run, "train", "quantize", "fidelity", "predictions")


OUTSIDE = (
    "../../escaped",
    "/tmp/escaped",
    "a/../../escaped",
    "a//b",
    "back\\slash",
    "Adapters.safetensors",
    "new\nline",
    "",
)


def test_a_manifest_that_reaches_outside_writes_nothing(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=1)
    list(follow_run(host, run))
    path = host.root / "runs" / run.path.name / "train" / "manifest.json"
    manifest = json.loads(on_host(host, run, "train/manifest.json"))
    before = set(files_of(checkout))
    for name in OUTSIDE:
        files = manifest["files"] | {name: manifest["files"]["adapters.safetensors"]}
        host.append(path, 0, [json.dumps(manifest | {"files": files}).encode()])
        with pytest.raises(HostError, match="the host names"):
            pull_run(host, run, print)
        assert set(files_of(checkout)) - before <= {run.log}, name


def files_of(checkout: Path) -> list[Path]:
    """What is on the laptop; a local host's folder is the host's."""
    return [path for path in checkout.rglob("*") if ".tunewright" not in path.parts]


def test_old_runs_are_listed_before_they_are_removed(host: Host, checkout: Path) -> None:
    runs: list[RunFolder] = []
    for _ in range(3):
        run = begin(host, checkout, steps=1)
        list(follow_run(host, run))
        runs.append(run)
    first, second, third = sorted(runs, key=lambda run: run.path.name)
    pull_run(host, first, print)
    pull_run(host, third, print)
    running = begin(host, checkout, steps=30_000)
    assert [row.pulled for row in list_runs(checkout)].count(True) == 2
    assert list_runs(checkout, "nobody") == []

    plan = plan_cleanup(host, checkout, {}, Choice(keep=0), print)
    found = {item.id: item for item in plan.runs}
    assert [found[run.path.name].whole for run in (first, second, third)] == [True, False, True]
    assert not found[second.path.name].going
    assert found[running.path.name].stays in ("it is queued", "it is running")
    assert host.size(host.root / "runs" / first.path.name / "spec.json") is not None
    assert remove_planned(host, plan, print) == plan.bytes_going > 0
    there = host.run(["ls", "-A", str(host.root / "runs")]).text.split()
    assert second.path.name in there
    assert running.path.name in there
    assert first.path.name not in there
    assert third.path.name not in there
    assert not [name for name in there if name.startswith(".")]
    assert run_status(host, running).state in ("queued", "running")
    assert (first.path / "train" / "manifest.json").is_file()
    cancel_run(host, running)


def test_without_its_environment_an_old_run_is_still_removed(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=1)
    list(follow_run(host, run))
    pull_run(host, run, print)
    (checkout / ".fake" / "python").unlink()
    plan = plan_cleanup(host, checkout, {}, Choice(only=run.path.name), print)
    assert remove_planned(host, plan, print) > 0
    assert host.size(host.root / "runs" / run.path.name / "spec.json") is None
