"""The runbook lists every line of `host.check`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_line_of_host_check_is_in_the_runbook() -> None:
    sources = [
        *(ROOT / "packages/remote/src").rglob("*.py"),
        ROOT / "packages/cli/src/tunewright/cli/fitness.py",
    ]
    made = {
        name
        for path in sources
        for name in re.findall(r'HostFinding\(\s*"([a-z]+)"', path.read_text(encoding="utf-8"))
    }
    section = (
        (ROOT / "docs/runbook.md").read_text(encoding="utf-8").partition("## What host.check looks at")[2]
    )
    rows = [
        line.split("|")[1] for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")
    ]
    assert len(made) >= 17
    assert {name for row in rows for name in re.findall(r"`([a-z]+)`", row)} == made
