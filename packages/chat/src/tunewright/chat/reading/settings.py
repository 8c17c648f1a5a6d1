"""What a user says about reading: the tables `[read]` and `[calls]` of a TOML file, the audit's config or any other."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.chat.reading.call_pattern import CallPattern, parse_patterns
from tunewright.chat.reading.mapping import ReadTable, parse_read_table
from tunewright.contract.errors import UserError


@dataclass(frozen=True)
class Reading:
    """How rows are read: by which columns, with which calls of the user's own, and with or without Arrow's nulls."""

    table: ReadTable | None = None
    patterns: tuple[CallPattern, ...] = ()
    drop_padding: bool = False

    def key(self) -> Any:
        """What decides how rows are read, as JSON."""
        table = self.table
        named = (
            {**table.columns, "role": table.role, "content": table.content, "roles": dict(table.roles)}
            if table
            else {}
        )
        patterns = {each.dialect: each.pattern.pattern for each in self.patterns}
        return {"read": named, "calls": patterns, "drop_padding": self.drop_padding}


def parse_reading(value: Mapping[str, Any], origin: str) -> Reading:
    """The tables of a parsed TOML file; its other keys are left alone. Raises UserError that names the key."""
    given = value.get("read", {})
    drop = given.get("drop_padding", False) if isinstance(given, dict) else False
    if not isinstance(drop, bool):
        raise UserError(f"{origin}: read.drop_padding: true or false is needed", "drop_padding = true")
    named = (
        {key: name for key, name in given.items() if key != "drop_padding"}
        if isinstance(given, dict)
        else given
    )
    table = parse_read_table(named, origin) if "read" in value and named else None
    return Reading(table, parse_patterns(value.get("calls", {}), origin), drop)


def load_reading(path: Path | None) -> Reading:
    """Read the tables of a TOML file. Raises UserError for what cannot be read or is not understood."""
    if path is None:
        return Reading()
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "Give the path of a .toml file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML ({error})", "Correct the line named.") from error
    return parse_reading(value, str(path))
