"""The model hub, asked through its own client: what a repository holds at a commit. Nothing is fetched here.

`HF_ENDPOINT` names another hub. Its client is imported when it is needed: it takes half a second.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from tunewright.contract.base_lock import BaseLock, LockedFile, is_model_file
from tunewright.contract.errors import UserError
from tunewright.contract.visible import one_line

PATIENCE = 20.0  # seconds for an answer
SILENCE = 30.0  # seconds without a byte after which a connection is given up
MOST_FILES = 10_000  # of a repository's first folder that are looked at
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def hub_endpoint() -> str:
    """The hub's address. Raises UserError for one that anybody on the way could answer for."""
    address = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise UserError(
            f"HF_ENDPOINT is {address!r}: only https is asked, or http on this machine itself",
            "Set HF_ENDPOINT to the address of your hub, or unset it.",
        )
    return address


def resolve_base(repository: str, revision: str | None = None) -> BaseLock:
    """The files of a base model in a repository, at a commit or at its main branch's present one.

    Raises UserError when the hub does not give them, or what it says cannot be true.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    name = f"{repository} at {revision[:12]}" if revision else repository
    with hub_errors(name):
        api = HfApi(endpoint=hub_endpoint())
        commit = api.model_info(repository, revision=revision, timeout=PATIENCE).sha or ""
        if revision and commit != revision:
            raise UserError(f"{name}: the hub answers with commit {one_line(commit, 60)}", "Is it your hub?")
        listed = list(islice(api.list_repo_tree(repository, revision=commit), MOST_FILES))
        return make_lock(repository, commit, [_entry(file) for file in listed if isinstance(file, RepoFile)])


def make_lock(repository: str, commit: str, entries: list[dict[str, Any]]) -> BaseLock:
    """A lock out of what a hub said, as far as it is a model's files. Raises UserError for what cannot be true."""
    for entry in entries:
        parts = str(entry["name"]).replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "":
            raise UserError(
                f"{repository}: the hub lists {one_line(str(entry['name']), 80)!r}, a path outside the repository",
                "An honest hub lists no such path. Check HF_ENDPOINT.",
            )
    try:
        files = sorted(
            (LockedFile.model_validate(entry) for entry in entries if is_model_file(str(entry["name"]))),
            key=lambda file: file.name,
        )
        lock = BaseLock(schema=1, repository=repository, revision=commit, files=tuple(files))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{repository}: the hub's answer cannot be used ({where}: {one_line(str(first['msg']), 100)})",
            "Check HF_ENDPOINT; or name a folder with the model as model.base.",
        ) from error
    names = {file.name for file in files}
    if len(names) != len(files):
        raise UserError(f"{repository}: the hub lists a file twice", "Check HF_ENDPOINT.")
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        raise UserError(
            f"{repository} is not a model that can be trained: it has no config.json and model*.safetensors",
            "Name a repository with the model as safetensors; GGUF files have their own name, embedded:gguf:PATH.",
        )
    return lock


def _entry(file: Any) -> dict[str, Any]:
    """A file as the hub lists it. What Git LFS holds is known by its SHA-256; its blob is only a pointer."""
    if file.lfs is not None:
        return {"name": file.path, "size": file.lfs.size, "sha256": file.lfs.sha256}
    return {"name": file.path, "size": file.size, "git": file.blob_id}


@contextmanager
def hub_stream(repository: str, revision: str, name: str, start: int = 0) -> Generator[Any]:
    """An open answer with a file's bytes from `start` on; all of them where its status is not 206.

    Raises what the client raises, which `hub_errors` tells.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(repository, name, revision=revision, endpoint=hub_endpoint())
    # Compressed on the way, a range would be one of other bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with get_session().stream(
        "GET", url, headers=build_hf_headers(headers=headers), timeout=SILENCE
    ) as answer:
        hf_raise_for_status(answer)
        yield answer


def is_transport_error(error: BaseException) -> bool:
    """Whether an exception says that the network failed. The client's HTTP library changes its name now and then."""
    library = type(error).__module__.split(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or library.startswith(("httpx", "httpcore"))


@contextmanager
def hub_errors(name: str) -> Generator[None]:
    """Tell in one line why the hub did not give `name`."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise UserError(
            f"{name}: the hub asks for an accepted licence", "Accept it on the hub, then: hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{name}: the hub has no such revision", "Check model.revision.") from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"{name}: the hub has no such model, or it is private", "Check model.base, or: hf auth login"
        ) from error
    except EntryNotFoundError as error:
        raise UserError(
            f"{name}: the hub has no such file", "Delete the recipe's lock, and try again."
        ) from error
    except HfHubHTTPError as error:
        code = error.response.status_code
        hint = "Log in there: hf auth login" if code in (401, 403) else "Try again later."
        raise UserError(f"{name}: the hub did not give it (HTTP {code})", hint) from error
    except UserError:
        raise
    except Exception as error:
        if is_transport_error(error):
            raise UserError(
                f"{name}: the hub could not be reached ({one_line(str(error), 120) or type(error).__name__})",
                "Check the network and proxy; or name a folder with the model as model.base.",
            ) from error
        if not isinstance(error, ValueError | KeyError | TypeError | AttributeError):
            raise
        # The client takes the hub's answers as they come.
        raise UserError(
            f"{name}: the hub's answer cannot be used ({type(error).__name__}: {one_line(str(error), 100)})",
            "Check HF_ENDPOINT, and try again later.",
        ) from error
