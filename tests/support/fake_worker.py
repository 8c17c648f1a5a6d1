"""A worker that trains nothing: it keeps the real one's command line, files and manners.

    python fake_worker.py start|work|status|cancel --run DIR [--fresh]

`train.steps` of the run's recipe says how many steps of 10 ms it takes.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tunewright.contract.atomic import write_json
from tunewright.contract.manifest import now, write_manifest
from tunewright.contract.run import RunFolder, Status, parse_events

STOP = {signal.SIGTERM}
STAGES = {
    "train": ["adapters.safetensors", "adapter_config.json"],
    "fuse": ["model.safetensors"],
    "quantize": ["model.safetensors", "config.json"],
    "fidelity": ["fidelity.json"],
    "predictions": ["base/small.jsonl", "quantized/small.jsonl"],
}


def main() -> None:
    verb, run = sys.argv[1], RunFolder(Path(sys.argv[sys.argv.index("--run") + 1]))
    if not run.spec.exists():
        sys.stdout.write(json.dumps({"error": f"{run.path} is not a run", "hint": "Ship it."}) + "\n")
        sys.exit(2)
    answer = {"start": start, "status": status, "cancel": cancel, "work": work}[verb](run)
    sys.stdout.write(json.dumps(answer) + "\n")


def start(run: RunFolder) -> dict[str, object]:
    if _held(run):
        return {"state": "running", "pid": _pid(run)}
    write_json(run.status, Status(state="queued", heartbeat=now()).model_dump())
    with run.log.open("ab") as log:
        log.write(b"--- worker started\n")
        log.flush()
        command = [sys.executable, __file__, "work", "--run", str(run.path), *sys.argv[4:]]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    while process.poll() is None and not _held(run):
        time.sleep(0.01)
    return {"state": "queued", "pid": process.pid}


def work(run: RunFolder) -> dict[str, object]:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # until it can be obeyed
    lock = (run.path / "worker.lock").open("a+")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.truncate(0)
    lock.write(json.dumps({"pid": os.getpid()}))
    lock.flush()
    spec = run.read_spec()
    known, whole = parse_events(run.events.read_bytes() if run.events.exists() else b"")
    seq = len(known)
    events = run.events.open("ab", buffering=0)
    events.truncate(whole)  # what a killed one was writing
    steps = spec.recipe.train.steps

    def event(stage: str, kind: str, **data: object) -> None:
        nonlocal seq
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # `stop` has an event of its own
        seq += 1
        line = json.dumps({"seq": seq, "time": now(), "stage": stage, "kind": kind, "data": data})
        # In two writes, so that whoever copies meets torn lines.
        events.write(line[:20].encode())
        events.write(line[20:].encode() + b"\n")
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def say(state: str, stage: str, step: int = 0) -> None:
        value = Status.model_validate({"state": state, "stage": stage, "step": step, "heartbeat": now()})
        # Without flushing to the disk, which a busy machine takes its time for.
        part = run.path / ".status.part"
        part.write_text(value.model_dump_json())
        part.replace(run.status)

    def stop(*_: object) -> None:
        event("", "cancelled")
        say("cancelled", "")
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
    for name, hashes in (("data", spec.data), ("suites", spec.suites)):
        for part in hashes:
            sys.stderr.write(f"{name}/{part}: {(run.inputs / name / f'{part}.jsonl').stat().st_size} bytes\n")
    for stage, files in STAGES.items():
        out = run.path / stage
        if (out / "manifest.json").exists():
            event(stage, "stage_reused")
            continue
        event(stage, "stage_start", total=steps, step=0)
        for step in range(1, steps + 1):
            time.sleep(0.01 if stage == "train" else 0)
            event(stage, "progress", step=step, total=steps, seconds_left=(steps - step) * 0.01)
            say("running", stage, step)
        for name in files:
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 20_000)
        write_manifest(out, key=spec.id)
        event(stage, "stage_end", seconds=steps * 0.01, facts={})
    event("", "done")
    say("done", "predictions")
    return {"state": "done"}


def status(run: RunFolder) -> dict[str, object]:
    held = _held(run)  # asked first: whoever holds it no more has said its last word
    found = run.read_status() or Status(state="queued")
    if found.state in ("queued", "running") and run.status.exists() and not held:
        found = found.model_copy(update={"state": "lost", "message": "the worker was killed"})
    return found.model_dump()


def cancel(run: RunFolder) -> dict[str, object]:
    if _held(run):
        os.kill(_pid(run), signal.SIGTERM)
        while _held(run):
            time.sleep(0.01)
    return status(run)


def _held(run: RunFolder) -> bool:
    with (run.path / "worker.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _pid(run) != 0
    return False


def _pid(run: RunFolder) -> int:
    text = (run.path / "worker.lock").read_text()
    return int(json.loads(text)["pid"]) if text else 0


if __name__ == "__main__":
    main()
