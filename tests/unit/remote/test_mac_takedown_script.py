"""`infra/mac/takedown.sh`, on a Mac look-alike that `setup.sh` set up."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.mac import make_mac

SCRIPTS = Path(__file__).parents[3] / "infra" / "mac"
IDLE = "at work   nothing\nquiet     no hours (/x/host.toml)"


class Mac:
    """A look-alike whose power settings are lines in a file, and whose `sudo` runs what it is given."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.root = self.home / "tunewright"
        self.power = folder / "power"
        self.library = folder / "Library"
        self.bin = make_mac(folder / "bin")
        self.loaded = folder / "launchctl.log"
        (self.home / ".local" / "bin").mkdir(parents=True)
        self.settings(sleep=10, displaysleep=0, womp=1, disksleep=0)
        pmset = f"""case "$1 $2" in
  '-g custom') echo 'AC Power:'; cat {self.power} ;;
  -c*) shift; while [ $# -gt 0 ]; do sed -i.old "s/^ $1 .*/ $1 $2/" {self.power}; shift 2; done ;;
esac"""
        self.command(self.bin / "pmset", pmset)
        self.command(self.bin / "sudo", '"$@"')
        self.command(self.bin / "nc", "exit 0")
        self.command(self.bin / "launchctl", f'echo "$@" >>{self.loaded}')
        self.command(self.home / ".local" / "bin" / "uv", "echo uv 0.13.9")

    def command(self, path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def settings(self, **values: int) -> None:
        self.power.write_text("".join(f" {name} {value}\n" for name, value in values.items()))

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "TUNEWRIGHT_LIBRARY": str(self.library),
        }
        return subprocess.run(
            ["/bin/sh", str(SCRIPTS / script), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def host(self, says: str = IDLE) -> None:
        """What a host that was used holds."""
        (self.root / "blobs").mkdir(parents=True, exist_ok=True)
        blob = self.root / "blobs" / "0"
        blob.write_text("0")
        blob.chmod(0o444)
        (self.root / "blobs").chmod(0o555)
        self.command(self.root / "tunewright-host", f"cat <<'END'\n{says}\nEND")


@pytest.fixture
def mac(tmp_path: Path) -> Mac:
    return Mac(tmp_path)


def test_what_setup_changed_is_set_back_to_what_it_was(mac: Mac) -> None:
    before = mac.power.read_text()
    assert mac.run("setup.sh", "--apply").returncode == 0
    assert mac.power.read_text() != before
    assert mac.run("setup.sh", "--apply").returncode == 0  # once more: the owner's values stay noted
    done = mac.run("takedown.sh", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert mac.power.read_text() == before


def test_a_setting_that_setup_found_right_is_left_alone(mac: Mac) -> None:
    mac.run("setup.sh", "--apply")
    mac.settings(sleep=0, displaysleep=5, womp=0, disksleep=0)  # its owner changed womp since
    mac.run("takedown.sh", "--apply")
    assert " womp 0\n" in mac.power.read_text()


def test_looking_changes_nothing(mac: Mac) -> None:
    mac.run("setup.sh", "--apply")
    mac.host()
    set_up = mac.power.read_text()
    done = mac.run("takedown.sh")
    assert done.returncode == 1
    assert "sleep 10 displaysleep 0" in done.stdout
    assert mac.power.read_text() == set_up
    assert (mac.root / "blobs" / "0").is_file()


def test_everything_goes_and_a_second_time_there_is_nothing_to_do(mac: Mac) -> None:
    mac.run("setup.sh", "--apply")
    mac.host()
    agent = mac.home / "Library" / "LaunchAgents" / "tunewright.recover.plist"
    daemon = mac.library / "LaunchDaemons" / "tunewright.recover.plist"
    for plist in (agent, daemon):
        plist.parent.mkdir(parents=True)
        plist.touch()
    done = mac.run("takedown.sh", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert not agent.exists()
    assert not daemon.exists()
    assert not mac.root.exists()
    assert mac.loaded.read_text().splitlines() == [
        f"bootout gui/{os.getuid()}/tunewright.recover",
        "bootout system/tunewright.recover",
    ]
    again = mac.run("takedown.sh")
    assert again.returncode == 0
    assert "TO DO" not in again.stdout


def test_runs_stay_unless_they_are_named(mac: Mac) -> None:
    mac.host()
    (mac.root / "runs" / "one").mkdir(parents=True)
    done = mac.run("takedown.sh", "--apply")
    assert done.returncode == 0
    assert "runs: 1" in done.stdout
    assert "inv clean" in done.stdout
    assert (mac.root / "runs" / "one").is_dir()
    assert mac.run("takedown.sh", "--apply", "--runs").returncode == 0
    assert not mac.root.exists()


@pytest.mark.parametrize(
    "says",
    [
        "at work   20261129-1-tiny in train, step 3 of 40",
        "at work   nothing\nwaiting   x; 2nd",
        f"also      serve\n{IDLE}",
    ],
)
def test_nothing_is_taken_away_while_a_run_is_at_work(mac: Mac, says: str) -> None:
    mac.run("setup.sh", "--apply")
    mac.host(says)
    set_up = mac.power.read_text()
    done = mac.run("takedown.sh", "--apply", "--runs")
    assert done.returncode == 1
    assert "tunewright-host stop" in done.stdout
    assert mac.power.read_text() == set_up
    assert mac.root.is_dir()


def test_a_folder_on_another_volume_is_removed_there(mac: Mac, tmp_path: Path) -> None:
    volume = tmp_path / "Volumes" / "big"
    volume.mkdir(parents=True)
    mac.root.symlink_to(volume)
    mac.host()
    assert mac.run("takedown.sh", "--apply").returncode == 0
    assert not volume.exists()
    assert not mac.root.is_symlink()


def test_wrong_usage_is_told(mac: Mac) -> None:
    assert mac.run("takedown.sh", "--purge").returncode == 2
