"""What is in a host's folder: every file of every run, the environments and the blobs."""

import re
from dataclasses import dataclass, field

from tunewright.contract.errors import HostError
from tunewright.remote.checksum import SUM
from tunewright.remote.host import Host, must, run_script

# Files whose hash is asked for: what a run says of itself. Stages have manifests.
HASHED = ("spec.json", "status.json", "events.jsonl", "worker.log")
# Names with other characters are not ours and are not looked at. `find -print0` counts files even when a name
# holds a line end, so that a file that is missing from the list is noticed.
_SURVEY = (
    SUM
    + r"""
cd "$1" 2>/dev/null || exit 0
for run in runs/*; do
  [ -d "$run" ] && [ ! -L "$run" ] || continue
  case $run in *[!A-Za-z0-9./_-]*) continue ;; esac
  printf 'run %s %s\n' "$(find "$run" ! -type d -print0 | tr -cd '\0' | wc -c | tr -d ' ')" "$run"
  find "$run" -type f -exec wc -c {} + || printf 'unread %s\n' "$run"
  for name in spec.json status.json events.jsonl worker.log; do
    [ -f "$run/$name" ] && printf 'sum %s %s\n' "$(sum "$run/$name")" "$run/$name"
  done
done
for kind in runs envs blobs; do
  [ -d "$kind" ] || continue
  for path in "$kind"/* "$kind"/.[!.]*; do
    [ -e "$path" ] || continue
    case $path in *[!A-Za-z0-9./_-]*) continue ;; runs/.*) ;; runs/*) continue ;; esac
    old=$(find "$path" -prune -mmin +60 2>/dev/null)
    printf 'entry %s %s %s\n' "$(du -sk "$path" | awk '{print $1}')" "${old:+old}" "$path"
  done
done
exit 0
"""
)
_RUN = re.compile(r"^run (\d+) runs/([A-Za-z0-9._-]+)$")
_UNREAD = re.compile(r"^unread runs/([A-Za-z0-9._-]+)$")
_FILE = re.compile(r"^ *(\d+) runs/([A-Za-z0-9._-]+)/(.+)$")
_SUM_LINE = re.compile(r"^sum ([0-9a-f]{64}) runs/([A-Za-z0-9._-]+)/([a-z.]+)$")
_ENTRY = re.compile(r"^entry (\d+) (old)? ?(runs|envs|blobs)/([A-Za-z0-9._-]+)$")


@dataclass
class RunFiles:
    """A run's folder on a host. `complete` is False when it holds something that could not be listed: a
    link, a name with a line end, a folder that cannot be read."""

    name: str
    files: dict[str, int] = field(default_factory=dict[str, int])  # path in the folder -> bytes
    sums: dict[str, str] = field(default_factory=dict[str, str])  # of HASHED files -> SHA-256
    complete: bool = True

    @property
    def bytes(self) -> int:
        return sum(self.files.values())

    def below(self, folder: str) -> dict[str, int]:
        """The files below a folder of the run, by their path in it."""
        prefix = f"{folder}/"
        return {
            path.removeprefix(prefix): size for path, size in self.files.items() if path.startswith(prefix)
        }


@dataclass(frozen=True)
class Entry:
    """An environment, a blob, or something hidden among runs, environments and blobs."""

    kind: str  # `runs`, `envs` or `blobs`
    name: str
    bytes: int
    old: bool  # unchanged for an hour


@dataclass(frozen=True)
class Holdings:
    """Everything in a host's folder."""

    runs: dict[str, RunFiles]
    entries: tuple[Entry, ...]


def survey_host(host: Host) -> Holdings:
    """Look at everything in the host's folder. Changes nothing. Raises HostError."""
    done = must(run_script(host, _SURVEY, [host.root], timeout=600), f"{host.name}: cannot look at its runs")
    return parse_survey(done.text)


def parse_survey(text: str) -> Holdings:
    """What the survey's lines say. A line that fits no form is passed over, and its run is not complete."""
    runs: dict[str, RunFiles] = {}
    counts: dict[str, int] = {}
    entries: list[Entry] = []
    for line in text.split("\n"):
        if match := _RUN.match(line):
            counts[match[2]] = int(match[1])
            runs.setdefault(match[2], RunFiles(match[2]))
        elif match := _UNREAD.match(line):
            runs.setdefault(match[1], RunFiles(match[1])).complete = False
        elif match := _SUM_LINE.match(line):
            runs.setdefault(match[2], RunFiles(match[2])).sums[match[3]] = match[1]
        elif match := _FILE.match(line):
            runs.setdefault(match[2], RunFiles(match[2])).files[match[3]] = int(match[1])
        elif match := _ENTRY.match(line):
            entries.append(Entry(match[3], match[4], int(match[1]) * 1024, match[2] is not None))
    for name, run in runs.items():
        run.complete = run.complete and counts.get(name) == len(run.files)
    return Holdings(runs, tuple(entries))


def check_inside(*names: str) -> None:
    """Raises HostError for a path that would leave the folder that it is below."""
    for name in names:
        if name.startswith("/") or not name or any(part in ("", ".", "..") for part in name.split("/")):
            raise HostError(f"{name!r} would leave the host's folder")
