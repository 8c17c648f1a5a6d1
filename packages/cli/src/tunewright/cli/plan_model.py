"""The base model's config, wherever it is, and what is counted from it in an environment that has mlx."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tunewright.cli.embedded_model import tiny_model
from tunewright.cli.invoke_program import ROOT
from tunewright.contract.base_tokenizer import hub_cache
from tunewright.contract.console import say
from tunewright.contract.counts import Counts
from tunewright.contract.embedded import packaged_model
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe, recipes_folder

if TYPE_CHECKING:
    from tunewright.remote.host import Host
    from tunewright.remote.host_facts import HostFacts

LARGEST = 1 << 26  # bytes of a file from the hub
COUNTING = 300.0  # seconds


class Unknown(Exception):
    """Something about the base model could not be found out, and why."""


@dataclass(frozen=True)
class BaseConfig:
    """A config.json's content, and whether the model itself is on the host."""

    config: dict[str, Any]
    there: bool
    missing: str = ""  # why a run could not start, where the config is known without the model
    tokens: int = 0  # of a usual batch row, where the recipe's config says so; and where that comes from
    tokens_source: str = ""


def find_config(recipe: Recipe, host: "Host", facts: "HostFacts") -> BaseConfig:
    """The base model's config: shipped with us, on the host, or from the hub at the pinned revision.

    Raises UserError when the recipe names a folder that the host does not have, Unknown when the hub did not
    give it.
    """
    base = recipe.model.base
    if base == "embedded:tiny":
        return BaseConfig(_parse((tiny_model() / "config.json").read_bytes(), base), True)
    if packaged_model(base) and (shipped := shipped_config(recipe)):
        return replace(shipped, there=True)
    if base.startswith("embedded:"):
        raise Unknown(f"{base} is converted when the run starts; its sizes are known after that")
    from tunewright.remote.host import LOCAL, read_file

    if base.startswith(("/", "~", ".")):
        folder = (
            facts.home / base.removeprefix("~").lstrip("/") if base.startswith("~") else PurePosixPath(base)
        )
        data = read_file(host, folder / "config.json") if folder.is_absolute() else None
        if data is None:
            missing = f"no model in {base} on {host.name}"
            if shipped := shipped_config(recipe):
                return replace(shipped, missing=missing)
            raise UserError(missing, "Put it there; the recipe says how.")
        return BaseConfig(_parse(data, f"{base}/config.json"), True)
    revision = recipe.model.revision
    # What HF_HOME says is known of this machine alone.
    cache = PurePosixPath(hub_cache(base))
    if host.name != LOCAL:
        cache = facts.home / ".cache" / "huggingface" / "hub" / cache.name
    data = read_file(host, cache / "snapshots" / revision / "config.json") if revision else None
    if data is not None:
        return BaseConfig(_parse(data, f"{base} on {host.name}"), True)
    if shipped := shipped_config(recipe):
        return shipped
    if revision is None:
        raise Unknown(f"which commit of {base} is meant: the hub has to be asked once")
    return BaseConfig(_parse(fetch(base, revision, "config.json"), base), False)


def shipped_config(recipe: Recipe) -> BaseConfig | None:
    """What `recipes/configs/NAME.json` knows of the base of a recipe of ours; None for any other base."""
    path = recipes_folder(ROOT) / "configs" / f"{recipe.name}.json"
    if not path.is_file():
        return None
    value = _parse(path.read_bytes(), str(path))
    if value.get("base") != recipe.model.base:
        return None
    return BaseConfig(
        value["config"],
        False,
        tokens=int(value.get("tokens", 0)),
        tokens_source=str(value.get("tokens_source", "")),
    )


def fetch(repository: str, revision: str, file: str) -> bytes:
    """A small file of a hub repository at a commit. Raises Unknown."""
    from tunewright.contract.hub import hub_errors, hub_stream

    try:
        with (
            hub_errors(f"{repository} at {revision[:12]}, {file}"),
            hub_stream(repository, revision, file) as answer,
        ):
            return read_at_most(answer.iter_bytes(), LARGEST)
    except UserError as error:
        raise Unknown(f"it is not on the host yet, and its {file} not to be had: {error.message}") from error


def read_at_most(pieces: Iterable[bytes], most: int) -> bytes:
    """What comes, up to `most` bytes; who sends more is heard no longer."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) >= most:
            break
    return bytes(found[:most])


def _parse(data: bytes, origin: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise UserError(f"{origin}: config.json is not JSON ({error})", "Fetch the model again.") from error
    if not isinstance(value, dict):
        raise UserError(f"{origin}: config.json holds no object", "Fetch the model again.")
    return value


def count(
    recipe: Recipe,
    config: dict[str, Any],
    tokens: int,
    loss_share: float,
    *,
    on_cpu: bool = False,
    there: Callable[[bytes], bytes] | None = None,
) -> Counts:
    """Count in this Python when it has mlx, else on the host with `there`, else in this machine's own environment, which is
    installed when missing.

    Raises UserError for a config that cannot be counted, Unknown when nothing here can count.
    """
    question = {
        "recipe": recipe.model_dump(mode="json", by_alias=True),
        "config": config,
        "tokens": tokens,
        "loss_share": loss_share,
        "on_cpu": on_cpu,
    }
    said = (there if there and not _counts_here() else _count_here)(json.dumps(question).encode())
    try:
        answer = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise Unknown("counting failed: it gave no answer") from None
    if "error" in answer:
        raise UserError(answer["error"], answer.get("hint", ""))
    return Counts.model_validate(answer["counts"])


def _count_here(question: bytes) -> bytes:
    try:
        done = subprocess.run(
            [_python(), "-P", "-m", "tunewright.train.counting"],
            input=question,
            capture_output=True,
            timeout=COUNTING,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unknown(f"nothing here could count it ({error})") from error
    if not done.stdout.strip():
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise Unknown(f"counting failed here: {reason}")
    return done.stdout


def _counts_here() -> bool:
    return all(_has(name) for name in ("mlx_lm", "tunewright.train"))


def _python() -> str:
    if _counts_here():
        return sys.executable
    from tunewright.contract.errors import HostError
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import open_host

    try:
        with open_host("local", ROOT) as here:
            return install_environment(here, ROOT, say).python
    except HostError as error:
        raise Unknown(f"nothing here can count it: {error.message}") from error


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
