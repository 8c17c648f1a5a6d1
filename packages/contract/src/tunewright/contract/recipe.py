"""A recipe: everything that decides what a run does, in one TOML file."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tunewright.contract.base_lock import COMMIT, REPOSITORY, lock_path, read_lock
from tunewright.contract.console import say
from tunewright.contract.errors import UserError
from tunewright.contract.suite import Subset

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of the recipe: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(Section):
    """The base model: `embedded:tiny`, `embedded:smollm2-135m`, `embedded:gguf:PATH`, a folder on the host, or a hub
    repository, whose commit is in the recipe's lock unless `revision` names one."""

    base: str
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"

    @model_validator(mode="after")
    def _named(self) -> "Model":
        if self.revision is not None and not re.fullmatch(COMMIT, self.revision):
            raise ValueError(f"revision {self.revision!r} is not the 40 hex digits of a commit")
        if self.on_hub and not re.fullmatch(REPOSITORY, self.base):
            raise ValueError(
                f"{self.base!r} is neither embedded:NAME, nor a folder (/…, ~…, ./…), nor a hub's OWNER/NAME"
            )
        return self

    @property
    def on_hub(self) -> bool:
        """Whether the base is a hub repository."""
        return not self.base.startswith(("embedded:", "/", "~", "."))

    @property
    def pinned(self) -> bool:
        """Whether it is known which files are meant; a run needs that."""
        return not self.on_hub or self.revision is not None


class Structure(Section):
    """How often an example has each structural part; sampled independently of tool and family."""

    system_message: Share = 1.0
    multi_turn: Share = 0.37
    preamble: Share = 0.33
    # Of the examples that show a tool's response, the share in which further requests, one to five, refer to it.
    follow_ups: Share = 0.0


class Reword(Section):
    """A model that gives requests other words. It gets the requests, which name files and symbols."""

    endpoint: str  # base of an OpenAI-compatible API, such as http://localhost:8000/v1
    model: str
    share: Share = 0.5  # of the requests with a call
    key_env: str = ""  # the environment variable that holds the API key, where one is needed


class Data(Section):
    """The dataset: your own at `path`, or else what `data.generate` makes by the other keys."""

    # A file, folder or glob in any form that `audit` reads, relative to the checkout. Empty: generated.
    path: str = ""
    catalog: str = "coding"
    tools: tuple[str, ...] = ()  # empty: every tool of the catalog
    families: tuple[str, ...] = ()  # TOML files of your own families of requests, relative to the checkout
    navigation: Count = 400  # examples about goto_definition, find_references and their likes
    other: Count = 400
    valid: Share = 0.1  # share of examples held out, by cluster
    # How calls are written; all but code mode show single calls with their results as JSON.
    syntax: Literal["code_mode", "qwen_xml", "hermes_json", "openai", "pythonic", "mistral"] = "code_mode"
    # Share of examples that list tools to choose from. With 0.5, three in a hundred lack the right one; with 1, five.
    offered: Share = 0.0
    # List the recipe's tools in every system message, of examples and suites: agents that always have the same tools.
    listed: bool = False
    system: str = "You are a coding assistant. You can run Python programs that call tools."
    structure: Structure = Structure()
    reword: Reword | None = None  # off unless given

    @model_validator(mode="after")
    def _lists_have_a_place(self) -> "Data":
        # In code mode the system message lists the tools; for single calls they are the row's `tools`.
        if self.syntax == "code_mode" and self.offered > self.structure.system_message:
            raise ValueError(
                f"offered is {self.offered:g}, and only {self.structure.system_message:g} of the examples have the system "
                "message that the tools are listed in: make structure.system_message as large, or offered smaller"
            )
        if self.listed and (self.offered or self.syntax != "code_mode"):
            raise ValueError(
                "listed is for code_mode without offered: with offered, lists differ from example to example; single calls "
                "have their tools in each row"
            )
        return self


