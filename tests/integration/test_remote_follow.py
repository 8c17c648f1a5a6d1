"""Following a run: whatever happens to the laptop or the network, its history comes whole."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import FaultyProxy, faulty_proxy
from tests.support.remote_runs import assert_whole, begin, on_host
from tests.support.ssh_files import SshClient, TestServer
from tunewright.contract.errors import HostError
from tunewright.contract.run import Status
from tunewright.remote import follow, retry
from tunewright.remote.host import Host, open_host
from tunewright.remote.job import (
    cancel_run,
    follow_log,
    follow_run,
    run_log,
    run_status,
)

# For what the laptop decides by itself: which kind of host it talks to makes no difference.
HERE = pytest.mark.parametrize("host_name", ["local"], indirect=True)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL", 0.02)


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
    with pytest.raises(HostError, match="is not an event"):
        list(follow_run(host, run))


@HERE
def test_a_log_comes_without_what_steers_a_terminal(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=1)
    list(follow_run(host, run))
    log = host.root / "runs" / run.path.name / "worker.log"
    host.append(log, 0, ["\x1b[1;31mred\x1b[0m 50 %\r100 %\n\x1b]0;title\x07 ü\n".encode()])
    assert run_log(host, run, 50) == "red 50 %\n100 %\n⟦U+001B⟧]0;title⟦U+0007⟧ ü\n"


def test_a_log_is_followed_to_the_end_of_the_run(host: Host, checkout: Path) -> None:
    run = begin(host, checkout, steps=30)
    log = host.root / "runs" / run.path.name / "worker.log"
    parts = follow_log(host, run, 1, sleep=lambda _: time.sleep(0.05))
    said = [next(parts)]
    host.append(log, host.size(log) or 0, [b"in the middle\n"])
    said += list(parts)
    assert "".join(said).count("in the middle\n") == 1
    assert said[-1].endswith("\n")
    assert run_status(host, run).state == "done"
    assert list(follow_log(host, run, 1)) == [run_log(host, run, 1)]


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
    assert on_host(host, run, "worker.log").count(b"worker started") == 1
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
        run = begin(host, checkout, steps=20_000)
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
            if event.kind == "progress" and event.data["step"] == 150:
                with open_host("mac", checkout) as other:
                    assert cancel_run(other, run).state == "cancelled"
        assert seen == list(range(1, len(seen) + 1))
        assert any("the run goes on" in notice for notice in notices)
        assert any("connected to mac again" in notice for notice in notices)
        assert run.read_events()[-1].kind == "cancelled"
        assert_whole(run)


@pytest.mark.sshd
def test_following_stops_at_a_host_whose_key_has_changed(
    ssh: SshClient, openssh: TestServer, proxy: FaultyProxy, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "WAITS", (0.05,))
    ssh.add("mac", openssh, port=proxy.port)
    with open_host("mac", checkout) as host:
        run = begin(host, checkout, steps=20_000)
        following = follow_run(host, run)
        next(following)
        known = ssh.known_hosts.read_text()
        ssh.known_hosts.write_text("")
        proxy.cut_now()
        with pytest.raises(HostError, match="unknown host"):
            list(following)
        ssh.known_hosts.write_text(known)
        assert cancel_run(host, run).state == "cancelled"


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


@pytest.mark.sshd
def test_asking_after_a_run_whose_host_is_away_says_what_was_heard_last(
    ssh: SshClient, openssh: TestServer, proxy: FaultyProxy, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "WAITS", (0.01,))
    ssh.add("mac", openssh, port=proxy.port)
    with open_host("mac", checkout) as host:
        run = begin(host, checkout, steps=20_000)
        for _ in follow_run(host, run):
            if (run.read_status() or Status(state="queued")).step:
                break
        proxy.refusing = True
        proxy.cut_now()
        with pytest.raises(HostError) as error:
            run_status(host, run)
        assert "Last heard at 20" in error.value.hint
        assert ": running in train, step" in error.value.hint
        proxy.refusing = False
        assert run_status(host, run).state == "running"
        assert cancel_run(host, run).state == "cancelled"
