"""A small checkout and runs in it, with a worker that trains nothing."""

import sys
from pathlib import Path
from secrets import token_hex

from tunewright.contract.manifest import damaged_files, read_manifest
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import RunFolder
from tunewright.remote.bundle import PACKAGES
from tunewright.remote.environment import Environment
from tunewright.remote.host import Host
from tunewright.remote.job import ship_run, start_run
from tunewright.remote.new_run import new_run

WORKER = Path(__file__).with_name("fake_worker.py")


def small_recipe(steps: int = 20, models: bool = True) -> Recipe:
    """A recipe whose training takes `steps` times 10 ms with the fake worker."""
    return Recipe.model_validate(
        {
            "schema": 1,
            "name": "small",
            "model": {"base": "embedded:tiny"},
            "train": {"steps": steps},
            "suites": [{"path": "suites/small.jsonl"}],
            "pull": {"models": models},
        }
    )


def make_checkout(folder: Path) -> Path:
    """A checkout with a suite and a dataset. Of the packages that a host gets it has what a checkout is known by."""
    for package in PACKAGES:
        (folder / "packages" / package).mkdir(parents=True)
        (folder / "packages" / package / "pyproject.toml").touch()
    (folder / "suites").mkdir()
    (folder / "data").mkdir()
    case = '{"id": "%s", "category": "direct", "messages": [{"role": "user", "content": "hello"}]}\n'
    (folder / "suites" / "small.jsonl").write_text(case % "one" + case % "two")
    row = '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "hi"}]}\n'
    (folder / "data" / "train.jsonl").write_text("".join(row % f"{folder.name} {n}" for n in range(2000)))
    (folder / "data" / "valid.jsonl").write_text(row % "held out")
    return folder


def write_program(path: Path, text: str) -> None:
    """A program that another process may be starting or writing now: never half of it, and never open for writing."""
    if path.exists() and path.read_text() == text:
        return
    part = path.with_name(f"{path.name}.{token_hex(4)}.part")
    part.write_text(text)
    part.chmod(0o755)
    part.replace(path)


def fake_environment(folder: Path) -> Environment:
    """An environment whose `python -P -m tunewright.train.worker` is the fake worker."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    write_program(
        python,
        f'#!/bin/sh\n[ "$2" = -m ] || exec "{sys.executable}" "$@"\nshift 3\nexec "{sys.executable}" "{WORKER}" "$@"\n',
    )
    return Environment("0" * 64, str(python), {"python": "3.11"})


def make_run(host: Host, checkout: Path, steps: int = 20, models: bool = True) -> RunFolder:
    """A new run of the checkout's dataset on `host`."""
    environment = fake_environment(checkout / ".fake")
    return new_run(checkout, small_recipe(steps, models), checkout / "data", None, None, host, environment)


def begin(host: Host, checkout: Path, steps: int = 20, models: bool = True) -> RunFolder:
    """A run that has begun on the host."""
    run = make_run(host, checkout, steps, models)
    ship_run(host, run, print)
    start_run(host, run)
    return run


def assert_whole(run: RunFolder, *stages: str) -> None:
    """The laptop's events are whole and gapless, and exactly these stages are here, undamaged."""
    events = run.read_events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    for stage in ("train", "fuse", "quantize", "fidelity", "predictions"):
        manifest = read_manifest(run.path / stage)
        assert (manifest is not None) == (stage in stages), stage
        if manifest is not None:
            assert not damaged_files(run.path / stage, manifest)


def on_host(host: Host, run: RunFolder, name: str) -> bytes:
    """A file of the run as it is on the host."""
    return b"".join(host.stream(host.root / "runs" / run.path.name / name))
