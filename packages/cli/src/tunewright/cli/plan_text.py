"""A plan as facts, what speaks against it, and as text. Pure: everything was asked before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tunewright.contract.counts import Counts
from tunewright.contract.recipe import Recipe
from tunewright.contract.sizes import size, size_pair


@dataclass(frozen=True)
class Cargo:
    """Something the host needs. `here` bytes are sent from this machine, `fetched` by the host itself."""

    name: str
    here: int = 0
    fetched: int = 0
    there: bool = False  # nothing moves


@dataclass(frozen=True)
class Earlier:
    """What an earlier run of the recipe on the host took. `seconds` by stage; scaled to this recipe's steps."""

    run: str
    seconds: dict[str, float]
    tokens_per_second: float | None = None
    peak_memory: int | None = None  # bytes


@dataclass(frozen=True)
class Plan:
    """Everything there is to say before a run."""

    recipe: Recipe
    host: str
    machine: str  # `macOS 26.1 on arm64 (Apple M4 Max), 128 GiB of memory`
    counts: Counts | None
    unknown: str = ""  # why there are no counts
    cargo: tuple[Cargo, ...] = ()
    disk_free: int | None = None
    environment_bytes: int = 0  # on the host's disk, when it is not there yet
    memory_budget: int | None = None
    memory_source: str = ""  # where the budget comes from
    earlier: Earlier | None = None
    against: tuple[str, ...] = ()  # what the host itself says against a run
    warnings: tuple[str, ...] = ()
    assumed: str = ""  # what the batch was taken to be
    length_known: bool = False  # from the data; otherwise the longest that the recipe lets through
    base_there: bool = True
    gates: tuple[str, ...] = ()  # how likely models of known quality pass each gate

    @property
    def disk_needed(self) -> int:
        """Bytes on the host's disk that the run needs on top of what is there."""
        moved = sum(cargo.here for cargo in self.cargo if not cargo.there)
        needed = moved + self.environment_bytes
        if self.counts:
            disk = self.counts.disk
            needed += disk.train + disk.fuse + disk.quantize + (0 if self.base_there else disk.base)
        return needed

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the host is not fit for the recipe; empty when it is."""
        found = list(self.against)
        if self.disk_free is not None and self.disk_free < self.disk_needed:
            free, needed = size_pair(self.disk_free, self.disk_needed)
            found.append(f"{free} of disk are free, {needed} are needed")
        if self.memory_budget is not None and self.memory_needed > self.memory_budget:
            needed, budget = size_pair(self.memory_needed, self.memory_budget)
            found.append(f"training needs about {needed} of memory, of {budget}")
        return tuple(dict.fromkeys(found))

    @property
    def memory_needed(self) -> int:
        """Bytes that training surely needs: measured, or estimated for the data, or without any batch."""
        if self.earlier and self.earlier.peak_memory:
            return self.earlier.peak_memory
        if self.counts is None:
            return 0
        training = self.counts.training
        return training.total if self.length_known else training.weights + training.state

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Why it cannot be said that the host is fit, although nothing speaks against it; empty when it can."""
        if self.counts is None:
            return ("the model could not be counted",)
        if self.memory_budget is None:
            return ("the host does not say how much memory it has",)
        if not self.measured and self.counts.training.total > self.memory_budget:
            return (
                "a batch as long as max_seq_length does not fit into memory: lower it, or train.batch_size",
            )
        return ()

    @property
    def measured(self) -> bool:
        """Whether an earlier run of this recipe on this host measured what training takes."""
        return bool(self.earlier and self.earlier.peak_memory)


def plan_text(plan: Plan) -> str:
    """The plan, one matter a paragraph, the verdict last. No colour codes."""
    lines = [
        *_named("recipe", [_recipe_line(plan.recipe)]),
        *_named("host", [f"{plan.host}: {plan.machine}"]),
        *_named("model", _model_lines(plan)),
        *_named("transfer", [_cargo_line(cargo) for cargo in plan.cargo] or ["nothing"]),
        *_named("disk", _disk_lines(plan)),
        *_named("memory", _memory_lines(plan)),
        *_named("time", _time_lines(plan)),
        *_named("gates", plan.gates or ["this recipe has none"]),
        *_named("warning", plan.warnings),
        *_named("verdict", _verdict(plan)),
    ]
    return "\n".join(lines) + "\n"


def _verdict(plan: Plan) -> list[str]:
    if plan.problems:
        return [f"{plan.host} is not fit for {plan.recipe.name}", *plan.problems]
    if plan.unknowns:
        return [f"whether {plan.host} will do for {plan.recipe.name} is not known", *plan.unknowns]
    return [f"{plan.host} is fit for {plan.recipe.name}"]


