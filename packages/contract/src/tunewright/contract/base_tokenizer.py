"""A base model's tokenizer on this machine: where it stands, and the chat template it brings. Nothing is fetched."""

import importlib.util
import json
import os
from pathlib import Path


def tokenizer_folder(base: str, revision: str | None) -> Path | None:
    """Where the base model's tokenizer stands on this machine; None when it is not here. Nothing is fetched."""
    if base.startswith("embedded:"):
        # The model is a file of the trainer's package; nothing of that package is run.
        found = importlib.util.find_spec("tunewright.train")
        places = list(found.submodule_search_locations or ()) if found else []
        folders = [Path(place) / base.removeprefix("embedded:") / "model" for place in places]
    elif base.startswith(("/", "~", ".")):
        folders = [Path(base).expanduser()]
    else:
        cache = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")) / "hub"
        folders = [cache / f"models--{base.replace('/', '--')}" / "snapshots" / (revision or "main")]
    return next((folder for folder in folders if (folder / "tokenizer.json").is_file()), None)


def chat_template(folder: Path) -> str:
    """The Jinja text of the template in a tokenizer's folder, of several the default one; empty when it has none."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    config = folder / "tokenizer_config.json"
    template = json.loads(config.read_bytes()).get("chat_template") or "" if config.is_file() else ""
    if isinstance(template, list):
        template = next((entry["template"] for entry in template if entry.get("name") == "default"), "")
    return str(template)
