"""The code that decides each stage's result: digests of the syntax trees of the modules that the stage imports.

    .venv/bin/python -m tests.support.stage_code                record the code of stages whose number was raised
    .venv/bin/python -m tests.support.stage_code fuse predict   and of these, whose results are the same as before

Comments, docstrings and formatting are no part of a digest.
"""

import ast
import hashlib
import json
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tunewright.chat.training_set import PREPARATION
from tunewright.cli.template_fit import FITTING
from tunewright.contract.run import Stage
from tunewright.datagen.dataset_plan import ENGINES, GENERATOR
from tunewright.train.embedded_folder import CONVERSION
from tunewright.train.fingerprints import CODE

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("stage_code.json")

# Imported by stages, and unable to change a result.
REPORTS = {
    "tunewright.chat.dataset_folder": "how rows are written, not what is in them",
    "tunewright.cli.pipeline": "folders and messages",
    "tunewright.contract.atomic": "how files are written, not what is in them",
    "tunewright.contract.console": "messages",
    "tunewright.contract.embedded": "which base models there are; their hashes are in the keys",
    "tunewright.contract.errors": "messages",
    "tunewright.contract.manifest": "written next to results",
    "tunewright.contract.recipe": "its values are in the keys",
    "tunewright.contract.run": "its values are in the keys",
    "tunewright.contract.scratch": "temporary folders",
    "tunewright.contract.stage_code": "makes the keys",
    "tunewright.contract.visible": "messages",
    "tunewright.train.courtesy": "when the work pauses",
    "tunewright.train.embedded_folder": "finds a base, whose hash is in the keys; converting one is a stage of its own",
    "tunewright.train.failures": "messages",
    "tunewright.train.fetch": "brings files whose commit is in the keys",
    "tunewright.train.fingerprints": "makes the keys",
    "tunewright.train.machine": "how many processes share the work; their number changes no byte",
    "tunewright.train.run_events": "messages",
    "tunewright.train.staging": "where results are kept",
}


@dataclass(frozen=True)
class StageRoots:
    """Where a stage's code begins: definitions as (module, name). `at` is the file that holds its number."""

    number: int
    libraries: tuple[str, ...]
    at: str
    roots: tuple[tuple[str, str], ...]
    data: str = ""  # a glob of TOML files that decide too


# `stages.Work` encodes the rows; what else `stages` does for these stages is in the modules that it calls.
HOST_ROOTS: dict[Stage, tuple[tuple[str, str], ...]] = {
    "train": (("tunewright.train.stages", "_train"),),
    "fuse": (("tunewright.train.fuse", "fuse"),),
    "quantize": (("tunewright.train.quantize", "quantize"),),
    "fidelity": (("tunewright.train.fidelity", "fidelity"), ("tunewright.train.stages", "Work")),
    "predict": (("tunewright.train.stages", "_predict"),),
}


def _on_host(stage: Stage) -> StageRoots:
    code, at = CODE[stage], "packages/train/src/tunewright/train/fingerprints.py"
    return StageRoots(code.number, code.libraries, at, HOST_ROOTS[stage])


STAGES: dict[str, StageRoots] = {
    "generate": StageRoots(
        GENERATOR,
        ENGINES,
        "packages/datagen/src/tunewright/datagen/dataset_plan.py",
        (("tunewright.datagen.generate", "generate_dataset"),),
        "packages/datagen/src/tunewright/datagen/families/**/*.toml",
    ),
    "prepare": StageRoots(
        PREPARATION.number,
        PREPARATION.libraries,
        "packages/chat/src/tunewright/chat/training_set.py",
        (
            ("tunewright.chat.training_set", "prepare_dataset"),
            ("tunewright.cli.template_fit", "row_fit"),
        ),
    ),
    "fit": StageRoots(
        FITTING.number,
        FITTING.libraries,
        "packages/cli/src/tunewright/cli/template_fit.py",
        (("tunewright.cli.template_fit", "fit_dataset"),),
    ),
    "convert": StageRoots(
        CONVERSION.number,
        CONVERSION.libraries,
        "packages/train/src/tunewright/train/embedded_folder.py",
        (("tunewright.train.gguf_model", "convert"),),
    ),
    **{stage: _on_host(stage) for stage in CODE},
}

Read = Callable[[Path], str]


@cache
def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _sources() -> dict[str, Path]:
    """The files of our own modules."""
    found: dict[str, Path] = {}
    for path in (ROOT / "packages").glob("*/src/tunewright/**/*.py"):
        parts = path.with_suffix("").parts
        found[".".join(parts[parts.index("src") + 1 :]).removesuffix(".__init__")] = path
    return found


def _source(module: str) -> Path:
    return _sources()[module]


