"""What a user's TOML file says about checks."""

import getpass
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from tunewright.audit.checks import SEVERITIES, Check, Severity, read_checks
from tunewright.audit.features import BY_NAME
from tunewright.audit.findings import Finding
from tunewright.audit.label_features import LABELS
from tunewright.chat.reading.settings import parse_reading
from tunewright.contract.errors import UserError


@dataclass(frozen=True)
class Config:
    """What a user's TOML file says about checks: folders of their own, changed thresholds, severities, suppression."""

    folders: tuple[Path, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict[str, str])
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    by_definition: frozenset[tuple[str, str]] = frozenset()
    accepted: Mapping[str, str] = field(default_factory=dict[str, str])  # check -> who accepted it, and why

    def applied(self, check: Check) -> Check | None:
        """The check as the user wants it; None when it is switched off."""
        if self.severities.get(check.id) == "off":
            return None
        return replace(check, thresholds={**check.thresholds, **self.thresholds.get(check.id, {})})

    def graded(self, finding: Finding) -> Finding:
        """A user's severity replaces ours, but never makes an information a fault; a warning may be accepted."""
        wanted = self.severities.get(finding.check)
        if wanted is not None and finding.severity != "info":
            finding = replace(finding, severity=cast("Severity", wanted))
        # A fault is not accepted: it is fixed, or given another severity.
        if finding.severity == "warn" and finding.check in self.accepted:
            return replace(finding, accepted=self.accepted[finding.check])
        return finding


def read_config(path: Path | None, known: Iterable[Check]) -> Config:
    """Read an audit configuration. Raises UserError naming the key that is not understood."""
    if path is None:
        return Config()
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "Give the path of a .toml file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML ({error})", "Fix that line.") from error
    if unknown := value.keys() - {"folders", "checks", "by_definition", "accept", "read", "calls"}:
        raise UserError(
            f"{path}: {min(unknown)}: no such key",
            "Known: folders, checks, by_definition, accept, read, calls.",
        )
    parse_reading(value, str(path))
    folders = value.get("folders", [])
    if not isinstance(folders, list) or not all(isinstance(folder, str) for folder in folders):
        raise UserError(f"{path}: folders: a list of paths is needed", 'folders = ["checks"]')
    pairs = value.get("by_definition", [])
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        for pair in pairs
    ):
        raise UserError(f"{path}: by_definition: pairs are needed", 'by_definition = [["tool_set", "tool"]]')
    for feature, label in pairs:
        if feature not in BY_NAME or label not in LABELS:
            wrong = feature if feature not in BY_NAME else label
            raise UserError(
                f"{path}: by_definition: {wrong!r} is not a {'label' if wrong == label else 'feature'}",
                f"Labels: {', '.join(LABELS)}. Features: {', '.join(BY_NAME)}.",
            )
    own = tuple(path.parent / folder for folder in folders)
    ours = {check.id: check for check in known}
    theirs = [check for folder in own for check in read_checks(folder)]
    for check in theirs:
        if check.id in ours:
            raise UserError(
                f"{check.origin}: there is a check {check.id} already",
                f'Choose another id. To change ours: [checks."{check.id}"] in {path.name}.',
            )
        ours[check.id] = check
    thresholds_of = {name: check.thresholds for name, check in ours.items()}
    severities: dict[str, str] = {}
    thresholds: dict[str, dict[str, float]] = {}
    for name, table in value.get("checks", {}).items():
        if name not in thresholds_of:
            raise UserError(f"{path}: checks.{name!r}: no such check", "docs/checks.md lists them.")
        if not isinstance(table, dict):
            raise UserError(f"{path}: checks.{name!r}: a table is needed", f'[checks."{name}"]')
        for key, setting in table.items():
            if key == "severity" and setting in (*SEVERITIES, "off"):
                severities[name] = setting
            elif key in thresholds_of[name] and isinstance(setting, int | float):
                thresholds.setdefault(name, {})[key] = float(setting)
            else:
                known_keys = ", ".join(["severity", *thresholds_of[name]])
                raise UserError(
                    f"{path}: checks.{name!r}.{key}: not understood",
                    f"Known: {known_keys}; severity is fail, warn, info or off.",
                )
    accepted = value.get("accept", {})
    if not isinstance(accepted, dict) or not all(isinstance(why, str) for why in accepted.values()):
        raise UserError(
            f"{path}: accept: a table of checks and reasons is needed", '"balance.tool" = "few by design"'
        )
    config = Config(own, severities, thresholds, frozenset((a, b) for a, b in pairs))
    return accepting(config, accepted, ours.values(), str(path))


def accepting(config: Config, reasons: Mapping[str, str], known: Iterable[Check], by: str = "") -> Config:
    """The configuration with the warnings of these checks accepted.

    Raises UserError for a check that is not known, and without a reason.

    `by` says who accepts them; else it is whoever runs this.
    """
    names = {check.id for check in known} | set(config.severities) | set(config.thresholds)
    names |= {check.id for folder in config.folders for check in read_checks(folder)}
    accepted = dict(config.accepted)
    for name, why in reasons.items():
        if name not in names:
            raise UserError(f"{name}: no such check to accept", "docs/checks.md lists them.")
        if not why.strip():
            raise UserError(f"{name}: accepted without a reason", 'Say why: --why "few by design".')
        accepted[name] = f"{by or getpass.getuser()}: {why.strip()}"
    return replace(config, accepted=accepted)
