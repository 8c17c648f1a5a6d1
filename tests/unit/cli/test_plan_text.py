"""What a plan says, and when it says no."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from tests.support.made_run import make_run
from tunewright.cli import planning
from tunewright.cli.plan_downloads import download_bytes
from tunewright.cli.plan_earlier import find_earlier, read_earlier
from tunewright.cli.plan_text import Cargo, Earlier, Plan, batch_of, duration, plan_text
from tunewright.contract.counts import Counts, Disk, Training
from tunewright.contract.recipe import load_recipe
from tunewright.contract.run import Event
from tunewright.contract.sizes import size

ROOT = Path(__file__).parents[3]
GIB = 1 << 30
RECIPE = load_recipe("qwen3-coder-30b-a3b", ROOT)
COUNTS = Counts(
    parameters=30_532_122_624,
    trained=70_459_392,
    float16_bytes=61_064_245_248,
    base_bytes=16 * GIB,
    quantized_bytes=20_995_829_760,
    bits_per_weight=5.5013,
    adapter_bytes=281_837_568,
    training=Training(
        weights=16 * GIB, state=GIB, activations=7 * GIB, logits=5 * GIB, batch_tokens=2048, loss_tokens=900
    ),
    disk=Disk(base=16 * GIB, train=3 * GIB, fuse=0, quantize=20 * GIB),
)
PLAN = Plan(
    recipe=RECIPE,
    host="mac-studio",
    machine="macOS 26.1 on arm64, 64 GiB of memory",
    counts=COUNTS,
    disk_free=100 * GIB,
    memory_budget=48 * GIB,
    memory_source="iogpu.wired_limit_mb",
    length_known=True,
    cargo=(Cargo("data/train.jsonl", here=400_000), Cargo("environment", there=True)),
)


def test_a_plan_as_a_whole(monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    monkeypatch.setattr(planning, "ROOT", ROOT)
    assert PLAN.problems == ()
    assert plan_text(replace(PLAN, gates=planning.gates_of(load_recipe("tiny", ROOT)))) == snapshot


def test_a_plan_that_does_not_fit_as_a_whole(snapshot: SnapshotAssertion) -> None:
    earlier = Earlier("some-run", {"train": 5400.0}, 210.0, peak_memory=21 * GIB)
    lacks = replace(PLAN, disk_free=10 * GIB, memory_budget=20 * GIB, against=("no uv",), earlier=earlier)
    assert plan_text(lacks) == snapshot


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"disk_free": 10 * GIB}, "10.00 GiB of disk are free"),
        (
            {"disk_free": PLAN.disk_needed - 1},
            "23.000372528 GiB of disk are free, 23.000372529 GiB are needed",
        ),
        ({"memory_budget": 24 * GIB}, "about 29.00 GiB of memory, of 24.00 GiB"),
        ({"against": ("no uv",)}, "no uv"),
        ({"counts": None, "unknown": "no model", "against": ("no model",)}, "no model"),
    ],
)
def test_what_the_host_lacks_makes_it_unfit(change: dict[str, Any], words: str) -> None:
    plan = replace(PLAN, **change)
    assert any(words in problem for problem in plan.problems)
    assert words in plan_text(plan).partition("verdict")[2]


def test_a_length_that_nobody_knows_is_a_doubt_and_no_verdict() -> None:
    plan = replace(PLAN, memory_budget=24 * GIB, length_known=False)
    assert plan.problems == ()
    verdict = plan_text(plan).partition("verdict")[2]
    assert "is not known" in verdict
    assert "max_seq_length does not fit" in verdict
    assert "is fit" not in verdict
    assert replace(plan, memory_budget=16 * GIB).problems


sizes = st.integers(0, 200 * GIB)


@given(
    parts=st.tuples(sizes, sizes, sizes, sizes),
    budget=st.none() | sizes,
    length_known=st.booleans(),
    peak=st.none() | sizes,
    counted=st.booleans(),
)
def test_fit_is_never_said_above_the_hosts_memory(
    parts: tuple[int, int, int, int], budget: int | None, length_known: bool, peak: int | None, counted: bool
) -> None:
    weights, state, activations, logits = parts
    training = COUNTS.training.model_copy(
        update={"weights": weights, "state": state, "activations": activations, "logits": logits}
    )
    plan = replace(
        PLAN,
        counts=COUNTS.model_copy(update={"training": training}) if counted else None,
        memory_budget=budget,
        length_known=length_known,
        earlier=Earlier("run", {"train": 1.0}, peak_memory=peak) if peak is not None else None,
    )
    needed = peak or training.total
    fits = counted and budget is not None and needed <= budget
    verdict = plan_text(plan).partition("verdict")[2]
    assert ("is fit" in verdict) is fits
    assert not (plan.problems and "is fit" in verdict)


def test_a_measured_peak_outweighs_the_estimate() -> None:
    earlier = Earlier("some-run", {"train": 5400.0}, 210.0, peak_memory=21 * GIB)
    plan = replace(PLAN, memory_budget=24 * GIB, earlier=earlier)
    assert plan.problems == ()


def test_a_base_model_that_is_not_there_needs_its_disk() -> None:
    assert replace(PLAN, base_there=False).disk_needed - PLAN.disk_needed == 16 * GIB


def test_nothing_known_of_the_model_is_said_and_is_no_verdict(snapshot: SnapshotAssertion) -> None:
    assert plan_text(replace(PLAN, counts=None, unknown="the hub was not reached")) == snapshot


def event(seq: int, stage: str, kind: str, **data: Any) -> Event:
    return Event(seq=seq, time="2026-11-23T02:00:00+00:00", stage=stage, kind=kind, data=data)


EVENTS = (
    event(1, "train", "stage_start", total=100, step=0),
    event(2, "train", "loss", step=50, tokens=5000, peak_memory=7),
    event(3, "train", "loss", step=100, tokens=10_000, peak_memory=9),
    event(4, "train", "stage_end", seconds=20.0),
    event(5, "fuse", "stage_reused"),
    event(6, "predict", "stage_start", total=0, step=0),
    event(7, "predict", "stage_end", seconds=5.0),
)


def test_an_earlier_run_gives_seconds_pace_and_peak() -> None:
    found = read_earlier("run", EVENTS, work=2)
    assert found == Earlier("run", {"train": 40.0, "predict": 5.0}, 500.0, 9)


def test_training_that_was_interrupted_or_taken_over_tells_no_time() -> None:
    resumed = [EVENTS[0], event(2, "train", "stage_start", total=100, step=60), *EVENTS[3:]]
    assert read_earlier("run", resumed, 1) is None
    assert read_earlier("run", [event(1, "train", "stage_reused")], 1) is None
    assert read_earlier("run", [], 1) is None


def test_only_runs_of_the_same_recipe_and_host_count(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.events.write_text("".join(e.model_dump_json() + "\n" for e in EVENTS))
    tiny = load_recipe("tiny", ROOT)
    found = find_earlier(tmp_path, tiny, "local")
    assert found is not None
    assert found.seconds["train"] == 20.0
    assert find_earlier(tmp_path, tiny, "mac") is None
    assert find_earlier(tmp_path, RECIPE, "local") is None
    longer = tiny.model_copy(update={"train": tiny.train.model_copy(update={"steps": tiny.train.steps * 3})})
    scaled = find_earlier(tmp_path, longer, "local")
    assert scaled is not None
    assert scaled.seconds["train"] == 60.0
    assert find_earlier(tmp_path / "nowhere", tiny, "local") is None


LOCK = """
version = 1
[[package]]
name = "mlx"
version = "1.0"
wheels = [
    { url = "https://example.org/mlx-1.0-cp311-cp311-macosx_14_0_arm64.whl", size = 10 },
    { url = "https://example.org/mlx-1.0-cp312-cp312-macosx_26_0_arm64.whl", size = 30 },
    { url = "https://example.org/mlx-1.0-cp312-cp312-manylinux_2_35_x86_64.whl", size = 70 },
]
[[package]]
name = "metal"
version = "1.0"
wheels = [{ url = "https://example.org/metal-1.0-py3-none-macosx_14_0_arm64.whl", size = 500 }]
[[package]]
name = "jinja2"
version = "3.0"
sdist = { url = "https://example.org/jinja2-3.0.tar.gz", size = 9000 }
wheels = [{ url = "https://example.org/jinja2-3.0-py3-none-any.whl", size = 2 }]
[[package]]
name = "never-asked"
version = "1.0"
wheels = [{ url = "https://example.org/never_asked-1.0-py3-none-any.whl", size = 100000 }]
"""
REQUIREMENTS = """
mlx==1.0 \\
    --hash=sha256:00
metal==1.0 ; sys_platform == 'darwin' \\
    --hash=sha256:00
jinja2==3.0 ; sys_platform != 'emscripten' \\
    --hash=sha256:00
"""


@pytest.mark.parametrize(
    ("system", "arch", "total"), [("Darwin", "arm64", 532), ("Linux", "x86_64", 72), ("Linux", "aarch64", 2)]
)
def test_a_host_downloads_the_wheels_of_its_own_kind(system: str, arch: str, total: int) -> None:
    assert download_bytes(LOCK, REQUIREMENTS, system, arch) == total


@given(st.integers(0, 1 << 60))
def test_sizes_are_short(number: int) -> None:
    assert len(size(number)) <= len("1,073,741,824.00 GiB")
    assert size(number).rpartition(" ")[2] in {"bytes", "KiB", "MiB", "GiB"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0, "0.0 s"), (59.4, "59 s"), (284.2, "4 min 44 s"), (5400, "1 h 30 min")]
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_longest_example_makes_the_batch() -> None:
    assert batch_of([(300, 30), (900, 450)], 3.0) == (308, 0.5)
    assert batch_of([], 3.0) == (0, 1.0)
    assert batch_of([(0, 0)], 3.0) == (8, 0.01)
