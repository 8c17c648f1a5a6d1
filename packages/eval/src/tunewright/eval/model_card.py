"""A run's model card for the hub: what it was made of, and what it reaches, each number with n and its interval."""

from typing import Any

from tunewright.contract.hub_card import hub_card
from tunewright.contract.run import RunSpec
from tunewright.contract.visible import markdown_cell
from tunewright.eval.run_scores import RunScores


def model_card(spec: RunSpec, scores: RunScores, licence: str) -> str:
    """README.md of a model repository. `licence` is one of the hub's identifiers."""
    recipe = spec.recipe
    base = recipe.model.base
    on_hub = not base.startswith(("embedded:", "/", "~", "."))
    at = f" at {recipe.model.revision}" if recipe.model.revision else ""
    results: list[dict[str, Any]] = [
        {
            "task": {"type": "text-generation"},
            "dataset": {"name": name, "type": f"tunewright/{name}"},
            "metrics": [
                {"type": "accuracy", "name": metric, "value": round(score.metric(metric).value, 4)}
                for metric in score.headline
                if score.metric(metric).n
            ],
        }
        for name, score in scores.tuned.items()
    ]
    metadata: dict[str, object] = {
        "library_name": "mlx",
        "pipeline_tag": "text-generation",
        "license": licence,
        **({"base_model": base, "base_model_relation": "finetune"} if on_hub else {}),
        "tags": ["mlx", "lora", "tool-calling", "tunewright"],
        "model-index": [{"name": spec.id, "results": results}],
    }
    lines = [
        f"# {markdown_cell(recipe.name)}: {scores.badge}",
        "",
        f"{markdown_cell(base)}{at}, fine-tuned with LoRA, fused and "
        f"quantized to {recipe.quantize.bits} bits. Run {spec.id} of {spec.created[:10]}.",
        "",
        "## What it reaches",
        "",
        "Share of cases, with a 95 % interval. Answers are judged by running them, or by comparing their calls.",
        "",
        "| suite | metric | model | base |",
        "|---|---|---|---|",
        *(
            f"| {markdown_cell(name)} | {metric} | {score.metric(metric)} | {_of_base(scores, name, metric)} |"
            for name, score in scores.tuned.items()
            for metric in score.headline
        ),
        "",
        "## Gates",
        "",
        *(
            [
                f"- {gate.verdict}: {markdown_cell(gate.name)}, {gate.target}: {markdown_cell(gate.measured)}"
                for gate in scores.gates
            ]
            or ["The recipe sets none."]
        ),
        "",
        "## How it was made",
        "",
        f"- data: {markdown_cell(spec.dataset)}; "
        + ", ".join(f"{split} `{digest}`" for split, digest in spec.data.items()),
        f"- versions: {', '.join(f'{name} {version}' for name, version in spec.versions.items())}",
        f"- code: {spec.git_commit or 'not known'}",
        *(["- **the audit of the data failed, and the run was forced**"] if scores.forced else []),
        "",
        "What it does outside of these suites was not measured.",
    ]
    return hub_card(metadata, lines)


def _of_base(scores: RunScores, suite: str, metric: str) -> str:
    return (
        str(scores.control[suite].metric(metric))
        if scores.control and suite in scores.control
        else "not asked"
    )
