"""Opening a connection: strict about keys, clear about what went wrong, never hanging."""

import getpass
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest

from tests.support.asyncssh_server import start_asyncssh
from tests.support.faults import Fault, FaultyProxy, faulty_proxy
from tests.support.remote_runs import begin
from tests.support.ssh_files import SshClient, TestServer, make_key, public_key, refusing_port
from tests.support.sshd import start_sshd
from tunewright.contract.errors import HostError
from tunewright.remote.connection import open_connection
from tunewright.remote.host import open_host
from tunewright.remote.retry import ConnectionLost, Unreachable
from tunewright.remote.worker_client import find_on_host

pytestmark = pytest.mark.sshd
HOSTILE = [
    "a b",
    "$(touch pwned)",
    "`id`",
    "'\"\\",
    "new\nline",
    "-n",
    "ünïcode €",
    "*?[",
    "; reboot",
    "~",
    "",
]


@pytest.fixture
def proxy(openssh: TestServer) -> Iterator[FaultyProxy]:
    with faulty_proxy(openssh.port) as proxy:
        yield proxy


def test_words_arrive_as_they_were_given(host_name: str, tmp_path: Path) -> None:
    with open_host(host_name, tmp_path) as host:
        done = host.run(["printf", "%s\\0", *HOSTILE], env={"HOSTILE": HOSTILE[1]})
        assert done.stdout.decode().split("\0")[:-1] == HOSTILE
        assert host.run(["printenv", "HOSTILE"], env={"HOSTILE": HOSTILE[1]}).text == HOSTILE[1]
        assert host.run(["/bin/sh", "-c", "cat; echo bad >&2; exit 7"], stdin=b"in").code == 7


def test_a_command_gets_nothing_of_the_python_that_calls_it(
    host_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    with open_host(host_name, tmp_path) as host:
        assert host.run(["printenv", "PYTHONPATH"]).code == 1


def test_an_unknown_host_is_refused_and_its_fingerprint_shown(ssh: SshClient, openssh: TestServer) -> None:
    ssh.add("mac", openssh, known=False)
    with pytest.raises(HostError, match=r"unknown host, its key ssh-ed25519 SHA256:") as error:
        open_connection("mac")
    assert "ssh mac" in error.value.hint
    assert not isinstance(error.value, Unreachable)
    assert ssh.known_hosts.read_text() == ""


def test_a_changed_host_key_is_refused_whatever_the_config_says(
    ssh: SshClient, openssh: TestServer, tmp_path: Path
) -> None:
    ssh.add("mac", openssh, known=False, options={"StrictHostKeyChecking": "no"})
    other = public_key(make_key(tmp_path / "other"))
    ssh.known_hosts.write_text(f"[127.0.0.1]:{openssh.port} {other}\n")
    with pytest.raises(HostError, match="KEY HAS CHANGED") as error:
        open_connection("mac")
    assert "ssh-keygen -R" in error.value.hint
    assert not isinstance(error.value, Unreachable)


def test_a_revoked_host_key_is_refused(ssh: SshClient, openssh: TestServer) -> None:
    ssh.add("mac", openssh)
    line = f"[127.0.0.1]:{openssh.port} {public_key(openssh.host_key)}\n"
    ssh.known_hosts.write_text(line + "@revoked " + line)
    with pytest.raises(HostError, match="revoked"):
        open_connection("mac")


def test_a_key_in_a_file_of_revoked_keys_is_refused(
    ssh: SshClient, openssh: TestServer, tmp_path: Path
) -> None:
    revoked = tmp_path / "revoked"
    alias = ssh.add("mac", openssh, options={"RevokedHostKeys": str(revoked)})
    revoked.write_text("")
    open_connection(alias).close()
    revoked.write_text(public_key(openssh.host_key) + "\n")
    with pytest.raises(HostError, match="is marked as revoked"):
        open_connection(alias)
    binary = tmp_path / "binary"
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(binary), f"{openssh.host_key}.pub"], check=True)
    with pytest.raises(HostError, match="is marked as revoked"):
        open_connection(ssh.add("mac2", openssh, options={"RevokedHostKeys": str(binary)}))
    with pytest.raises(
        HostError, match="is marked as revoked"
    ):  # one that cannot be read trusts no key, as for ssh
        open_connection(ssh.add("mac3", openssh, options={"RevokedHostKeys": str(tmp_path / "missing")}))


