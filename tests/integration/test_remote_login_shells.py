"""Hosts whose login shells are not sh, or say something of their own: commands arrive, and output comes back as it is."""

import shutil
from pathlib import Path, PurePosixPath

import pytest

from tests.support.remote_runs import begin
from tests.support.ssh_files import SshClient
from tests.support.sshd import start_sshd
from tunewright.contract.errors import HostError
from tunewright.remote.host import Host, open_host
from tunewright.remote.job import follow_run
from tunewright.remote.process import hold_process
from tunewright.remote.ssh_host import _BLOCK, _STEP  # pyright: ignore[reportPrivateUsage]

pytestmark = pytest.mark.sshd
SH = 'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
NOISE = f"printf 'Welcome to the lab!\\nquota: 3%%'; echo 'stty: not a terminal' >&2; {SH}"
SHELLS = {
    "sh": SH,
    "tcsh": 'exec tcsh -c "$SSH_ORIGINAL_COMMAND"',
    "fish": 'exec fish -c "$SSH_ORIGINAL_COMMAND"',
    "noise": NOISE,
}
HOSTILE = [
    "it's",
    'a "b"',
    "!!",
    "a!b",
    "a\\b",
    "a\\\\b",
    "two\nlines\n",
    "$HOME `id`",
    "{a,b}",
    "*",
    "~",
    "%s",
    "ü",
    "",
    "-n",
]


@pytest.mark.parametrize("shell", SHELLS)
def test_words_input_output_and_exit_codes_arrive(shell: str, ssh: SshClient, tmp_path: Path) -> None:
    for program in ("tcsh", "fish"):
        if program in SHELLS[shell] and not shutil.which(program):
            pytest.fail(f"no {program}: install it")
    with (
        start_sshd(tmp_path / "sshd", uv=False, login_shell=SHELLS[shell]) as server,
        open_host(ssh.add("lab", server), tmp_path) as host,
    ):
        check(host, tmp_path)


def check(host: Host, tmp_path: Path) -> None:
    done = host.run(["printf", "%s\\0", *HOSTILE], env={"VALUE": HOSTILE[5]})
    assert done.stdout.decode().split("\0")[:-1] == HOSTILE
    assert host.run(["printenv", "VALUE"], env={"VALUE": HOSTILE[5]}).text == HOSTILE[5]
    done = host.run(["/bin/sh", "-c", "cat; echo bad >&2; exit 7"], stdin=b"in\x00put")
    assert (done.code, done.stdout, done.reason) == (7, b"in\x00put", "bad")
    large = tmp_path / "large"
    large.write_bytes(bytes(range(251)) * (3 * _BLOCK // 251))
    for offset in (0, 5, _BLOCK - 1, _BLOCK, 2 * _BLOCK - _STEP - 3):
        assert b"".join(host.stream(PurePosixPath(large), offset)) == large.read_bytes()[offset:]
    held, link = hold_process(
        host, ["/bin/sh", "-c", "echo one; cat >/dev/null; echo two"], {}, lambda _: None
    )
    assert held.next_line(30) == "one"
    held.release()
    assert link is not None
    link.close()


def test_an_account_that_may_run_nothing_is_told_in_its_own_words(ssh: SshClient, tmp_path: Path) -> None:
    refusal = "echo 'This account is currently not available.'; exit 1"
    with (
        start_sshd(tmp_path / "sshd", uv=False, login_shell=refusal) as server,
        open_host(ssh.add("lab", server), tmp_path) as host,
    ):
        done = host.run(["true"])
        assert (done.code, done.reason) == (1, "This account is currently not available.")
        with pytest.raises(HostError, match="no usable home folder"):
            _ = host.root


def test_a_shell_that_greets_without_end_is_given_up(ssh: SshClient, tmp_path: Path) -> None:
    with (
        start_sshd(tmp_path / "sshd", uv=False, login_shell="exec yes welcome") as server,
        open_host(ssh.add("lab", server), tmp_path) as host,
        pytest.raises(HostError, match="before true began"),
    ):
        host.run(["true"], timeout=60)


def test_a_server_without_sftp_is_told(ssh: SshClient, tmp_path: Path) -> None:
    with (
        start_sshd(tmp_path / "sshd", uv=False, sftp=False) as server,
        open_host(ssh.add("lab", server), tmp_path) as host,
    ):
        assert host.run(["true"]).code == 0
        with pytest.raises(HostError, match="transfers no files") as error:
            host.size(PurePosixPath("/etc/passwd"))
        assert "Subsystem sftp" in error.value.hint


def test_what_is_made_on_a_host_is_the_accounts_alone(ssh: SshClient, checkout: Path, tmp_path: Path) -> None:
    with start_sshd(tmp_path / "sshd") as server, open_host(ssh.add("lab", server), checkout) as host:
        run = begin(host, checkout, steps=1)
        list(follow_run(host, run))
        made = [server.root, *server.root.rglob("*")]
        assert len(made) > 20
        assert [path for path in made if not path.is_symlink() and path.stat().st_mode & 0o077] == []
