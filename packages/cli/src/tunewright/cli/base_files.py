"""The base model's chat template and tokenizer, wherever the base is: here, on the host, or at its commit on the hub.

A few small files are brought; no weights, and nothing of them is run but the sandboxed template.
"""

from contextlib import closing
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tunewright.cli.invoke_program import ROOT
from tunewright.cli.pipeline import WORK
from tunewright.cli.template_fit import BaseTemplate, base_template, folder_template
from tunewright.contract.console import say

if TYPE_CHECKING:
    from tunewright.contract.recipe import Recipe
    from tunewright.remote.host import Host

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json")
LARGEST = 1 << 26  # bytes of one of them; a tokenizer.json of 250,000 words has some 35 million
GGUF = "embedded:gguf:"


def find_template(recipe: "Recipe", host: str) -> BaseTemplate | None:
    """The template of a recipe's base; None when it is nowhere. Raises HostError when the host is away."""
    from tunewright.remote.host import open_host

    if found := base_template(recipe):
        return found
    with open_host(host, ROOT) as machine:
        return template_on(recipe, machine)


def template_on(recipe: "Recipe", host: "Host") -> BaseTemplate | None:
    """The template of a base that this machine does not have, brought from the host, or else from the hub."""
    from tunewright.remote.host_facts import probe_host

    base, revision = recipe.model.base, recipe.model.revision
    home = probe_host(host).home
    if base.startswith(GGUF):
        return _of_gguf(host, _path(base.removeprefix(GGUF), home))
    if base.startswith("embedded:"):
        return None
    if base.startswith(("/", "~", ".")):
        return _brought(_from_host(host, _path(base, home)), f"{base} on {host.name}")
    if revision is None:
        return None
    snapshot = home / ".cache/huggingface/hub" / f"models--{base.replace('/', '--')}" / "snapshots" / revision
    if files := _from_host(host, snapshot):
        return _brought(files, f"{base} on {host.name}")
    return _brought(_from_hub(base, revision), f"{base} on the hub")


def _path(name: str, home: PurePosixPath) -> PurePosixPath:
    return home / name.removeprefix("~").lstrip("/") if name.startswith("~") else PurePosixPath(name)


def _from_host(host: "Host", folder: PurePosixPath) -> dict[str, bytes]:
    from tunewright.remote.host import read_file

    if not folder.is_absolute():
        return {}
    found = {name: read_file(host, folder / name, most=LARGEST) for name in FILES}
    return {name: data for name, data in found.items() if data is not None}


def _from_hub(repository: str, revision: str) -> dict[str, bytes]:
    from tunewright.cli.plan_model import Unknown, fetch

    found: dict[str, bytes] = {}
    for name in FILES:
        try:
            found[name] = fetch(repository, revision, name)
        except Unknown:
            if name == "tokenizer.json":
                return {}  # without it nothing can be counted, and no other file is asked for
    return found


def _brought(files: dict[str, bytes], origin: str) -> BaseTemplate | None:
    from tunewright.contract.atomic import atomic_folder, sha256_bytes, sha256_json, write_bytes

    if "tokenizer.json" not in files:
        return None
    folder = (
        WORK / "tokenizers" / sha256_json({name: sha256_bytes(data) for name, data in files.items()})[:16]
    )
    if not folder.is_dir():
        with atomic_folder(folder) as making:
            for name, data in files.items():
                write_bytes(making / name, data)
        say(f"prepare   brought the tokenizer of {origin} ({sum(map(len, files.values())) / 1e6:.1f} MB)")
    return folder_template(folder)


def _of_gguf(host: "Host", path: PurePosixPath) -> BaseTemplate | None:
    """The template in a GGUF file's metadata. Raises UserError when it is not such a file, or not there."""
    from tunewright.contract.chat_template import ChatTemplate
    from tunewright.contract.errors import UserError
    from tunewright.contract.gguf_metadata import read_metadata
    from tunewright.contract.template_support import probe_template

    if not path.is_absolute():
        raise UserError(
            f"{path} is not an absolute path of a file on {host.name}",
            "Say embedded:gguf:/… or embedded:gguf:~/…",
        )
    try:
        with closing(host.stream(path)) as stream:
            metadata = read_metadata(stream)
    except FileNotFoundError as error:
        raise UserError(
            f"no file {path} on {host.name}", "Put it there, or correct the recipe's model.base."
        ) from error
    except ValueError as error:
        raise UserError(f"{path} on {host.name}: {error}", "Fetch or convert the file again.") from error
    text = metadata.get("tokenizer.chat_template")
    if not isinstance(text, str) or not text:
        return None
    template = ChatTemplate(text, _special_tokens(metadata))
    return BaseTemplate(
        probe_template(lambda rows, tools, opened: template.render(rows, tools, opened=opened))
    )


def _special_tokens(metadata: dict[str, Any]) -> dict[str, Any]:
    tokens = metadata.get("tokenizer.ggml.tokens")
    words: list[str] = tokens if isinstance(tokens, list) else []
    named: dict[str, Any] = {}
    for name in ("bos", "eos"):
        number = metadata.get(f"tokenizer.ggml.{name}_token_id")
        if isinstance(number, int) and 0 <= number < len(words):
            named[f"{name}_token"] = words[number]
    thinks = all(mark in words for mark in ("<think>", "</think>"))
    return {**named, "enable_thinking": thinks}
