"""A run's life on every kind of host, with a worker that trains nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import FaultyProxy, faulty_proxy
from tests.support.remote_runs import make_run
from tests.support.ssh_files import SshClient, TestServer
from tunewright.contract.errors import HostError, UserError
from tunewright.contract.manifest import damaged_files, read_manifest
from tunewright.contract.run import RunFolder
from tunewright.remote import follow, retry
from tunewright.remote.host import Host, open_host
from tunewright.remote.job import (
    cancel_run,
    clean_runs,
    follow_run,
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


@pytest.fixture
def host(host_name: str, checkout: Path) -> Iterator[Host]:
    with open_host(host_name, checkout) as host:
        yield host


def begin(host: Host, checkout: Path, steps: int = 20, models: bool = True) -> RunFolder:
    run = make_run(host, checkout, steps, models)
    ship_run(host, run, print)
    start_run(host, run)
    return run


def assert_whole(run: RunFolder, *stages: str) -> None:
    """The laptop's events are whole and gapless, and exactly these stages are here, undamaged."""
    events = run.read_events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    for stage in ("train", "fuse", "quantize", "fidelity", "predictions"):
        manifest = read_manifest(run.path / stage)
        assert (manifest is not None) == (stage in stages), stage
        if manifest is not None:
            assert not damaged_files(run.path / stage, manifest)


def on_host(host: Host, run: RunFolder, name: str) -> bytes:
    return b"".join(host.stream(host.root / "runs" / run.path.name / name))


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
    run = begin(host, checkout, steps=100)
    start_run(host, run)
    start_run(host, run)
    list(follow_run(host, run))
    assert on_host(host, run, "starts") == b"start\n"
    assert run_status(host, run).state == "done"


def test_a_cancelled_run_can_go_on(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=3000)
    for event in follow_run(host, run):
        if event.kind == "progress":
            break
    assert cancel_run(host, run).state == "cancelled"
    assert [event.kind for event in follow_run(host, run)][-1] == "cancelled"
    pull_run(host, run, print)  # nothing is finished, and that is no error
    assert_whole(run)
    resume_run(host, run)
    assert run_status(host, run).state in ("queued", "running")
    cancel_run(host, run)


def test_a_worker_that_was_killed_is_reported_as_lost_and_resumed(
    host: Host, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "SILENCE", 0.3)
    run = begin(host, checkout, steps=60)
    os.kill(int(on_host(host, run, "pid")), signal.SIGKILL)
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
    """What stands on the laptop; a local host's folder is the host's."""
    return [path for path in checkout.rglob("*") if ".tunewright" not in path.parts]


@HERE
def test_two_may_follow_at_once(host_name: str, host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=80)
    with open_host(host_name, checkout) as other:
        first, second = follow_run(host, run), follow_run(other, run, replay=True)
        one, two = [next(first)], [next(second)]
        for event in first:
            one.append(event)
            if event.seq % 7 == 0 and (more := next(second, None)):
                two.append(more)
        two += list(second)
    assert [event.seq for event in two] == list(range(1, len(two) + 1))
    assert one[-1].seq == two[-1].seq
    assert_whole(run)


@HERE
def test_a_history_that_differs_from_the_hosts_is_replaced(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=5)
    list(follow_run(host, run))
    lines = run.events.read_bytes().splitlines(keepends=True)
    changed = lines[:3] + [line.replace(b'"time": "2', b'"time": "1') for line in lines[3:]]
    run.events.write_bytes(b"".join(changed) + b'{"torn')
    assert [event.seq for event in follow_run(host, run)] == list(range(4, len(lines) + 1))
    assert run.events.read_bytes() == b"".join(lines)


@HERE
def test_a_damaged_history_is_told(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=1)
    list(follow_run(host, run))
    events = host.root / "runs" / run.path.name / "events.jsonl"
    host.append(events, host.size(events) or 0, [b"\x00\x00\x00\n"])
    with pytest.raises(HostError, match="is no event"):
        list(follow_run(host, run))


@HERE
def test_a_log_comes_without_what_steers_a_terminal(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=1)
    list(follow_run(host, run))
    log = host.root / "runs" / run.path.name / "worker.log"
    host.append(log, 0, ["\x1b[1;31mred\x1b[0m 50 %\r100 %\n\x1b]0;title\x07 ü\n".encode()])
    assert run_log(host, run, 50) == "red 50 %\n100 %\n⟦U+001B⟧]0;title⟦U+0007⟧ ü\n"