def _named(name: str, lines: Iterable[str]) -> list[str]:
    return [f"{name if number == 0 else '':<9} {line}".rstrip() for number, line in enumerate(lines)]


def _recipe_line(recipe: Recipe) -> str:
    train = recipe.train
    layers = "all layers" if train.layers < 0 else f"the top {train.layers} layers"
    return (
        f"{recipe.name}: {recipe.model.base}, LoRA rank {train.rank} on {layers}, "
        f"{train.steps:,} steps of {train.batch_size}"
    )


def _model_lines(plan: Plan) -> list[str]:
    counts, quantize = plan.counts, plan.recipe.quantize
    if counts is None:
        return [f"not known: {plan.unknown}"]
    return [
        f"{counts.parameters:,} parameters, of which LoRA trains {counts.trained:,} "
        f"({100 * counts.trained_share:.3f} %)",
        f"float16 {size(counts.float16_bytes)}; adapters {size(counts.adapter_bytes)}",
        f"quantized to {quantize.bits} bits at group {quantize.group_size}: "
        f"{counts.bits_per_weight:.3f} bits a weight, {size(counts.quantized_bytes)}",
    ]


def _cargo_line(cargo: Cargo) -> str:
    if cargo.there:
        return f"{cargo.name}: there already"
    parts = [f"{size(cargo.here)} sent from here"] if cargo.here else []
    parts += [f"about {size(cargo.fetched)} fetched by the host"] if cargo.fetched else []
    return f"{cargo.name}: {', '.join(parts) or 'size not known'}"


def _disk_lines(plan: Plan) -> list[str]:
    free = "free space not known" if plan.disk_free is None else f"{size(plan.disk_free)} free"
    lines = [f"{size(plan.disk_needed)} needed, {free}"]
    if plan.counts:
        disk = plan.counts.disk
        parts = [("base model", 0 if plan.base_there else disk.base), ("environment", plan.environment_bytes)]
        parts += [("checkpoints", disk.train), ("fused", disk.fuse), ("quantized", disk.quantize)]
        lines.append(", ".join(f"{name} {size(number)}" for name, number in parts if number))
        if not disk.fuse:
            lines.append("the fused model is too large to be stored; quantizing merges it in memory")
    return lines


def _memory_lines(plan: Plan) -> list[str]:
    budget = (
        "the host's is not known"
        if plan.memory_budget is None
        else f"of {size(plan.memory_budget)} ({plan.memory_source})"
    )
    if plan.counts is None:
        return [f"not known, {budget}"]
    training = plan.counts.training
    lines = [
        f"about {size(training.total)} to train, {budget}",
        f"weights {size(training.weights)} + adapters, gradients, Adam {size(training.state)} + "
        f"activations {size(training.activations)} + logits {size(training.logits)}",
        f"for a batch of {training.batch_tokens:,} tokens, {training.loss_tokens:,} of them with loss"
        + (f" ({plan.assumed})" if plan.assumed else ""),
        "an estimate, within a third: formula and source in tunewright/train/counting.py",
    ]
    if plan.earlier and plan.earlier.peak_memory:
        lines.append(f"run {plan.earlier.run} measured {size(plan.earlier.peak_memory)} at its peak")
    return lines


def _time_lines(plan: Plan) -> list[str]:
    if plan.earlier is None:
        return ["not known: no earlier run of this recipe on this host"]
    earlier = plan.earlier
    pace = f" at {earlier.tokens_per_second:,.0f} tokens/s" if earlier.tokens_per_second else ""
    stages = ", ".join(
        f"{stage} {duration(seconds)}{pace if stage == 'train' else ''}"
        for stage, seconds in earlier.seconds.items()
    )
    return [f"about {duration(sum(earlier.seconds.values()))}, as run {earlier.run} took", stages]


def duration(seconds: float) -> str:
    """`8.1 s`, `4 min 44 s`, `1 h 31 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def batch_of(lengths: Sequence[tuple[int, int]], bytes_per_token: float) -> tuple[int, float]:
    """The longest example's tokens, about, and the share of them with loss, from `(bytes, bytes with loss)`.

    Eight tokens stand for what a chat template adds. (0, 1.0) when there are none.
    """
    if not lengths:
        return 0, 1.0
    longest, trained = max(lengths)
    return int(longest / bytes_per_token) + 8, min(1.0, max(trained / max(longest, 1), 0.01))
