"""What a host starts by itself after a restart, installed and removed on look-alikes of each kind of host."""

import os
import plistlib
import subprocess
from pathlib import Path

import pytest

from tests.support.mac import make_mac
from tunewright.contract.errors import HostError
from tunewright.remote.at_boot import AtBoot, at_boot
from tunewright.remote.local_host import LocalHost

CRONTAB = """#!/bin/sh
case "$1" in
  -l) cat "$HOME/crontab" 2>/dev/null || exit 1 ;;
  -) cat >"$HOME/crontab" ;;
esac
"""
SUDO = """#!/bin/sh
shift
echo "$@" >>"$HOME/sudo.log"
exec "$@"
"""


class Lab:
    """A look-alike host: programs in a folder that is all of PATH but for the plain tools of a Unix."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, mac: bool = False) -> None:
        self.folder = folder
        self.bin = make_mac(folder / "bin") if mac else folder / "bin"
        self.bin.mkdir(exist_ok=True)
        self.home = folder / "home"
        self.home.mkdir()
        for name in ("systemctl", "loginctl", "crontab", "sudo", "launchctl"):
            self.program(name, "#!/bin/sh\nexit 1\n")
        monkeypatch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")
        monkeypatch.setenv("HOME", str(self.home))
        self.host = LocalHost(folder)

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def install(self) -> AtBoot:
        return at_boot(self.host, "install", str(self.folder / "Library"))

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}

    def assert_undone(self, before: set[str]) -> None:
        found = at_boot(self.host, "remove", str(self.folder / "Library"))
        assert found.when == "never"
        assert self.files() - {"home/sudo.log", "home/crontab"} == before - {"home/crontab"}


def test_a_mac_without_sudo_gets_an_agent_for_the_next_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, mac=True)
    before = lab.files()
    assert lab.install() == AtBoot("LaunchAgent", "login")
    agent = plistlib.loads((lab.home / "Library/LaunchAgents/tunewright.recover.plist").read_bytes())
    script = str(lab.host.root / "at_boot.sh")
    assert agent == {
        "Label": "tunewright.recover",
        "ProgramArguments": ["/bin/sh", script],
        "RunAtLoad": True,
        "AbandonProcessGroup": True,
    }
    assert lab.install() == AtBoot("LaunchAgent", "login"), "twice is once"
    assert "when the account logs in" in str(lab.install())
    lab.assert_undone(before)


def test_a_mac_with_sudo_gets_a_daemon_that_needs_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch, mac=True)
    (tmp_path / "Library" / "LaunchDaemons").mkdir(parents=True)
    before = lab.files()
    lab.program("sudo", SUDO)
    assert lab.install() == AtBoot("LaunchDaemon", "boot")
    daemon = plistlib.loads((tmp_path / "Library/LaunchDaemons/tunewright.recover.plist").read_bytes())
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert daemon["UserName"] == user
    lab.assert_undone(before)


def test_linux_with_systemd_gets_a_user_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path, monkeypatch)
    before = lab.files()
    lab.program("systemctl", '#!/bin/sh\necho "$@" >>"$HOME/systemctl.log"\n')
    lab.program("loginctl", '#!/bin/sh\n[ "$1" = enable-linger ] || echo Linger=yes\n')
    assert lab.install() == AtBoot("a systemd user unit", "boot")
    unit = (lab.home / ".config/systemd/user/tunewright-recover.service").read_text()
    assert f"ExecStart=/bin/sh {lab.host.root}/at_boot.sh\n" in unit
    assert "KillMode=process\n" in unit, "or systemd ends the runs that it started"
    assert "--user enable tunewright-recover" in (lab.home / "systemctl.log").read_text()
    lab.program("loginctl", "#!/bin/sh\necho Linger=no\n")
    assert at_boot(lab.host, "show") == AtBoot("a systemd user unit", "login")
    lab.assert_undone(before | {"home/systemctl.log"})


def test_linux_with_cron_keeps_what_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path, monkeypatch)
    lab.program("crontab", CRONTAB)
    theirs = "5 4 * * * echo tunewright.recover\n"
    (lab.home / "crontab").write_text(theirs)
    before = lab.files()
    for _ in range(2):
        assert lab.install() == AtBoot("cron", "boot")
    ours = f"@reboot /bin/sh '{lab.host.root}/at_boot.sh' # tunewright.recover\n"
    assert (lab.home / "crontab").read_text() == theirs + ours
    lab.assert_undone(before)
    assert (lab.home / "crontab").read_text() == theirs


def test_a_host_that_starts_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path, monkeypatch)
    (lab.bin / "crontab").unlink()
    before = lab.files()
    if any((Path(folder) / "crontab").exists() for folder in os.environ["PATH"].split(":")):
        pytest.skip("this machine has cron")
    found = lab.install()
    assert str(found) == "runs that a restart ends go on with the next command: status, queue or attach"
    lab.assert_undone(before)


def test_a_folder_that_a_table_would_read_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a'b%c"
    odd.mkdir()
    lab = Lab(odd, monkeypatch)
    lab.program("crontab", CRONTAB)
    with pytest.raises(HostError, match="characters that cron and launchd would read otherwise"):
        lab.install()
    assert not (lab.home / "crontab").exists()


def test_the_script_at_boot_starts_the_newest_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, monkeypatch)
    lab.program("crontab", CRONTAB)
    lab.install()
    root = Path(lab.host.root)
    script = ["/bin/sh", str(root / "at_boot.sh")]
    assert subprocess.run(script, check=False).returncode == 0, (
        "without an environment there is nothing to do"
    )
    for number, name in enumerate(("old", "new")):
        python = root / "envs" / name / "venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        python.chmod(0o755)
        marker = root / "envs" / name / "environment.json"
        marker.write_text("{}")
        os.utime(marker, (number, number))
    subprocess.run(script, check=True)
    assert (root / "at_boot.log").read_text() == (
        f"new -P -m tunewright.train.worker recover --root {root}\n"
    )