def test_a_host_may_be_given_by_user_name_and_port(ssh: SshClient, openssh: TestServer) -> None:
    ssh.add("127.0.0.1", openssh)
    link = open_connection(f"{getpass.getuser()}@127.0.0.1:{openssh.port}")
    assert (link.target.port, link.target.user) == (openssh.port, getpass.getuser())
    link.close()


def test_hashed_names_and_a_host_key_alias_are_found(ssh: SshClient, openssh: TestServer) -> None:
    ssh.add("mac", openssh, known=False, options={"HostKeyAlias": "studio"})
    ssh.known_hosts.write_text(f"stud*,!other {public_key(openssh.host_key)}\n")
    open_connection("mac").close()


def test_an_included_config_is_honoured(ssh: SshClient, openssh: TestServer) -> None:
    inner = SshClient(ssh.config.parent / "inner")
    inner.add("mac", openssh)
    ssh.config.write_text(f"Include {inner.config}\n")
    open_connection("mac").close()


def test_a_refused_login_names_the_keys_that_were_tried(
    ssh: SshClient, openssh: TestServer, tmp_path: Path
) -> None:
    stranger = make_key(tmp_path / "stranger")
    ssh.add("mac", openssh, client_key=stranger)
    with pytest.raises(HostError, match=f"login refused, tried {stranger}") as error:
        open_connection("mac")
    assert "ssh-copy-id mac" in error.value.hint
    assert not isinstance(error.value, Unreachable)


def test_a_mac_that_waits_for_its_disk_to_be_unlocked_is_told_and_waited_for(
    ssh: SshClient, tmp_path: Path
) -> None:
    locked = threading.Event()
    with start_asyncssh(tmp_path / "mac", locked=locked) as server:
        ssh.add("mac", server)
        locked.set()
        with pytest.raises(Unreachable, match="waits for its disk to be unlocked") as error:
            open_connection("mac")
        assert "`ssh mac`" in error.value.hint
        locked.clear()
        open_connection("mac").close()


@pytest.mark.parametrize("after", [20, 1500, 2600, 3200])
def test_a_connection_cut_on_the_way_in_is_worth_another_try(
    after: int, ssh: SshClient, openssh: TestServer, proxy: FaultyProxy
) -> None:
    ssh.add("mac", openssh, port=proxy.port)
    open_connection("mac").close()
    proxy.faults.append(Fault("cut", "down", after))
    with suppress(Unreachable):  # where the cut falls decides whether it is noticed before or after login
        open_connection("mac").close()
    open_connection("mac").close()


def test_a_key_locked_by_a_passphrase_is_named_and_never_asked_about(
    ssh: SshClient, openssh: TestServer, tmp_path: Path
) -> None:
    import subprocess

    locked = make_key(tmp_path / "locked")
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(locked)], check=True, timeout=30)
    ssh.add("mac", openssh, client_key=locked)
    with pytest.raises(HostError) as error:
        open_connection("mac")
    assert f"{locked}; run ssh-add" in error.value.hint


def test_a_key_in_the_agent_opens_the_door(
    ssh: SshClient, openssh: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    socket_path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket_path)], stdout=subprocess.DEVNULL)
    try:
        while not socket_path.exists():
            time.sleep(0.01)
        key = make_key(tmp_path / "key")
        with (openssh.home.parent / "authorized_keys").open("a") as file:
            file.write(public_key(key) + "\n")
        for path in (make_key(tmp_path / "unwanted"), key):
            subprocess.run(
                ["ssh-add", "-q", str(path)], env={"SSH_AUTH_SOCK": str(socket_path)}, check=True, timeout=30
            )
        key.unlink()  # only the agent has it now; its public half names it
        ssh.add("mac", openssh, client_key=key, options={"IdentityAgent": str(socket_path)})
        open_connection("mac").close()
    finally:
        agent.terminate()
        agent.wait(10)


def test_a_port_where_nothing_listens_is_worth_another_try(ssh: SshClient, openssh: TestServer) -> None:
    with refusing_port() as port, pytest.raises(Unreachable, match="refused") as error:
        open_connection(ssh.add("mac", openssh, port=port))
    assert "Remote Login" in error.value.hint


def test_a_name_that_leads_nowhere_says_so(ssh: SshClient) -> None:
    with pytest.raises(Unreachable, match="no such host"):
        open_connection("nowhere.invalid")


@pytest.mark.parametrize("name", ["-oProxyCommand=touch pwned", "a b", "", "a\nb"])
def test_what_cannot_be_a_host_is_not_given_to_ssh(name: str) -> None:
    with pytest.raises(HostError, match="cannot be a host's name"):
        open_connection(name)