class Train(Section):
    """LoRA training. Steps count optimizer steps."""

    steps: Count = 600
    batch_size: Count = 4
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    warmup: Annotated[int, Field(ge=0)] = 10  # steps
    max_seq_length: Annotated[int, Field(ge=8)] = 2048  # tokens
    rank: Count = 8
    scale: Annotated[float, Field(gt=0)] = 20.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    layers: Annotated[int, Field(ge=-1)] = 8  # from the top; -1 for all
    keys: tuple[str, ...] = ()  # module paths inside a layer; empty: mlx-lm's default
    mask: Literal["assistant", "last_assistant", "none"] = "assistant"  # which tokens get loss
    clip: Annotated[float, Field(ge=0)] = 1.0  # largest norm of a step's gradient; 0: as it comes
    checkpoint_every: Count = 100  # steps
    validate_every: Count = 100  # steps

    @field_validator("layers")
    @classmethod
    def _some_layers(cls, layers: int) -> int:
        if layers == 0:
            raise ValueError("no layer would be trained: give how many from the top, or -1 for all")
        return layers


class Quantize(Section):
    """The model that is delivered."""

    bits: Literal[2, 3, 4, 5, 6, 8] = 5
    group_size: Literal[32, 64, 128] = 64


class Predict(Section):
    """Which models answer the suites, and how."""

    models: tuple[Literal["base", "adapter", "fused", "quantized"], ...] = ("base", "quantized")
    max_tokens: Count = 512
    temperature: Annotated[float, Field(ge=0)] = 0.0
    samples: Count = 1
    batch_size: Count = 16
    # Tell the base, which was never trained on them, the tools and the form of a call: else it fails for not knowing them.
    tell_base: bool = False

    @property
    def drawn(self) -> int:
        """How many answers a case gets that are generated: at temperature 0 all samples are the same one."""
        return self.samples if self.temperature > 0 else 1


class SuiteEntry(Section):
    """A suite this recipe is judged on: a file, its `path` relative to the checkout, or cases `from` a held-out split.

    Of a file, `subset` takes the cases that are marked so.
    """

    path: str = ""
    held_out: Literal["valid", "test"] | None = Field(None, alias="from")
    subset: Subset | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "SuiteEntry":
        if bool(self.path) == bool(self.held_out):
            raise ValueError('a suite has a path, or from = "valid" or "test", and not both')
        if self.subset and not self.path:
            raise ValueError("subset belongs to a suite with a path")
        return self

    @property
    def name(self) -> str:
        return self.held_out or Path(self.path).stem


# No suite or category has the name of a metric. Recipes and JSON of before have the former names.
FORMER_METRICS = {"field_access": "fields_used"}


class Gate(Section):
    """A target. A gate that is not `required` is printed with the others and does not decide.

    Metrics: `overall` of a suite, or of one `category` or `tool` of it; `executed` (the cases whose right answer is
    a program, without those in words), `discrimination`, `fields_used` of suites judged by programs; `tool_choice`,
    `arguments`, `no_call_precision`, `no_call_recall` and `exact` of suites judged by calls (proportions, need `target`);
    `beats_base` (exact paired test against the base model on a suite, or without one on all suites of the recipe together;
    `target` is the p-value);
    `not_worse_than` (paired with the run `than`, or with the model in use; `target` is the largest drop allowed);
    `fidelity` (share of next tokens on which the quantized model agrees with the adapter, need `target`).
    """

    metric: Literal[
        "overall",
        "executed",
        "discrimination",
        "fields_used",
        "field_access",  # the former name of fields_used
        "tool_choice",
        "arguments",
        "no_call_precision",
        "no_call_recall",
        "exact",
        "beats_base",
        "not_worse_than",
        "fidelity",
    ]
    target: Share
    # Of a proportion: how far below the target it may lie. By default 0, and 0.1 where the target is 1.
    margin: Share | None = None
    suite: str | None = None
    category: str | None = None  # with `overall`: of the cases of this category alone
    tool: str | None = None  # with `overall`: of the cases in which it is right to call this tool
    than: str | None = None  # with `not_worse_than`: the id of a run
    required: bool = True

    @model_validator(mode="after")
    def _narrowed(self) -> "Gate":
        if (self.category or self.tool) and self.metric != "overall":
            raise ValueError(f"gate {self.metric}: category and tool belong to the metric overall")
        if self.category and self.tool:
            raise ValueError("gate overall: give a category or a tool, not both")
        if self.margin is not None and self.metric in ("beats_base", "not_worse_than"):
            raise ValueError(
                f"gate {self.metric}: a margin belongs to a proportion, and this compares two models"
            )
        if self.margin is not None and self.margin > self.target:
            raise ValueError(
                f"gate {self.metric}: the margin {self.margin:g} is larger than the target {self.target:g}"
            )
        if self.than and self.metric != "not_worse_than":
            raise ValueError(f"gate {self.metric}: than belongs to the metric not_worse_than")
        return self

    @property
    def measures(self) -> str:
        """The metric by its present name."""
        return FORMER_METRICS.get(self.metric, self.metric)

    @property
    def allowance(self) -> float | None:
        """The margin, or the default one; None for metrics that compare two models."""
        if self.metric in ("beats_base", "not_worse_than"):
            return None
        return default_margin(self.target) if self.margin is None else self.margin