def stage_code(stage: str, read: Read = read_text) -> dict[str, str]:
    """The digest of each part of a stage's code, by module, and of its data files by path."""
    roots = STAGES[stage].roots
    found: dict[str, str] = {}
    waiting: set[str] = set()
    for module, name in roots:
        part = reached(_tree(module, read), name)
        found[f"{module}:{name}"] = digest(part)
        waiting |= imports(part)[0]
    while waiting:
        module = waiting.pop()
        # What a root's own module holds beyond the root is another stage's, or none's.
        if module not in found and module not in REPORTS and module not in dict(roots):
            found[module], imported = _whole(read(_source(module)))
            waiting |= imported
    for path in sorted(ROOT.glob(STAGES[stage].data)) if STAGES[stage].data else ():
        found[str(path.relative_to(ROOT))] = _data(read(path))
    return found


def stage_libraries(stage: str) -> set[str]:
    """Top-level names of the libraries that a stage's code imports itself, without the standard library's."""
    found: set[str] = set()
    for name in stage_code(stage):
        if "/" not in name:
            module, _, root = name.partition(":")
            tree = _tree(module, read_text)
            found |= imports(reached(tree, root) if root else tree)[1]
    return found - sys.stdlib_module_names


def _tree(module: str, read: Read) -> ast.Module:
    return ast.parse(read(_source(module)))


@cache
def _whole(text: str) -> tuple[str, set[str]]:
    """A module's digest, and those of our own that it imports."""
    tree = ast.parse(text)
    return digest(tree), imports(tree)[0]


@cache
def _data(text: str) -> str:
    return _hash(tomllib.loads(text))


def imports(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Our own modules that a tree imports when it runs, and the top-level names of others."""
    named: list[str] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            module = node.module or ""
            submodules = [f"{module}.{alias.name}" for alias in node.names]
            named += [module, *(name for name in submodules if name in _sources())]
        waiting += ast.iter_child_nodes(node)
    ours = {name for name in named if name in _sources()}
    return ours, {name.split(".")[0] for name in named if not name.startswith("tunewright")}


def reached(tree: ast.Module, name: str) -> ast.Module:
    """A module cut down to what the definition of that name uses of it."""
    binding: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for bound in _binds(node):
            binding.setdefault(bound, []).append(node)
    assert name in binding, f"no {name} in the module"
    used: set[ast.stmt] = set()
    waiting = list(binding[name])
    while waiting:
        node = waiting.pop()
        if node not in used:
            used.add(node)
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            waiting += [other for each in names for other in binding.get(each, ())]
    return ast.Module([node for node in tree.body if node in used], [])


def _binds(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return [
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        ]
    return []


def digest(tree: ast.AST) -> str:
    """A hash of a syntax tree without docstrings; the same under every version of Python that we support."""
    return _hash(_plain(tree))


def _hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def _plain(node: object) -> object:
    if isinstance(node, list):
        return [_plain(part) for part in node]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        fields["body"] = node.body[ast.get_docstring(node, clean=False) is not None :]
    if isinstance(node, ast.JoinedStr):  # Python 3.12.1 adds an empty text at the end of some
        fields["values"] = [
            part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")
        ]
    # Later versions add fields, empty where they are not used.
    return type(node).__name__, [
        (name, _plain(value)) for name, value in sorted(fields.items()) if value is not None and value != []
    ]


@dataclass(frozen=True)
class Difference:
    """How a stage differs from the record: the changed parts of its code, and its number there."""

    stage: str
    parts: tuple[str, ...]
    recorded: int

    @property
    def raised(self) -> bool:
        return STAGES[self.stage].number > self.recorded

    def advice(self) -> str:
        """What to do about it."""
        number, changed = STAGES[self.stage].number, ", ".join(self.parts) or "only its number"
        command = ".venv/bin/python -m tests.support.stage_code"
        if self.raised:
            return f"Stage {self.stage} is now number {number} (changed: {changed}). Record it: {command}"
        return (
            f"The code of stage {self.stage} changed and its number {number} did not: {changed}.\n"
            "Can what the old code made of some inputs differ from what the new code makes of them?\n"
            f"  Yes, or you cannot tell: raise the number in {STAGES[self.stage].at}, then: {command}\n"
            f"  No (a new name, a message, the same bytes in less time): {command} {self.stage}"
        )


def differences(read: Read = read_text) -> list[Difference]:
    """The stages that are not as recorded."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    found: list[Difference] = []
    for stage, wanted in STAGES.items():
        parts = [name for name, value in stage_code(stage, read).items() if record["code"].get(name) != value]
        recorded = record["numbers"].get(stage, 0)
        if parts or recorded != wanted.number:
            found.append(Difference(stage, tuple(sorted(parts)), recorded))
    return found


def main(same: Sequence[str]) -> int:
    """Record every stage's code, unless one changed that is neither raised nor named; the exit code."""
    if unknown := set(same) - STAGES.keys():
        print(
            f"error: no stage {', '.join(sorted(unknown))}; there are: {', '.join(STAGES)}", file=sys.stderr
        )
        return 2
    undecided = [found for found in differences() if not found.raised and found.stage not in same]
    for found in undecided:
        print(found.advice(), file=sys.stderr)
    if undecided:
        return 1
    code = {name: value for stage in STAGES for name, value in stage_code(stage).items()}
    record = {
        "numbers": {stage: wanted.number for stage, wanted in STAGES.items()},
        "code": dict(sorted(code.items())),
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