def test_a_server_that_says_nothing_does_not_hold_us(ssh: SshClient, openssh: TestServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ssh.add("mac", openssh, port=silent.getsockname()[1], options={"ConnectTimeout": "1"})
        began = time.monotonic()
        with pytest.raises(Unreachable):
            open_connection("mac")
    assert time.monotonic() - began < 10


def test_a_host_that_goes_silent_is_noticed(
    ssh: SshClient, openssh: TestServer, proxy: FaultyProxy, tmp_path: Path
) -> None:
    proxy.faults.append(Fault("stall", "down", 6000))
    ssh.add(
        "mac",
        openssh,
        port=proxy.port,
        options={"ServerAliveInterval": "1", "ServerAliveCountMax": "2"},
    )
    with open_host("mac", tmp_path) as host:
        began = time.monotonic()
        with pytest.raises(ConnectionLost):
            host.run(["/bin/sh", "-c", "head -c 100000 /dev/zero; sleep 60"], timeout=60)
        assert time.monotonic() - began < 15
        # The next call makes a new connection.
        assert host.run(["echo", "back"]).text == "back"
    assert proxy.connections == 2


def test_a_command_that_never_ends_is_left(host_name: str, tmp_path: Path) -> None:
    with open_host(host_name, tmp_path) as host:
        with pytest.raises(HostError, match=r"did not end in 0\.5 s"):
            host.run(["sleep", "30"], timeout=0.5)
        assert host.run(["echo", "still here"]).text == "still here"


def test_a_jump_goes_through_a_host_that_is_checked_too(ssh: SshClient, openssh: TestServer) -> None:
    ssh.add("gate", openssh)
    ssh.add("mac", openssh, options={"ProxyJump": "gate"})
    link = open_connection("mac")
    assert [gateway.target.alias for gateway in link.gateways] == ["gate"]
    assert link.alive
    link.close()


def test_an_unknown_jump_host_is_refused(ssh: SshClient, openssh: TestServer, proxy: FaultyProxy) -> None:
    ssh.add("gate", openssh, port=proxy.port, known=False)
    ssh.add("mac", openssh, options={"ProxyJump": "gate"})
    with pytest.raises(HostError, match=r"^gate .*unknown host"):
        open_connection("mac")


def test_jumps_that_lead_in_a_circle_end(ssh: SshClient, openssh: TestServer) -> None:
    ssh.add("one", openssh, options={"ProxyJump": "two"})
    ssh.add("two", openssh, options={"ProxyJump": "one"})
    with pytest.raises(HostError, match="jumps"):
        open_connection("one")


def test_a_proxy_command_is_used(ssh: SshClient, openssh: TestServer, tmp_path: Path) -> None:
    script = tmp_path / "pipe.py"
    script.write_text(
        "import socket, sys, threading, os\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while piece := os.read(0, 65536): s.sendall(piece)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while piece := s.recv(65536): os.write(1, piece)\n"
    )
    import sys

    ssh.add("mac", openssh, options={"ProxyCommand": f"{sys.executable} {script} %h %p"})
    link = open_connection("mac")
    assert link.alive
    link.close()


def test_a_file_that_is_not_there_is_told_from_a_broken_connection(host_name: str, tmp_path: Path) -> None:
    with open_host(host_name, tmp_path) as host:
        missing = PurePosixPath(tmp_path) / "missing"
        assert host.size(missing) is None
        with pytest.raises(FileNotFoundError):
            list(host.stream(missing))
        with pytest.raises(HostError) as error:
            host.append(missing / "below", 0, [b"x"])
        assert not isinstance(error.value, Unreachable)


def test_a_run_is_not_looked_for_on_another_machine_of_that_name(
    ssh: SshClient, openssh: TestServer, checkout: Path, tmp_path: Path
) -> None:
    with open_host(ssh.add("mac", openssh), checkout) as host:
        run = begin(host, checkout, steps=1)
        assert find_on_host(host, run).record.key.startswith("SHA256:")
    ssh.config.write_text("")
    with start_sshd(tmp_path / "other") as other, open_host(ssh.add("mac", other), checkout) as host:
        with pytest.raises(HostError, match="is not the host that run"):
            find_on_host(host, run)
        record = json.loads((run.path / "host.json").read_text())
        (run.path / "host.json").write_text(json.dumps({**record, "key": ""}))
        assert find_on_host(host, run).record.name == "mac"