def default_margin(target: float) -> float:
    """How far below a target a proportion may lie when the recipe does not say. No number of cases shows that a model is
    always right, so that a target of 1 needs some."""
    return 0.1 if target >= 1 else 0.0


class Pull(Section):
    """What comes back from the host besides events, manifests, predictions and adapters."""

    models: bool = False  # the quantized model itself


class Recipe(Section):
    """The whole file."""

    schema_version: Literal[1] = Field(1, alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    seed: Annotated[int, Field(ge=0)] = 1
    model: Model
    data: Data = Data()
    train: Train = Train()
    quantize: Quantize = Quantize()
    predict: Predict = Predict()
    suites: tuple[SuiteEntry, ...] = ()
    gates: tuple[Gate, ...] = ()
    pull: Pull = Pull()

    def suite_files(self, root: Path) -> list[Path]:
        """The suites that are files of the checkout at `root`; not those made from held-out rows."""
        return [root / suite.path for suite in self.suites if suite.path]

    @model_validator(mode="after")
    def _gates_name_suites(self) -> "Recipe":
        names = {suite.name for suite in self.suites}
        for gate in self.gates:
            of_all = gate.metric == "beats_base" and gate.suite is None and names
            if gate.metric != "fidelity" and not of_all and gate.suite not in names:
                raise ValueError(f"gate {gate.metric}: suite {gate.suite!r} is not among the recipe's suites")
        return self


def recipes_folder(root: Path) -> Path:
    """Where a checkout keeps its recipes."""
    return root / "recipes"


def recipe_path(name: str, root: Path = Path()) -> Path:
    """Where the recipe of that name is: in `root/recipes`, or at the path that a name with `.toml` is."""
    return Path(name) if name.endswith(".toml") else recipes_folder(root) / f"{name}.toml"


def load_recipe(name: str, root: Path = Path()) -> Recipe:
    """The recipe of that name in `root/recipes`, or the TOML file at that path, with the revision out of its lock.

    Nothing is asked of the hub: without a lock a hub repository stays without a revision. Raises UserError naming the
    file and the key, or the names there are.
    """
    path = recipe_path(name, root)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        known = ", ".join(sorted(p.stem for p in recipes_folder(root).glob("*.toml")))
        raise UserError(
            f"no recipe {name!r} ({path})",
            f"Known recipes: {known}; or give a path to a .toml file."
            if known
            else "There are no recipes here. Make a folder that has them, ./inv new FOLDER, or give a path to a .toml file.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: cannot be read ({error})", "Check the path, and that it may be read."
        ) from error
    recipe = parse_recipe(text, str(path))
    for former in dict.fromkeys(gate.metric for gate in recipe.gates if gate.metric != gate.measures):
        _say_once(
            f"warning: {path}: metric {former} is called {FORMER_METRICS[former]} now; the old name still works"
        )
    lock = read_lock(lock_path(path), recipe.model.base) if recipe.model.on_hub else None
    return with_revision(recipe, lock.revision) if lock and recipe.model.revision is None else recipe


@cache
def _say_once(line: str) -> None:
    say(line)


def with_revision(recipe: Recipe, revision: str) -> Recipe:
    """The recipe with its hub base at that commit."""
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"revision": revision})})


def parse_recipe(text: str, origin: str) -> Recipe:
    """Validate a recipe's text. Raises UserError that names the key."""
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{origin}: not TOML ({error})", "Fix that line.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "recipe"
        reason = (
            "no such key"
            if first["type"] == "extra_forbidden"
            else first["msg"].removeprefix("Value error, ")
        )
        raise UserError(
            f"{origin}: {where}: {reason}", "Every key is explained in docs/formats.md, section recipe."
        ) from error
