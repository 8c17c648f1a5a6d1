"""Copy the version of the root's pyproject.toml to every package, and pin the packages to each other by it.

    python3 infra/set_version.py

To release: change `version` in pyproject.toml, run this, then `uv lock`. Standard library only.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def with_version(pyproject: str, version: str) -> str:
    """A package's pyproject.toml with its version, and those of its siblings, set to `version`."""
    own = re.sub(r'^version = ".*"$', f'version = "{version}"', pyproject, count=1, flags=re.MULTILINE)
    return re.sub(r'"(tunewright-[a-z]+(?:\[[a-z,]+\])?)==[^"]+"', rf'"\1=={version}"', own)


def main() -> None:
    """Write what changes, and name it."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for path in sorted(ROOT.glob("packages/*/pyproject.toml")):
        before = path.read_text(encoding="utf-8")
        after = with_version(before, version)
        if after != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}: {version}\n")


if __name__ == "__main__":
    main()
