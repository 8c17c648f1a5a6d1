"""A run's folder made by hand: right answers spoiled in a chosen share of cases, and what stages leave behind."""

import json
import math
import shutil
from pathlib import Path
from random import Random
from typing import Any

from tests.support.gold import ROOT, SUITES, answer, gold, program, suite
from tunewright.contract.atomic import (
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_jsonl,
    write_text,
)
from tunewright.contract.manifest import read_manifest, write_manifest
from tunewright.contract.recipe import Recipe, load_recipe
from tunewright.contract.run import STAGES, Forced, RunFolder, RunSpec
from tunewright.contract.run_manifest import write_run_manifest
from tunewright.contract.suite import Case, suite_text

RUN_ID = "20261123-093000-tiny-0a1b2c3d"


def spoiled(case: Case, right: str, random: Random) -> str:
    """A wrong answer of the kinds that small models give."""
    if not case.expect.tools:
        return answer("print(run_command('help'))")
    code = program(right)
    ways = [
        code,
        answer(code.replace("print(", "print(the_", 1)),
        answer(code.replace(case.expect.tools[0], "workspace_symbols", 1)),
        answer("result = 1\nprint(result)"),
        right[:-30],
        f"I think {case.symbols[0] if case.symbols else 'it'} is fine.",
    ]
    return random.choice(ways)