CLIENT = """
import sys
from pathlib import Path
from tunewright.contract.run import RunFolder
from tunewright.remote.host import open_host
from tunewright.remote.job import follow_run, pull_run
checkout, run = Path(sys.argv[1]), RunFolder(Path(sys.argv[2]))
with open_host(run.read_spec().host, checkout) as host:
    for event in follow_run(host, run):
        print(event.seq, flush=True)
    pull_run(host, run, print)
"""


def test_the_laptops_process_may_be_killed_at_any_moment(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=150)
    for seconds in (0.6, 0.9, 1.2):
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(checkout), str(run.path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        client.kill()
        client.wait()
        with run.events.open("ab") as file:
            file.write(b'{"seq": 99')  # as if it had been killed while it wrote
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(checkout), str(run.path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert_whole(run, "train", "quantize", "fidelity", "predictions")
    assert on_host(host, run, "starts") == b"start\n"
    status = run.read_status()
    assert status is not None
    assert status.state == "done"


@pytest.fixture
def proxy(openssh: TestServer) -> Iterator[FaultyProxy]:
    with faulty_proxy(openssh.port) as proxy:
        yield proxy


@pytest.mark.sshd
def test_following_survives_a_connection_that_comes_and_goes(
    ssh: SshClient,
    openssh: TestServer,
    proxy: FaultyProxy,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "WAITS", (0.05,))
    ssh.add("mac", openssh, port=proxy.port)
    with open_host("mac", checkout) as host:
        run = begin(host, checkout, steps=150)
        seen: list[int] = []
        notices: list[str] = []
        for event in follow_run(host, run):
            if event.seq == 0:
                notices.append(str(event.data["message"]))
                proxy.refusing = len(notices) < 4
                continue
            seen.append(event.seq)
            if event.kind == "progress" and event.data["step"] in (30, 90):
                proxy.refusing = event.data["step"] == 30
                proxy.cut_now()
        assert seen == list(range(1, len(seen) + 1))
        assert any("the run goes on" in notice for notice in notices)
        assert any("connected to mac again" in notice for notice in notices)
        assert_whole(run)


@pytest.mark.sshd
def test_following_stops_at_a_host_whose_key_has_changed(
    ssh: SshClient, openssh: TestServer, proxy: FaultyProxy, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "WAITS", (0.05,))
    ssh.add("mac", openssh, port=proxy.port)
    with open_host("mac", checkout) as host:
        run = begin(host, checkout, steps=150)
        following = follow_run(host, run)
        next(following)
        ssh.known_hosts.write_text("")
        proxy.cut_now()
        with pytest.raises(HostError, match="unknown host"):
            list(following)


@pytest.mark.sshd
def test_a_host_that_stays_away_is_given_up_with_the_way_back(
    ssh: SshClient, openssh: TestServer, proxy: FaultyProxy, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "WAITS", (0.05,))
    ssh.add("mac", openssh, port=proxy.port)
    with open_host("mac", checkout) as host:
        run = begin(host, checkout, steps=1)
        proxy.refusing = True
        proxy.cut_now()
        with pytest.raises(HostError, match="the run goes on without us") as error:
            list(follow_run(host, run, patience=0.3))
        assert f"attach --run {run.path.name}" in error.value.hint


def test_old_runs_are_listed_before_they_are_removed(host: Host, checkout: Path) -> None:
    runs: list[RunFolder] = []
    for _ in range(3):
        run = begin(host, checkout, steps=1)
        list(follow_run(host, run))
        runs.append(run)
    first, second, third = sorted(runs, key=lambda run: run.path.name)
    pull_run(host, first, print)
    pull_run(host, third, print)
    running = begin(host, checkout, steps=3000)
    assert [row.pulled for row in list_runs(checkout)].count(True) == 2
    assert list_runs(checkout, "nobody") == []

    def paths(removals: list[object]) -> list[str]:
        return [str(item) for item in removals if any(run.path.name in str(item) for run in runs)]

    plan = paths(list(clean_runs(host, checkout, keep=0)))
    assert [line.split()[0] for line in sorted(plan, key=lambda line: line.split("runs/")[1])] == [
        "would",
        "stays",
        "would",
    ]
    assert "not home yet" in next(line for line in plan if second.path.name in line)
    assert host.size(host.root / "runs" / first.path.name / "spec.json") is not None
    done = clean_runs(host, checkout, keep=0, remove=True)
    assert all(item.removed or item.stays for item in done)
    there = host.run(["ls", "-A", str(host.root / "runs")]).text.split()
    assert second.path.name in there
    assert running.path.name in there
    assert first.path.name not in there
    assert third.path.name not in there
    assert not [name for name in there if name.startswith(".")]
    assert run_status(host, running).state in ("queued", "running")
    assert (first.path / "train" / "manifest.json").is_file()
    cancel_run(host, running)
