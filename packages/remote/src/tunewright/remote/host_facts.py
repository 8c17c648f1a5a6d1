"""What a host is: the one place that knows how Linux and macOS tell.

A POSIX sh script prints `key=value` lines; nothing is installed and nothing is written. Shells over SSH on a
Mac have a bare PATH, so uv is looked for by absolute path.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from tunewright.remote.host import Host, must, run_script

# $1 is our folder on the host, the rest are places where uv may be.
SCRIPT = r"""
LC_ALL=C; export LC_ALL
PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
say() { printf '%s=%s\n' "$1" "$(printf %s "$2" | tr '\n' ' ')"; }
root=$1; shift
say clock "$(date +%s)"
system=$(uname -s)
say system "$system"
say arch "$(uname -m)"
say home "$HOME"
say user "$(id -un 2>/dev/null)"

place=$root
while [ ! -d "$place" ] && [ "$place" != / ]; do place=$(dirname "$place"); done
say disk "$(df -Pk "$place" 2>/dev/null | tail -n 1)"
[ -w "$place" ] && say writable yes || say writable no
upper=$(printf %s "$place" | tr '[:lower:]' '[:upper:]')
if [ "$upper" != "$place" ] && [ -d "$upper" ] &&
   [ "$(ls -di "$upper" | awk '{print $1}')" = "$(ls -di "$place" | awk '{print $1}')" ]; then
  say case_insensitive yes
fi

