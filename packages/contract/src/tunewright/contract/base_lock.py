"""`recipes/NAME.lock`: the commit that a recipe's hub repository was resolved to, and the files of the model there.

Only data is a file of a model: weights as safetensors, JSON, templates and tokenizers, in the repository's first
folder. Code, pickles and whatever else a repository holds are never fetched.
"""

import hashlib
import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tunewright.contract.atomic import CHUNK, write_text
from tunewright.contract.errors import UserError

# What a model consists of. No *.py: mlx-lm and transformers would offer to run it.
MODEL_FILES = ("*.json", "model*.safetensors", "*.jinja", "*.txt", "tokenizer.model", "*.tiktoken")
REPOSITORY = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$"
COMMIT = r"^[0-9a-f]{40}$"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}"  # no folder, nothing hidden, nothing to be escaped


class LockedFile(BaseModel):
    """A file of a base model. Large files are known by their SHA-256, small ones by what Git calls them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: Annotated[int, Field(ge=0)]  # bytes
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    git: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""  # SHA-1 of Git's header and the content

    @field_validator("name")
    @classmethod
    def _is_data(cls, name: str) -> str:
        if not is_model_file(name):
            raise ValueError(f"{name} is not a file that a model consists of")
        return name

    @model_validator(mode="after")
    def _one_hash(self) -> "LockedFile":
        if bool(self.sha256) == bool(self.git):
            raise ValueError(f"{self.name} needs sha256 or git, and not both")
        return self

    def is_content_of(self, path: Path) -> bool:
        """Whether a file on this machine has this size and hash."""
        if path.stat().st_size != self.size:
            return False
        # Git's own name of a small file: not for security alone, and the hub tells no other.
        digest = hashlib.sha256() if self.sha256 else hashlib.sha1(b"blob %d\0" % self.size)  # noqa: S324
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
        return digest.hexdigest() == (self.sha256 or self.git)


class BaseLock(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(1, alias="schema")
    repository: Annotated[str, Field(pattern=REPOSITORY)]
    revision: Annotated[str, Field(pattern=COMMIT)]
    files: tuple[LockedFile, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def is_model_file(name: str) -> bool:
    """Whether a path inside a repository is one of the files that are fetched."""
    return bool(re.fullmatch(_NAME, name)) and any(fnmatchcase(name, pattern) for pattern in MODEL_FILES)


def lock_path(recipe: Path) -> Path:
    """Where the lock of the recipe at that path is: next to it."""
    return recipe.with_name(f"{recipe.stem}.lock")


def read_lock(path: Path, repository: str) -> BaseLock | None:
    """The lock of a recipe that names `repository`; None when there is none yet.

    Raises UserError when it cannot be read or belongs to another repository.
    """
    again = f"Delete it: the next ./inv plan, train or host.fetch asks the hub and writes it again. rm {path}"
    try:
        lock = BaseLock.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "lock"
        raise UserError(f"{path}: {where}: {error.errors()[0]['msg']}", again) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})", again) from error
    if not lock.files:
        raise UserError(f"{path}: it names no files", again)
    if lock.repository != repository:
        raise UserError(f"{path} belongs to {lock.repository}, and the recipe names {repository}", again)
    return lock


def write_lock(path: Path, lock: BaseLock) -> None:
    """Write a lock, whole or not at all."""
    lines = [
        "# The commit that model.base of this recipe was resolved to when it was first used. Keep it with the recipe;",
        "# delete it to take the repository as it is now.",
        "schema = 1",
        f'repository = "{lock.repository}"',
        f'revision = "{lock.revision}"',
        "files = [",
        *(f"    {_inline(file)}," for file in lock.files),
        "]",
    ]
    write_text(path, "\n".join(lines) + "\n")


def _inline(file: LockedFile) -> str:
    known = f'sha256 = "{file.sha256}"' if file.sha256 else f'git = "{file.git}"'
    # Every value is of letters, digits, dots and dashes: nothing has to be escaped.
    return f'{{ name = "{file.name}", size = {file.size}, {known} }}'
