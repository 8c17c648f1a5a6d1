"""A baseline: an earlier audit's JSON, whose findings are accepted, so that only what is new is reported."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.audit.findings import Finding
from tunewright.contract.errors import UserError

Key = tuple[str, str | None, str | None, str | None, str]


def _key(check: str, split: str | None, feature: str | None, label: str | None, message: str) -> Key:
    # Counts move with every row that is added; what is said stays the same.
    return check, split, feature, label, re.sub(r"\d[\d.,]*", "#", message)


def read_baseline(path: Path | None) -> dict[Key, int]:
    """How many rows each accepted finding had. Raises UserError when the file is not an audit's JSON."""
    if path is None:
        return {}
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        return {
            _key(f["check"], f.get("split"), f.get("feature"), f.get("label"), f["message"]): int(
                f.get("count", 0)
            )
            for f in value["findings"]
        }
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "Give a file that `audit --json` wrote.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not an audit's JSON", "Give a file that `audit --json` wrote.") from error


def is_known(finding: Finding, baseline: Mapping[Key, int]) -> bool:
    """Whether the baseline has the finding with at least as many rows: a finding that grew is reported again."""
    key = _key(finding.check, finding.split, finding.feature, finding.label, finding.message)
    return finding.count <= baseline.get(key, -1)