for candidate in "$@" "$HOME/.local/bin/uv" /opt/homebrew/bin/uv /usr/local/bin/uv "$HOME/.cargo/bin/uv" \
                 "$(command -v uv 2>/dev/null)"; do
  case $candidate in /*) ;; *) continue ;; esac
  version=$([ -x "$candidate" ] && "$candidate" --version 2>/dev/null) || continue
  say uv "$candidate"
  say uv_version "$version"
  python=$(UV_PYTHON_DOWNLOADS=never "$candidate" --no-config python find --no-project '>=3.11,<3.15' 2>/dev/null)
  say python "$python"
  break
done

case $system in
Darwin)
  say os_version "$(sw_vers -productVersion 2>/dev/null)"
  say memory_bytes "$(sysctl -n hw.memsize 2>/dev/null)"
  say wired_limit_mb "$(sysctl -n iogpu.wired_limit_mb 2>/dev/null)"
  say boot "$(sysctl -n kern.boottime 2>/dev/null)"
  say chip "$(sysctl -n machdep.cpu.brand_string 2>/dev/null)"
  say translated "$(sysctl -n sysctl.proc_translated 2>/dev/null)"
  say power "$(pmset -g batt 2>/dev/null | head -n 1)"
  # Minutes of idleness on mains, 0 for never: ` sleep 0 (sleep prevented by powerd)`.
  mains() {
    pmset -g custom 2>/dev/null | awk -v name="$1" '
      /^AC Power/ { ac = 1; next } /^[A-Z]/ { ac = 0 } ac && $1 == name { print $2; exit }'
  }
  say sleep "$(mains sleep)"
  say displaysleep "$(mains displaysleep)"
  say display_held "$(pmset -g assertions 2>/dev/null | awk '$1 == "PreventUserIdleDisplaySleep" { print $2; exit }')"
  say filevault "$(fdesetup status 2>/dev/null | head -n 1)"
  say pages "$(vm_stat 2>/dev/null | awk '
    /page size of/ { size = $8 } /^Pages (free|inactive|speculative|purgeable):/ { sub(/\./, "", $NF); sum += $NF }
    END { if (size) printf "%.0f", size * sum }')"
  ;;
Linux)
  say os_version "$(. /etc/os-release 2>/dev/null && printf %s "$PRETTY_NAME")"
  say memory_kib "$(awk '/^MemTotal:/ {print $2}' /proc/meminfo 2>/dev/null)"
  say available_kib "$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null)"
  say boot "$(awk '/^btime/ {print $2}' /proc/stat 2>/dev/null)"
  say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
  say compiler "$(command -v g++)"
  for supply in /sys/class/power_supply/*; do
    [ "$(cat "$supply/type" 2>/dev/null)" = Battery ] && say battery "$(cat "$supply/status" 2>/dev/null)"
  done
  ;;
esac
say end yes
"""

_DISK = re.compile(r"\s(?P<total>\d+)\s+(?P<used>-?\d+)\s+(?P<free>-?\d+)\s+\d+%\s")
_BOOT = re.compile(r"sec = (\d+)|^(\d+)")


@dataclass(frozen=True)
class HostFacts:
    """What the probe found. None means that the host would not say."""

    system: str  # `Darwin`, `Linux`, …
    arch: str  # `arm64`, `x86_64`, …
    os_version: str
    home: PurePosixPath
    user: str = ""
    memory_bytes: int | None = None
    available_bytes: int | None = None  # memory free, or freed at once when asked for
    wired_limit: int | None = None  # bytes the GPU may hold; None or 0: the system decides
    disk_free_bytes: int | None = None  # on the volume of our folder
    writable: bool = True
    uv: PurePosixPath | None = None
    uv_version: str = ""
    python: PurePosixPath | None = None  # what uv would take without a download
    boot_time: int | None = None  # Unix seconds
    on_mains: bool | None = None
    case_insensitive: bool = False
    chip: str = ""
    translated: bool = False  # an Intel process on Apple Silicon (Rosetta)
    glibc: tuple[int, int] | None = None
    compiler: PurePosixPath | None = None  # mlx on Linux compiles kernels while it runs
    clock_ahead: float | None = None  # seconds of its clock before ours, negative when it is behind
    sleep_minutes: int | None = None  # a Mac's, on mains; 0: never
    display_minutes: int | None = None
    display_held: bool = False  # a program keeps a Mac's display lit
    filevault: bool | None = None


# $1 is how many seconds to watch.
SWAP_SCRIPT = r"""
LC_ALL=C; export LC_ALL
PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
swapped() {
  case $(uname -s) in
    Darwin) vm_stat | awk '/^Swapouts:/ { sub(/\./, "", $2); print $2 }' ;;
    *) awk '/^pswpout / { print $2 }' /proc/vmstat ;;
  esac
}
before=$(swapped); sleep "$1"; after=$(swapped)
echo "page=$(getconf PAGESIZE)"
[ -n "$before" ] && [ -n "$after" ] && echo "pages=$((after - before))"
exit 0
"""


def probe_host(host: Host) -> HostFacts:
    """Ask the host what it is. Raises HostError when it cannot say even that."""
    root = host.root
    before = time.time()
    done = must(
        run_script(host, SCRIPT, [root, *host.uv_candidates], timeout=60),
        f"{host.name} cannot be looked at",
        "Does the account have a POSIX shell?",
    )
    after = time.time()
    values = read_values(done.stdout.decode(errors="replace"))
    return replace(parse_facts(values), clock_ahead=clock_ahead(_number(values, "clock"), before, after))


def clock_ahead(said: int | None, before: float, after: float) -> float | None:
    """How far another clock, which said whole seconds between two moments of ours, is surely ahead; behind: negative."""
    if said is None:
        return None
    if said > after:
        return said - after
    return min(0.0, said + 1 - before)


def probe_swap(host: Host, seconds: int = 2) -> float | None:
    """Bytes a second that the host moves out of its memory; None when it does not tell. Raises HostError."""
    done = must(run_script(host, SWAP_SCRIPT, [str(seconds)], timeout=60), f"{host.name} cannot be looked at")
    values = read_values(done.stdout.decode(errors="replace"))
    pages, page = _number(values, "pages"), _number(values, "page")
    return None if pages is None or page is None else pages * page / seconds


def read_values(text: str) -> dict[str, str]:
    """`key=value` lines; a login banner or anything else between them is passed over."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.isidentifier() and key.islower():
            values[key] = value.strip()
    return values


def parse_facts(values: Mapping[str, str]) -> HostFacts:
    """Facts from the script's values; whatever is missing or odd becomes None."""
    disk = _DISK.search(f"{values.get('disk', '')} ")
    boot = _BOOT.search(values.get("boot", ""))
    glibc = re.search(r"(\d+)\.(\d+)", values.get("glibc", ""))
    wired = _number(values, "wired_limit_mb")
    return HostFacts(
        system=values.get("system", ""),
        arch=values.get("arch", ""),
        os_version=values.get("os_version", ""),
        home=PurePosixPath(values.get("home") or "/"),
        user=values.get("user", ""),
        memory_bytes=_number(values, "memory_bytes") or _number(values, "memory_kib", 1024),
        available_bytes=_number(values, "pages") or _number(values, "available_kib", 1024),
        wired_limit=wired * (1 << 20) if wired else None,
        disk_free_bytes=max(0, int(disk["free"])) * 1024 if disk else None,
        writable=values.get("writable") != "no",
        uv=_path(values.get("uv")),
        uv_version=values.get("uv_version", ""),
        python=_path(values.get("python")),
        boot_time=int(boot[1] or boot[2]) if boot else None,
        on_mains=_on_mains(values),
        case_insensitive=values.get("case_insensitive") == "yes",
        chip=values.get("chip", ""),
        translated=values.get("translated") == "1",
        glibc=(int(glibc[1]), int(glibc[2])) if glibc else None,
        compiler=_path(values.get("compiler")),
        sleep_minutes=_number(values, "sleep"),
        display_minutes=_number(values, "displaysleep"),
        display_held=values.get("display_held") == "1",
        filevault="is On" in values["filevault"] if values.get("filevault") else None,
    )


def _on_mains(values: Mapping[str, str]) -> bool | None:
    if "battery" in values:
        return values["battery"] != "Discharging"
    power = values.get("power", "")
    if "Battery Power" in power:
        return False
    if "AC Power" in power:
        return True
    return True if values.get("system") == "Linux" else None


def _number(values: Mapping[str, str], key: str, unit: int = 1) -> int | None:
    text = values.get(key, "")
    return int(text) * unit if text.isascii() and text.isdigit() else None


def _path(text: str | None) -> PurePosixPath | None:
    return PurePosixPath(text) if text and text.startswith("/") else None
