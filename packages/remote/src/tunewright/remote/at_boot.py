"""What a host starts by itself after a restart: the runs that the restart ended.

One POSIX sh script installs it where the host has something that starts programs: a LaunchDaemon or LaunchAgent on macOS, a
systemd user unit or cron on Linux. It is asked for, never done by the way.
"""

from dataclasses import dataclass
from typing import Literal

from tunewright.contract.errors import HostError
from tunewright.remote.host import Host, must, run_script
from tunewright.remote.host_facts import read_values

When = Literal["boot", "login", "never"]
# $1 is our folder on the host, $2 is install, remove or show, $3 is macOS's /Library.
SCRIPT = r"""
LC_ALL=C; export LC_ALL
PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
root=$1 verb=$2 library=$3
label=tunewright.recover
script=$root/at_boot.sh
agent=$HOME/Library/LaunchAgents/$label.plist
daemon=$library/LaunchDaemons/$label.plist
unit=$HOME/.config/systemd/user/tunewright-recover.service
line="@reboot /bin/sh '$script' # $label"
# The table without our line, read to its end before anything is written.
table() { crontab -l 2>/dev/null | grep -vF "# $label"; }
say() { printf '%s=%s\n' "$1" "$2"; }

installed() {
  if [ -f "$daemon" ]; then say how LaunchDaemon; say when boot
  elif [ -f "$agent" ]; then say how LaunchAgent; say when login
  elif [ -f "$unit" ]; then
    say how 'a systemd user unit'
    case $(loginctl show-user "$(id -un)" -p Linger 2>/dev/null) in
      Linger=yes) say when boot ;;
      *) say when login ;;
    esac
  elif crontab -l 2>/dev/null | grep -qF "# $label"; then say how cron; say when boot
  else say how nothing; say when never; fi
}

remove() {
  if [ -f "$daemon" ]; then
    sudo -n launchctl bootout "system/$label" >/dev/null 2>&1
    sudo -n rm -f "$daemon" || { echo "$daemon belongs to root: sudo rm $daemon" >&2; exit 1; }
  fi
  if [ -f "$agent" ]; then launchctl bootout "gui/$(id -u)/$label" >/dev/null 2>&1; rm -f "$agent"; fi
  if [ -f "$unit" ]; then systemctl --user disable tunewright-recover >/dev/null 2>&1; rm -f "$unit"; fi
  if crontab -l 2>/dev/null | grep -qF "# $label"; then
    kept=$(table)
    printf '%s' "${kept:+$kept
}" | crontab - || exit 1
  fi
  rm -f "$script"
}

plist() {
  cat <<END
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>Label</key><string>$label</string>
  <key>ProgramArguments</key><array><string>/bin/sh</string><string>$script</string></array>
  <key>RunAtLoad</key><true/>
  <key>AbandonProcessGroup</key><true/>
$1</dict></plist>
END
}

install() {
  case $root in
    *[!A-Za-z0-9/._-]*) echo "$root holds characters that cron and launchd would read otherwise" >&2; exit 1 ;;
  esac
  mkdir -p "$root" || exit 1
  cat >"$script" <<'END' || exit 1
#!/bin/sh
# Runs that a restart of this machine ended go on. Written by `./inv host.at-boot`, removed by its --remove.
cd "$(dirname "$0")" || exit 1
newest=$(ls -t envs/*/environment.json 2>/dev/null | head -n 1)
[ -n "$newest" ] || exit 0
exec "$PWD/$(dirname "$newest")/venv/bin/python" -P -m tunewright.train.worker recover --root "$PWD" >>at_boot.log 2>&1
END
  chmod 700 "$script"
  if [ "$(uname -s)" = Darwin ]; then
    if sudo -n true 2>/dev/null; then
      plist "  <key>UserName</key><string>$(id -un)</string>" | sudo -n tee "$daemon" >/dev/null || exit 1
    else
      mkdir -p "$HOME/Library/LaunchAgents" && plist '' >"$agent" || exit 1
    fi
  elif systemctl --user show-environment >/dev/null 2>&1; then
    mkdir -p "$(dirname "$unit")" || exit 1
    # What it starts goes on when it has ended itself.
    cat >"$unit" <<END || exit 1
[Unit]
Description=Tunewright: runs that a restart ended

[Service]
Type=oneshot
KillMode=process
ExecStart=/bin/sh $script

[Install]
WantedBy=default.target
END
    systemctl --user enable tunewright-recover >/dev/null 2>&1 || { rm -f "$unit"; exit 1; }
    loginctl enable-linger >/dev/null 2>&1
  elif command -v crontab >/dev/null 2>&1; then
    kept=$(table)
    printf '%s%s\n' "${kept:+$kept
}" "$line" | crontab - || exit 1
  else
    rm -f "$script"
  fi
}

case $verb in install) remove; install ;; remove) remove ;; esac
installed
"""


@dataclass(frozen=True)
class AtBoot:
    """What starts the runs again that a restart ended: `LaunchAgent`, `cron`, …; and when."""

    how: str
    when: When

    def __str__(self) -> str:
        if self.when == "never":
            return "runs that a restart ends go on with the next command: status, queue or attach"
        when = "once the host is up" if self.when == "boot" else "when the account logs in at the host"
        return f"runs that a restart ends go on by themselves {when} ({self.how})"


def at_boot(host: Host, verb: Literal["install", "remove", "show"], library: str = "/Library") -> AtBoot:
    """Install or remove what starts runs again after a restart, or only look.

    Returns what is installed afterwards. Raises HostError.
    """
    done = must(
        run_script(host, SCRIPT, [host.root, verb, library], timeout=60),
        f"{host.name}: cannot {verb} what runs at boot",
        "See what that says, at the host.",
    )
    values = read_values(done.stdout.decode(errors="replace"))
    when = values.get("when")
    if when not in ("boot", "login", "never"):
        raise HostError(f"{host.name} does not say what runs at boot", "Does the account have a POSIX shell?")
    return AtBoot(values.get("how", ""), when)
