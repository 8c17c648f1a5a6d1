"""The fidelity stage: is the model that is delivered still the one that was trained?

Quantizing can round an adapter's small updates away. So the adapter model is the reference, and base, fused
and quantized are compared with it on the validation set, token by token, each fed the true text before.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from tunewright.contract.atomic import write_json
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder
from tunewright.train.base import Base, load_base, load_folder
from tunewright.train.batches import in_order, lay_out
from tunewright.train.encode import Encoded
from tunewright.train.fuse import STORE_LIMIT, base_weight, float_weight, intended_update
from tunewright.train.lora import load_adapters, updates
from tunewright.train.loss import arrays, scores_of, shares_prefixes
from tunewright.train.machine import physical_memory
from tunewright.train.models import ModelName, open_model, release, weights
from tunewright.train.other_process import parts_here
from tunewright.train.run_events import Reporter

if TYPE_CHECKING:
    from tunewright.train.other_process import OtherProcess

# Of each place's distribution the reference keeps this many tokens and the sum of the rest, so that one
# model at a time is in memory.
TOP = 64
CPU_WORK = 10**12  # tokens times parameters: about half a minute a model at 100 GFLOP/s
FEWEST = 16  # rows
MODELS: tuple[ModelName, ...] = ("base", "fused", "quantized")  # what is compared
WHEN: dict[str, ModelName] = {"before": "base", "after": "adapter", "delivered": "quantized"}  # of forgetting
COMPARED = "compared.json"  # what another process measured of its part

Entry = TypeVar("Entry")

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Reference:
    """The reference model's next-token distributions at n places.

    best: (n,) the likeliest token, the first of equals. tokens: (n, k) the k likeliest, in no order.
    logs: (n, k) their log-probabilities.
    """

    best: Ints
    tokens: Ints
    logs: Floats


def reference_of(scores: Any, k: int = TOP) -> Reference:
    """From logits of shape (n, vocabulary)."""
    logs = scores - mx.logsumexp(scores, axis=-1, keepdims=True)
    k = min(k, logs.shape[-1])
    top = mx.argpartition(-logs, kth=k - 1, axis=-1)[:, :k]
    values = mx.take_along_axis(logs, top, axis=-1)
    best = mx.argmax(scores, axis=-1)
    return Reference(
        np.array(best, dtype=np.int32), np.array(top, dtype=np.int32), np.array(values, dtype=np.float32)
    )


def compare(reference: Reference, scores: Any) -> tuple[int, float]:
    """How often the other model's likeliest token is the reference's, and the summed divergence in nats.

    The divergence is KL(reference || other) over the reference's k likeliest tokens and one bin for all
    others: a lower bound of the exact one (Cover & Thomas, Elements of Information Theory, 2.7), and close
    to it, as little mass is in that bin.
    """
    scores = scores.astype(mx.float32)
    best = np.array(mx.argmax(scores, axis=-1))
    logs = scores - mx.logsumexp(scores, axis=-1, keepdims=True)
    mine = np.array(mx.take_along_axis(logs, mx.array(reference.tokens), axis=-1), dtype=np.float64)
    theirs = reference.logs.astype(np.float64)
    kept = (np.exp(theirs) * (theirs - mine)).sum(axis=-1)
    rest_theirs = np.clip(1 - np.exp(theirs).sum(axis=-1), 0, 1)
    rest_mine = np.clip(1 - np.exp(mine).sum(axis=-1), 1e-12, 1)
    rest = np.where(rest_theirs > 1e-12, rest_theirs * np.log(np.maximum(rest_theirs, 1e-12) / rest_mine), 0)
    return int((best == reference.best).sum()), float(np.maximum(kept + rest, 0).sum())


@dataclass(frozen=True)
class Compared:
    """What was measured of some batches, an entry for each, in their order.

    tokens: how many have loss. models: by model, how often it agreed with the reference and the summed divergence.
    nats: of held-out answers, by when, the summed cross-entropy.
    """

    tokens: list[int]
    models: dict[str, list[tuple[int, float]]]
    nats: dict[str, list[float]]

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Compared":
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def joined(cls, parts: "Sequence[Compared]") -> "Compared":
        """The parts of all batches put together, as if one had measured them all."""
        return cls(
            _in_turn([part.tokens for part in parts]),
            {name: _in_turn([part.models[name] for part in parts]) for name in parts[0].models},
            {when: _in_turn([part.nats[when] for part in parts]) for when in parts[0].nats},
        )


def _in_turn(parts: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Undo `batches[number::count]`."""
    return [part[at] for at in range(len(parts[0])) for part in parts if at < len(part)]


