"""A run: one execution of a recipe, in one folder. Its spec, events, status and layout."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tunewright.contract.atomic import write_json
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe

Stage = Literal["train", "fuse", "quantize", "fidelity", "predict"]
STAGES: tuple[Stage, ...] = ("train", "fuse", "quantize", "fidelity", "predict")
State = Literal["queued", "running", "done", "failed", "cancelled", "lost"]
FINAL_STATES = frozenset({"done", "failed", "cancelled", "lost"})


class Forced(BaseModel):
    """Why a run went on although its audit failed, and who said so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str
    reasons: tuple[str, ...]


class RunSpec(BaseModel):
    """`spec.json`: everything that decides the result. Written once, before anything is shipped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    id: str
    created: str
    recipe: Recipe
    data: dict[str, str]  # split -> sha256 of inputs/data/<split>.jsonl
    suites: dict[str, str]  # name -> sha256 of inputs/suites/<name>.jsonl
    environment: str  # hash of the host's locked requirements and wheels
    versions: dict[str, str] = {}
    git_commit: str | None = None
    dataset: str = ""  # the path the user gave, or the generated dataset's
    preparation: dict[
        str, Any
    ] = {}  # how that became the run's rows: read, dropped by reason, shapes, dialects
    host: str = "local"
    audit: str = ""  # sha256 of inputs/audit.json; empty without one
    base_note: str = ""  # what the base model is told at the end of the system message, and no other model
    forced: Forced | None = None

    @model_validator(mode="after")
    def _decided(self) -> "RunSpec":
        if not self.recipe.model.pinned:
            raise ValueError(
                f"{self.recipe.model.base} has no revision: which model it is may change any day"
            )
        return self


class Event(BaseModel):
    """One line of `events.jsonl`. `seq` counts from 1 without gaps; what else a kind carries is in `data`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: int
    time: str
    stage: str
    # queued, turn, stage_start, tool_tokens, progress, loss, validation, checkpoint, warning, stage_end, stage_reused,
    # error, done, cancelled, lost, resumed, paused, unpaused
    kind: str
    data: dict[str, Any] = {}


class Status(BaseModel):
    """`status.json`, replaced atomically while the worker lives."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State
    stage: str = ""
    step: int = 0
    steps: int = 0
    heartbeat: str = ""  # ISO time, UTC
    pid: int = 0
    boot: str = ""  # the machine's boot time: a pid means nothing after a reboot
    message: str = ""
    hint: str = ""
    place: int = 0  # in the host's queue, from 1, while it waits there; `message` says how long about
    paused: bool = False  # the host's owner lets it pause: `message` says why
    stalled: bool = False  # the worker lives and gets nowhere: `message` says since when


class RunFolder:
    """Where things are inside a run's folder; the same on the host and on the laptop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "spec.json"
        self.manifest = path / "manifest.json"  # of the whole run: written last
        self.events = path / "events.jsonl"
        self.status = path / "status.json"
        self.log = path / "worker.log"
        self.inputs = path / "inputs"
        self.data = self.inputs / "data"
        self.suites = self.inputs / "suites"
        self.audit = self.inputs / "audit.json"
        self.dropped = self.inputs / "dropped.jsonl"  # rows that were not trained on, each with its reason
        self.predictions = path / "predictions"  # <model>/<suite>.jsonl: what the predict stage makes
        self.scores = path / "scores"  # <model>/<suite>.json
        self.report = path / "report.html"
        self.summary = path / "summary.md"

    def stage(self, stage: Stage) -> Path:
        """That stage's outputs; finished when it holds a manifest."""
        return self.predictions if stage == "predict" else self.path / stage

    def read_spec(self) -> RunSpec:
        """Raises UserError when its spec cannot be read."""
        try:
            return RunSpec.model_validate_json(self.spec.read_bytes())
        except OSError as error:
            raise UserError(
                f"{self.path} is not a run: it has no spec.json", "See the runs there are: ./inv runs"
            ) from error
        except ValidationError as error:
            raise UserError(
                f"{self.spec}: {error.errors()[0]['msg']}", "The file was changed or is of another version."
            ) from error

    def write_spec(self, spec: RunSpec) -> None:
        write_json(self.spec, spec.model_dump(mode="json", by_alias=True))

    def read_status(self) -> Status | None:
        """None when the worker has not written one yet."""
        try:
            return Status.model_validate_json(self.status.read_bytes())
        except (OSError, ValidationError):
            return None

    def read_events(self) -> list[Event]:
        """Every complete line; a torn last line is left for the next reading."""
        try:
            text = self.events.read_bytes()
        except OSError:
            return []
        return parse_events(text)[0]


def parse_events(data: bytes) -> tuple[list[Event], int]:
    """Events in a piece of `events.jsonl`, and how many bytes they took; a torn tail is left over."""
    complete = data.rfind(b"\n") + 1
    events = [Event.model_validate(json.loads(line)) for line in data[:complete].splitlines() if line.strip()]
    return events, complete


def new_run_id(recipe: str, at: datetime | None = None) -> str:
    """`<yyyymmdd-hhmmss>-<recipe>-<8 hex>`, in UTC."""
    return f"{at or datetime.now(UTC):%Y%m%d-%H%M%S}-{recipe}-{secrets.token_hex(4)}"


def find_run(root: Path, name: str = "") -> RunFolder:
    """The run of that id (or a unique beginning or end of it, or its folder) below `root`; the latest when `name` is empty.

    Raises UserError naming the latest runs.
    """
    folders = sorted((p.parent for p in root.glob("*/spec.json")), key=lambda p: p.name)
    if not folders:
        raise UserError(f"no runs in {root}", "Start one: ./inv train")
    if not name:
        return RunFolder(folders[-1])
    given = Path(name)
    if given.parent.resolve() == root.resolve():
        name = given.name
    matches = [p for p in folders if p.name == name] or [
        p for p in folders if p.name.startswith(name) or p.name.endswith(name)
    ]
    if len(matches) == 1:
        return RunFolder(matches[0])
    if matches:
        raise UserError(
            f"{name!r} fits {len(matches)} runs",
            "Give more of the id: " + ", ".join(p.name for p in matches[:5]),
        )
    raise UserError(
        f"no run {name!r} in {root}", "The latest are: " + ", ".join(p.name for p in folders[-3:])
    )
