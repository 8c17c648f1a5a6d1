"""The fidelity stage: is the model that is delivered still the one that was trained?

Quantizing can round an adapter's small updates away. So the adapter model is the reference, and base, fused
and quantized are compared with it on the validation set, token by token, each fed the true text before.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from tunewright.contract.atomic import write_json
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder
from tunewright.train.base import Base, load_base, load_folder
from tunewright.train.batches import in_order, lay_out
from tunewright.train.cpu_streams import Lanes
from tunewright.train.encode import Encoded
from tunewright.train.fuse import STORE_LIMIT, base_weight, float_weight, intended_update
from tunewright.train.lora import load_adapters, updates
from tunewright.train.loss import arrays, scores_of, shares_prefixes
from tunewright.train.machine import physical_memory
from tunewright.train.models import ModelName, open_model, release, weights
from tunewright.train.run_events import Reporter

# Of each place's distribution the reference keeps this many tokens and the sum of the rest, so that one
# model at a time is in memory.
TOP = 64
CPU_WORK = 10**12  # tokens times parameters: about half a minute a model at 100 GFLOP/s
FEWEST = 16  # rows
COMPARED: tuple[ModelName, ...] = ("base", "fused", "quantized")

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


def fidelity(
    out: Path,
    run: RunFolder,
    recipe: Recipe,
    base: Base,
    valid: Sequence[Encoded],
    report: Reporter,
    rehearsed: Sequence[Encoded] = (),
) -> dict[str, Any]:
    """Compare the run's models, write `fidelity.json` to `out`, and return the stage's facts.

    facts: `agreement` and `kl` of the quantized model with the adapter model, over `tokens` tokens; the same
    of `fused` and of `base` for scale; `cosine` of applied with intended updates (mean and smallest); with
    `rehearsed` rows, which nothing was trained on, `forgetting`: their perplexity.
    """
    batches = in_order(some_rows(valid, parameters_of(base)), recipe.train.batch_size)
    names: list[ModelName] = [name for name in COMPARED if name != "fused" or _fused_fits(run)]
    total = len(batches) * (len(names) + 1)
    references: list[Reference] = []
    for number, scores in enumerate(_scores("adapter", run, recipe, base, batches), start=1):
        references.append(reference_of(scores))
        report.progress(number, total)
    tokens = sum(len(reference.tokens) for reference in references)
    result: dict[str, Any] = {"tokens": tokens}
    done = len(batches)
    for name in names:
        agreed, divergence = 0, 0.0
        for reference, scores in zip(references, _scores(name, run, recipe, base, batches)):
            same, kl = compare(reference, scores)
            agreed, divergence, done = agreed + same, divergence + kl, done + 1
            report.progress(done, total)
        result[name] = {"agreement": agreed / tokens, "kl": divergence / tokens}
    cosines = update_cosines(run, recipe, base, report)
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
        facts["forgetting"] = forgetting(run, recipe, base, some_rows(rehearsed, parameters_of(base)), report)
    return facts


def forgetting(
    run: RunFolder, recipe: Recipe, base: Base, rows: Sequence[Encoded], report: Reporter
) -> dict[str, Any]:
    """The perplexity of a base's own answers: `before` training, `after` it, and as `delivered` (quantized).

    exp of the mean cross-entropy in nats over the answers' `tokens` tokens, that of the turn's end included.
    """
    batches = in_order(rows, recipe.train.batch_size)
    names: dict[str, ModelName] = {"before": "base", "after": "adapter", "delivered": "quantized"}
    tokens = sum(row.trainable for row in rows)
    found: dict[str, Any] = {"rows": len(rows), "tokens": tokens}
    for what, name in names.items():
        nats = 0.0
        for batch, scores in zip(batches, _scores(name, run, recipe, base, batches)):
            report.check()
            # Sharing a prefix changes where the tokens are, and neither which ones nor their order.
            targets = mx.array(lay_out(batch).targets[: len(scores)])
            logs = mx.take_along_axis(scores, targets[:, None], axis=-1)[:, 0] - mx.logsumexp(scores, axis=-1)
            nats -= float(cast(Any, logs.sum()).item())
        found[what] = round(math.exp(nats / tokens), 4)
    return found


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
    loaded = open_model(name, run, recipe, base)
    scores, share = scores_of(loaded.model), shares_prefixes(loaded.model)
    lanes = Lanes()
    for start in range(0, len(batches), lanes.count):
        found: list[Any] = []
        for stream, rows in zip(lanes.streams, batches[start : start + lanes.count]):
            batch = lay_out(rows, share=share)
            inputs, positions, _, _, prefix = arrays(batch)
            with mx.stream(stream):
                logits = scores(loaded.model, inputs, positions[: batch.tokens], prefix)
                found.append(logits.astype(mx.float32))
        mx.eval(found)
        yield from found
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
