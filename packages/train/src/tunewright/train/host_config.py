"""`host.toml` in a host's folder: what its owner lets runs do there."""

import re
import tomllib
from datetime import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tunewright.contract.errors import UserError

FILE = "host.toml"
_HOURS = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)$", re.ASCII)


class HostConfig(BaseModel):
    """The owner's wishes; what is not said has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resumes: int = Field(default=3, ge=0, le=100)  # times that a run goes on by itself after its worker died
    quiet: tuple[str, ...] = ()  # `22:00-07:00` by the machine's clock: runs pause then
    memory_gb: float | None = Field(
        default=None, gt=0
    )  # what the processes of the run at work may hold, in 10^9 bytes

    @field_validator("quiet")
    @classmethod
    def _are_hours(cls, hours: tuple[str, ...]) -> tuple[str, ...]:
        for text in hours:
            parse_hours(text)
        return hours


def parse_hours(text: str) -> tuple[time, time]:
    """`22:00-07:00` as two times; the second may be the next day's. Raises ValueError."""
    found = _HOURS.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not like 22:00-07:00")
    hour, minute, to_hour, to_minute = map(int, found.groups())
    begin, end = time(hour, minute), time(to_hour, to_minute)
    if begin == end:
        raise ValueError(f"{text!r} begins and ends at the same time")
    return begin, end


def read_config(root: Path) -> HostConfig:
    """The configuration of the host's folder `root`; the defaults where it has none.

    Raises UserError for a file that cannot be used.
    """
    path = root / FILE
    try:
        return HostConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return HostConfig()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = "no such key" if first["type"] == "extra_forbidden" else first["msg"]
        raise UserError(f"{path}: {where}: {reason}", "docs/formats.md lists what it may hold.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})", "Fix the line, or remove the file.") from error
