"""The folder of an embedded base model: shipped with us, or converted once from a GGUF file and kept.

A converted folder is kept under the hash of its file and of the converter's number, with a manifest: one that is damaged
is made again. `python -m tunewright.train.embedded_folder NAME` says on standard output whether a packaged model is
installed in this environment and whole: `{"installed": true}`, or `{"error": …, "hint": …}` with exit code 2.
"""

import json
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tunewright.contract.atomic import atomic_folder, sha256_file
from tunewright.contract.embedded import GGUF, NAMES, PACKAGED, PackagedModel
from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.manifest import write_manifest
from tunewright.contract.stage_code import StageCode

WITHOUT = "Without it: --recipe tiny."
CONVERSION = StageCode("convert", 1, ("mlx", "numpy", "tokenizers"))


@dataclass(frozen=True)
class Found:
    """An embedded model on this machine."""

    folder: Path
    identity: str = (
        ""  # of what was converted, hash of file and converter; the same file is not always the same bytes
    )
    record: dict[str, str] = field(
        default_factory=dict[str, str]
    )  # origin, licence and hash, for a run's record


def embedded_model(name: str, converted: Path) -> Found:
    """The model of `embedded:NAME`; what has to be converted is kept below `converted`.

    Raises UserError when there is no such model, or its file is missing, changed or not one that is converted.
    """
    if name == "tiny":
        from tunewright.train.tiny import model_folder

        record = {"origin": "made for this project; see docs/tiny-model.md", "licence": "MIT"}
        return Found(model_folder(), record=record)
    if name.startswith(GGUF):
        return _own_file(name.removeprefix(GGUF), converted)
    if name not in PACKAGED:
        known = ", ".join(f"embedded:{known}" for known in NAMES)
        raise UserError(f"no embedded model {name!r}", f"There are: {known}, and embedded:gguf:PATH.")
    model = PACKAGED[name]
    file = packaged_file(model)
    record = {"origin": model.origin, "licence": model.licence, "sha256": model.sha256}
    return _converted(file, model.sha256, converted, record)


def packaged_file(model: PackagedModel) -> Path:
    """The model's file in this environment, its hash checked; found without importing its package.

    Raises UserError when the package is not installed, or the file is not the one that was locked.
    """
    again = f"Install it again: ./inv host.setup --host NAME. {WITHOUT}"
    try:
        path = Path(str(distribution(model.distribution).locate_file(model.file)))
    except PackageNotFoundError as error:
        raise UserError(
            f"embedded:{model.name} is not here: the Python package {model.distribution} is not installed",
            f"Install it: ./inv host.setup --host NAME. {WITHOUT}",
        ) from error
    if not path.is_file():
        raise UserError(f"embedded:{model.name} is not here: {path} is missing", again)
    if path.stat().st_size != model.size or sha256_file(path) != model.sha256:
        raise UserError(f"embedded:{model.name}: {path} is not the file that was published", again)
    return path


def _own_file(name: str, converted: Path) -> Found:
    path = Path(name).expanduser()
    if not path.is_absolute():
        raise UserError(
            f"embedded:gguf:{name} is not an absolute path",
            "Name the file on the host: embedded:gguf:/PATH or ~/PATH.",
        )
    if not path.is_file():
        raise UserError(f"no file {path} on this host", "Put the GGUF file there, or name another base.")
    from tunewright.train.gguf import Gguf
    from tunewright.train.gguf_model import origin

    record = origin(Gguf(path))
    sha256 = sha256_file(path)
    named = " by ".join(record[key] for key in ("name", "organization") if key in record)
    told = {
        "origin": f"{named + ', ' if named else ''}from {path}",
        "licence": record.get("licence", "not stated"),
    }
    return _converted(path, sha256, converted, told | {"sha256": sha256})


def _converted(file: Path, sha256: str, converted: Path, record: dict[str, str]) -> Found:
    from tunewright.train.gguf_model import convert
    from tunewright.train.staging import finished, remove

    key = CONVERSION.key(sha256)
    folder = converted / key[:32]
    if finished(folder, key) is None:
        remove(folder)
        try:
            with atomic_folder(folder) as temporary:
                convert(file, temporary)
                write_manifest(temporary, key)
        except OSError:
            if finished(folder, key) is None:
                raise  # otherwise somebody else converted the same meanwhile
    return Found(folder, key, record)


def main() -> int:
    """Answer for one name; the exit code is 0, or 2 when it is not installed."""
    try:
        packaged_file(PACKAGED[sys.argv[1]])
        answer, code = {"installed": True}, ExitCode.DONE
    except UserError as error:
        answer, code = {"error": error.message, "hint": error.hint}, ExitCode.USAGE
    sys.stdout.write(json.dumps(answer) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