def fidelity(
    out: Path,
    run: RunFolder,
    recipe: Recipe,
    base: Base,
    valid: Sequence[Encoded],
    report: Reporter,
    rehearsed: Sequence[Encoded] = (),
    other: "OtherProcess | None" = None,
) -> dict[str, Any]:
    """Compare the run's models, write `fidelity.json` to `out`, and return the stage's facts.

    facts: `agreement` and `kl` of the quantized model with the adapter model, over `tokens` tokens; the same
    of `fused` and of `base` for scale; `cosine` of applied with intended updates (mean and smallest); with
    `rehearsed` rows, which nothing was trained on, `forgetting`: their perplexity. The same whether or not an `other`
    process compares half of the batches.
    """
    total = _work(run, recipe, base, valid, rehearsed)
    parts = parts_here()
    share = parts if other else 1  # how many parts go on at the pace of the first

    def part(number: int, before: int = 0, share: int = 1) -> Compared:
        def tick(done: int) -> None:
            report.progress(min(before + done * share, total), total)

        return compare_part(run, recipe, base, valid, rehearsed, (number, parts), tick)

    first = part(0, share=share)
    cosines = update_cosines(run, recipe, base, report)
    path = other.file(COMPARED) if other else None
    others = (Compared.read(path) if path else part(n, total * n // parts) for n in range(1, parts))
    found = Compared.joined([first, *others])
    tokens = sum(found.tokens)
    result: dict[str, Any] = {"tokens": tokens}
    for name, batches in found.models.items():
        agreed, divergence = (sum(numbers) for numbers in zip(*batches))
        result[name] = {"agreement": agreed / tokens, "kl": divergence / tokens}
    write_json(out / "fidelity.json", result | {"reference": "adapter", "cosines": cosines})
    facts = {
        "agreement": result["quantized"]["agreement"],
        "kl": round(result["quantized"]["kl"], 6),
        "tokens": tokens,
        "fused": result.get("fused"),
        "base": result["base"],
        "cosine": {
            "mean": round(sum(cosines.values()) / len(cosines), 4),
            "smallest": round(min(cosines.values()), 4),
        },
    }
    if rehearsed:
        facts["forgetting"] = forgetting(found, some_rows(rehearsed, parameters_of(base)))
    return facts


def forgetting(measured: Compared, rows: Sequence[Encoded]) -> dict[str, Any]:
    """The perplexity of a base's own answers: `before` training, `after` it, and as `delivered` (quantized).

    exp of the mean cross-entropy in nats over the answers' `tokens` tokens, that of the turn's end included.
    """
    tokens = sum(row.trainable for row in rows)
    perplexities = {when: round(math.exp(sum(nats) / tokens), 4) for when, nats in measured.nats.items()}
    return {"rows": len(rows), "tokens": tokens, **perplexities}


def compare_part(
    run: RunFolder,
    recipe: Recipe,
    base: Base,
    valid: Sequence[Encoded],
    rehearsed: Sequence[Encoded],
    part: tuple[int, int],
    tick: Callable[[int], object],
) -> Compared:
    """Compare the run's models on one part of the batches, `part` of so many: `(0, 2)` is the first half.

    `tick` gets how many batches are done, one for each model.
    """
    parameters = parameters_of(base)
    batches, answers = (
        in_order(some_rows(rows, parameters), recipe.train.batch_size)[part[0] :: part[1]]
        for rows in (valid, rehearsed)
    )
    done = 0

    def step(scores: Any) -> Any:
        nonlocal done
        done += 1
        tick(done)
        return scores

    references = [reference_of(step(scores)) for scores in _scores("adapter", run, recipe, base, batches)]
    models: dict[str, list[tuple[int, float]]] = {}
    for name in _models(run):
        scored = _scores(name, run, recipe, base, batches)
        models[name] = [compare(reference, step(scores)) for reference, scores in zip(references, scored)]
    nats: dict[str, list[float]] = {}
    for when, name in WHEN.items():
        scored = _scores(name, run, recipe, base, answers)
        nats[when] = [_nats(batch, step(scores)) for batch, scores in zip(answers, scored)]
    return Compared([len(reference.tokens) for reference in references], models, nats)


def _nats(batch: Sequence[Encoded], scores: Any) -> float:
    """The summed cross-entropy of a batch's tokens that have loss. scores: (n, vocabulary), padded at the end."""
    # Sharing a prefix changes where the tokens are, and neither which ones nor their order.
    targets = mx.array(lay_out(batch).targets[: len(scores)])
    logs = mx.take_along_axis(scores, targets[:, None], axis=-1)[:, 0] - mx.logsumexp(scores, axis=-1)
    return -float(cast(Any, logs.sum()).item())


def _models(run: RunFolder) -> list[ModelName]:
    """The models that are compared with the adapter model."""
    return [name for name in MODELS if name != "fused" or _fused_fits(run)]


def _work(
    run: RunFolder, recipe: Recipe, base: Base, valid: Sequence[Encoded], rehearsed: Sequence[Encoded]
) -> int:
    """How many batches all parts compute, one for each model."""
    parameters, size = parameters_of(base), recipe.train.batch_size
    batches, answers = (len(in_order(some_rows(rows, parameters), size)) for rows in (valid, rehearsed))
    return batches * (1 + len(_models(run))) + answers * len(WHEN)


def some_rows(valid: Sequence[Encoded], parameters: int) -> Sequence[Encoded]:
    """On a CPU, as many validation rows, evenly spread over their lengths, as a few minutes compute; else all."""
    tokens = sum(len(row) for row in valid)
    limit = CPU_WORK // max(1, parameters)
    if mx.default_device() != mx.Device(mx.cpu) or tokens <= limit:
        return valid
    ordered = sorted(valid, key=lambda row: (len(row), row.row))
    count = max(FEWEST, len(valid) * limit // tokens)
    return [ordered[i * len(ordered) // count] for i in range(min(count, len(ordered)))]


def parameters_of(base: Base) -> int:
    """The base model's parameters; its weights are not read."""
    return sum(int(array.size) for array in weights(load_base(base).model).values())


def _fused_fits(run: RunFolder) -> bool:
    """A fused model that was too large to store is compared only where it fits in memory with room to spare."""
    from tunewright.contract.manifest import read_manifest

    manifest = read_manifest(run.stage("fuse"))
    size = int(manifest.facts.get("bytes", 0)) if manifest else 0
    return size <= max(STORE_LIMIT, physical_memory() // 2)


def _scores(
    name: ModelName, run: RunFolder, recipe: Recipe, base: Base, batches: Sequence[Sequence[Encoded]]
) -> Any:
    """Yield each batch's logits at the places with loss, as (n, vocabulary) float32."""
    if not batches:
        return
    loaded = open_model(name, run, recipe, base)
    scores, share = scores_of(loaded.model), shares_prefixes(loaded.model)
    for rows in batches:
        batch = lay_out(rows, share=share)
        inputs, positions, _, _, prefix = arrays(batch)
        found = scores(loaded.model, inputs, positions[: batch.tokens], prefix).astype(mx.float32)
        mx.eval(found)
        yield found
    release(loaded)


def update_cosines(run: RunFolder, recipe: Recipe, base: Base, report: Reporter) -> dict[str, float]:
    """For each module with an adapter, the cosine of the applied with the intended update.

    Intended: scale * B A. Applied: the delivered weight less the base's. 1 means that quantizing changed
    nothing; near 0, that the adapter's direction is lost in rounding.
    """
    loaded = load_base(base)
    load_adapters(loaded.model, run.stage("train"), recipe.train)
    delivered = dict(load_folder(run.stage("quantize")).model.named_modules())
    found: dict[str, float] = {}
    for name, module in updates(loaded.model).items():
        report.check()
        applied = (float_weight(delivered[name]) - base_weight(module)).reshape(-1)
        wanted = intended_update(module).astype(mx.float32).reshape(-1)
        scale = mx.linalg.norm(applied) * mx.linalg.norm(wanted)
        cosine = mx.where(scale > 0, (applied * wanted).sum() / mx.maximum(scale, 1e-30), 0.0)
        found[name] = float(cast(Any, cosine).item())
    return found