def predictions(name: str, share: float, seed: int) -> list[dict[str, Any]]:
    """One line a case, of which about `share` are right."""
    random = Random(seed)
    rows: list[dict[str, Any]] = []
    for case in suite(name).cases:
        right = gold(name)[case.id]
        text = right if random.random() < share else spoiled(case, right, random)
        tokens = max(1, len(text) // 3)
        rows.append(
            {"case": case.id, "text": text, "tokens": tokens, "prompt_tokens": 60, "seconds": tokens / 400}
        )
    return rows


def make_run(
    folder: Path,
    *,
    run_id: str = RUN_ID,
    tuned: float = 0.9,
    base: float | None = 0.15,
    seed: int = 5,
    recipe: Recipe | None = None,
    forced: Forced | None = None,
    audit: dict[str, Any] | None = None,
    fidelity: dict[str, Any] | None = None,
    every: int = 1,
) -> RunFolder:
    """Everything that a pulled run holds before it is scored. `every`: only each such case of the suites."""
    run = RunFolder(folder / run_id)
    recipe = recipe or load_recipe("tiny", ROOT)
    if base is None:
        recipe = recipe.model_copy(
            update={"predict": recipe.predict.model_copy(update={"models": ("quantized",)})}
        )
    shipped: dict[str, str] = {}
    data: dict[str, str] = {}
    for split, asked in (("train", "Where is Cache defined?"), ("valid", "Who calls load?")):
        row = {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": "Here."}]}
        write_jsonl(run.data / f"{split}.jsonl", [row])
        data[split] = sha256_file(run.data / f"{split}.jsonl")
    for name in SUITES:
        lines = suite_text(ROOT / "suites" / f"{name}.jsonl", "quick").splitlines(keepends=True)
        cases = b"".join(lines[::every])
        write_bytes(run.suites / f"{name}.jsonl", cases)
        shipped[name] = sha256_bytes(cases)
        for model, share in (("base", base), ("quantized", tuned)):
            if share is not None:
                write_jsonl(
                    run.predictions / model / f"{name}.jsonl", predictions(name, share, seed)[::every]
                )
    if audit is not None:
        write_json(run.audit, audit)
    run.write_spec(
        RunSpec(
            id=run_id,
            created="2026-11-23T09:30:00.000+00:00",
            recipe=recipe,
            data=data,
            suites=shipped,
            environment="5e" * 32,
            versions={"python": "3.11.9", "mlx": "0.32.4", "mlx-lm": "0.32.2", "tunewright-train": "0.1.0"},
            git_commit="93cf518e6a7de1f44c0f0c81b1e0a3b1f0d53c11",
            dataset="data/tiny",
            audit=sha256_file(run.audit) if audit is not None else "",
            forced=forced,
        )
    )
    write_text(run.events, "".join(json.dumps(event) + "\n" for event in events()))
    for stage, name in (
        ("train", "adapters.safetensors"),
        ("fuse", "model.safetensors"),
        ("quantize", "model.safetensors"),
    ):
        write_bytes(run.path / stage / name, f"{stage} of {run_id}".encode())
        write_manifest(run.path / stage, stage[0] * 64)
    write_manifest(run.predictions, "p" * 64)
    write_json(run.stage("fidelity") / "fidelity.json", {"agreement": 0.981, "tokens": 2048})
    write_manifest(run.stage("fidelity"), "f" * 64, fidelity or {"agreement": 0.981, "tokens": 2048})
    seal(run)
    shutil.rmtree(run.stage("fuse"))  # a pull leaves it on the host
    return run


def seal(run: RunFolder) -> None:
    """Write the manifests again, as the worker does: for a test that changes what the run itself did."""
    for stage in STAGES:
        folder = run.stage(stage)
        if found := read_manifest(folder):
            write_manifest(folder, found.key, found.facts)
    gone = not run.stage("fuse").exists()
    if gone:
        write_manifest(run.stage("fuse"), "f" * 64)
    write_run_manifest(run)
    if gone:
        shutil.rmtree(run.stage("fuse"))


def events() -> list[dict[str, Any]]:
    """A training of 240 steps, as a worker's journal tells it."""
    rows: list[tuple[str, str, dict[str, Any]]] = [("train", "stage_start", {"total": 240, "step": 0})]
    random = Random(3)
    for step in range(0, 241, 10):
        loss = 0.35 + 2.6 * math.exp(-step / 45)
        if step % 40 == 0:
            rows.append(("train", "validation", {"step": step, "loss": loss + 0.04 + step / 4000}))
        if step:
            noisy = loss + random.uniform(-0.05, 0.05)
            rows.append(
                (
                    "train",
                    "loss",
                    {
                        "step": step,
                        "loss": noisy,
                        "tokens": step * 900,
                        "tokens_per_second": 2100.0,
                        "peak_memory": 800_000_000,
                    },
                )
            )
    rows.append(("train", "stage_end", {"seconds": 97.4, "facts": {"trainable": 217_088}}))
    for stage, seconds in (("fuse", 1.2), ("quantize", 0.8), ("fidelity", 4.1), ("predict", 31.0)):
        rows.append((stage, "stage_end", {"seconds": seconds, "facts": {}}))
    rows.append(("predict", "done", {}))
    return [
        {
            "seq": i,
            "time": f"2026-11-23T09:{31 + i // 60:02}:{i % 60:02}.000+00:00",
            "stage": s,
            "kind": k,
            "data": d,
        }
        for i, (s, k, d) in enumerate(rows, start=1)
    ]


def audit_report(verdict: str = "fail") -> dict[str, Any]:
    """An audit as `audit --json` writes it."""
    return {
        "schema": 1,
        "verdict": verdict,
        "dataset": {
            "files": [
                {"path": "data/tiny/train.jsonl", "split": "train", "examples": 720, "sha256": "7c1e" * 16}
            ]
        },
        "headline": {"majority": 0.26, "structure_only": 0.51, "query_only": 0.93},
        "findings": [
            {
                "check": "coverage.system_message",
                "severity": "fail",
                "split": "train",
                "message": "no example of source navigation has a system message; 100 % of the others have one",
                "effect": 1.0,
                "support": 400,
                "rows": [
                    {"file": "data/tiny/train.jsonl", "line": 1},
                    {"file": "data/tiny/train.jsonl", "line": 17},
                ],
                "hint": "Give every example the same structure: ./inv data.normalize",
            },
            {
                "check": "balance.tool",
                "severity": "warn",
                "split": "train",
                "message": "write_file is the tool of 2 % of the calls",
                "effect": 0.02,
                "support": 14,
                "rows": [],
                "hint": "Add examples of it.",
            },
        ],
    }
