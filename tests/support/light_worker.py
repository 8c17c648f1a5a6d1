"""The real worker with stages that compute nothing: locks, queue, events, checkpoints, deaths and resumption are its own.

    python light_worker.py PYTHON VERB …

`PYTHON` is the wrapper that starts this file. Training takes `train.steps` steps of 10 ms, each of which depends on the one
before; what it ends with tells whether any was left out or done twice. `faults.json` in the host's folder is a list of what
to die of at the fifth step of a process, one after another: the text of an exception, or `signal N`. While a file
`hold` is there, no training goes beyond the step that it names; a file `repeat` says how often each output repeats its text.
"""

import hashlib
import json
import os
import signal
import sys
import time
from typing import Any

from tunewright.contract.atomic import write_json
from tunewright.contract.manifest import read_manifest, write_manifest
from tunewright.contract.run import STAGES, RunFolder, Stage
from tunewright.contract.run_manifest import write_run_manifest
from tunewright.train import worker

FILES: dict[Stage, list[str]] = {
    "train": ["adapters.safetensors", "adapter_config.json"],
    "fuse": ["model.safetensors"],
    "quantize": ["model.safetensors", "config.json"],
    "fidelity": ["fidelity.json"],
    "predict": ["base/small.jsonl", "quantized/small.jsonl"],
}


def after(steps: int) -> str:
    """What training that many steps comes to."""
    state = ""
    for step in range(1, steps + 1):
        state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
    return state


def stages(folder: RunFolder, journal: Any, *, fresh: bool) -> None:
    """Stands in for `worker._do_stages`."""
    folder.manifest.unlink(missing_ok=True)
    spec = folder.read_spec()
    repeat = int(_number(folder, "repeat", 300))
    for stage in STAGES:
        out = folder.stage(stage)
        if read_manifest(out) is not None and not fresh:
            journal.event("stage_reused", stage, **{"from": folder.path.name})
            continue
        steps = spec.recipe.train.steps if stage == "train" else 1
        journal.begin(stage, steps)
        state = (
            _train(folder, journal, steps, spec.recipe.train.checkpoint_every) if stage == "train" else stage
        )
        for name in FILES[stage]:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(state * repeat)
        write_manifest(out, key=spec.id)
        journal.end({})
    write_run_manifest(folder)


def _train(folder: RunFolder, journal: Any, steps: int, every: int) -> str:
    checkpoint = folder.path / ".train.partial" / "checkpoint.json"
    checkpoint.parent.mkdir(exist_ok=True)
    step, state = 0, ""
    if checkpoint.exists():
        step, state = json.loads(checkpoint.read_text())
        journal.resume_at(step)
    begun = step
    while step < steps:
        while step >= _number(folder, "hold", float("inf")):
            journal.check()
            time.sleep(0.01)
        journal.progress(step, steps)
        time.sleep(0.01)
        step += 1
        state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
        if step % every == 0:
            write_json(checkpoint, [step, state])
        if step == begun + 5:
            _die(folder)
    journal.progress(step, steps)
    checkpoint.unlink(missing_ok=True)
    checkpoint.parent.rmdir()
    return state


def _number(folder: RunFolder, name: str, otherwise: float) -> float:
    """What a file of the host's folder says."""
    try:
        return int((folder.path.parent.parent / name).read_text())
    except (OSError, ValueError):
        return otherwise


def _die(folder: RunFolder) -> None:
    faults = folder.path.parent.parent / "faults.json"
    if not faults.exists():
        return
    fault, *others = json.loads(faults.read_text())
    if others:
        write_json(faults, others)
    else:
        faults.unlink()
    if fault.startswith("signal "):
        os.kill(os.getpid(), signal.Signals(int(fault.split()[1])))
    raise RuntimeError(fault)


if __name__ == "__main__":
    sys.executable = sys.argv[1]  # who starts another process of this worker starts the wrapper
    worker._do_stages = stages  # pyright: ignore[reportPrivateUsage]
    sys.exit(worker.main(sys.argv[2:]))
