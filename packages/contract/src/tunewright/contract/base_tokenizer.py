"""A base model's tokenizer on this machine: its folder, and the chat template it brings. Nothing is fetched."""

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunewright.contract.errors import UserError


def tokenizer_folder(base: str, revision: str | None) -> Path | None:
    """The folder of the base model's tokenizer on this machine; None when it is not here. Nothing is fetched."""
    if base.startswith("embedded:"):
        # The model is a file of the trainer's package; nothing of that package is run.
        found = importlib.util.find_spec("tunewright.train")
        places = list(found.submodule_search_locations or ()) if found else []
        folders = [Path(place) / base.removeprefix("embedded:") / "model" for place in places]
    elif base.startswith(("/", "~", ".")):
        folders = [Path(base).expanduser()]
    else:
        folders = [hub_cache(base) / "snapshots" / (revision or "main")]
    return next((folder for folder in folders if (folder / "tokenizer.json").is_file()), None)


def hub_cache(repository: str) -> Path:
    """Where this machine's cache keeps a hub repository, whether it is there or not."""
    cache = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")) / "hub"
    return cache / f"models--{repository.replace('/', '--')}"


def chat_template(folder: Path) -> str:
    """The Jinja text of the template in a tokenizer's folder, of several the default one; empty when it has none.

    Raises UserError for files that cannot be read.
    """
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error
    template = _config(folder).get("chat_template") or ""
    if isinstance(template, list):
        named = [entry for entry in template if isinstance(entry, dict) and entry.get("name") == "default"]
        template = named[0].get("template", "") if named else ""
    return str(template)


def special_tokens(folder: Path) -> dict[str, str]:
    """The special tokens of a tokenizer's folder by name (`bos_token`, …). Raises UserError like `chat_template`."""
    found = {name: token for name, token in _config(folder).items() if name.endswith("_token") and token}
    return {
        name: str(token.get("content", "") if isinstance(token, dict) else token)
        for name, token in found.items()
    }


def end_marks(folder: Path, token_of: Callable[[int], str | None]) -> list[str]:
    """The marks that end a turn, as mlx-lm knows them: of the tokenizer, and of the model's config where it is there.

    `token_of` gives a token's text by its id. Raises UserError like `chat_template`.
    """
    ids: Any = _json(folder / "config.json").get("eos_token_id")
    listed = ids if isinstance(ids, list) else [ids]
    found = [token_of(number) for number in listed if isinstance(number, int)]
    marks = [special_tokens(folder).get("eos_token"), *found]
    return list(dict.fromkeys(mark for mark in marks if mark))


def _config(folder: Path) -> dict[str, Any]:
    return _json(folder / "tokenizer_config.json")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        config: Any = json.loads(path.read_bytes())
        if not isinstance(config, dict):
            raise ValueError("it holds no JSON object")
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    return config


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read: {error}", "Is it whole? Fetch the base model again.")
