"""`hosts.toml`: what this checkout's user wants of each host; and which recipe a task takes when none is named.

How a host is reached is in `~/.ssh/config`, and nowhere else.
"""

import tomllib

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tunewright.cli.invoke_program import ROOT
from tunewright.cli.pipeline import DEFAULT_RECIPE
from tunewright.contract.console import say
from tunewright.contract.errors import UserError

HOSTS = ROOT / "hosts.toml"


class HostSettings(BaseModel):
    """A host's table: `[mac-studio]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = ""  # what `train` and `plan` take for this host; empty: the default


_HOSTS = TypeAdapter(dict[str, HostSettings])


def host_settings(host: str) -> HostSettings:
    """The host's table; an empty one where it has none. Raises UserError for a file that cannot be used."""
    try:
        return _HOSTS.validate_python(tomllib.loads(HOSTS.read_text(encoding="utf-8"))).get(
            host, HostSettings()
        )
    except FileNotFoundError:
        return HostSettings()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = "no such key" if first["type"] == "extra_forbidden" else first["msg"]
        raise UserError(
            f"{HOSTS}: {where}: {reason}", 'A table for each host: [mac-studio] and recipe = "NAME"'
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{HOSTS}: cannot be read ({error})", "Fix the line, or remove the file.") from error


def choose_recipe(recipe: str, host: str) -> str:
    """What the user named, else what `hosts.toml` names for the host, else the default; the last two are said."""
    if recipe:
        return recipe
    if named := host_settings(host).recipe:
        say(f"recipe    {named}, which hosts.toml names for {host}; another: --recipe NAME")
        return named
    say(
        f'recipe    {DEFAULT_RECIPE}, the default; another: --recipe NAME, or in hosts.toml: [{host}] recipe = "NAME"'
    )
    return DEFAULT_RECIPE
