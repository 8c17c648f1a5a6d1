"""`host.toml` in a host's folder: what its owner lets runs do there."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tunewright.contract.errors import UserError

FILE = "host.toml"


class HostConfig(BaseModel):
    """The owner's wishes; what is not said has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resumes: int = Field(default=3, ge=0, le=100)  # times that a run goes on by itself after its worker died


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
