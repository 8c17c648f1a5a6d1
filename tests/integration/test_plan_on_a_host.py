"""A plan of the tiny recipe for a host on which nothing of ours is."""

from collections.abc import Generator
from pathlib import Path, PurePosixPath

import pytest

from tests.support.ssh_files import find_uv
from tunewright.cli.plan_model import count, find_config
from tunewright.cli.plan_text import plan_text
from tunewright.cli.planning import make_plan, memory_budget
from tunewright.contract.recipe import load_recipe
from tunewright.remote.host import open_host
from tunewright.remote.host_facts import parse_facts
from tunewright.remote.local_host import LocalHost

MAC = parse_facts({"system": "Darwin", "home": "/Users/bob"})


class Nowhere(LocalHost):
    """A host that has no file at all."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))

    def stream(self, path: PurePosixPath, offset: int = 0) -> Generator[bytes]:
        yield from ()
        raise FileNotFoundError(path)


ROOT = Path(__file__).parents[2]


@pytest.mark.sshd
def test_a_bare_host_gets_a_whole_plan_and_stays_as_it_was(
    host_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV", find_uv())  # as the launcher does
    with open_host(host_name, tmp_path) as host:
        before = host.run(["/usr/bin/find", str(host.root)]).text
        plan = make_plan(load_recipe("tiny", ROOT), host)
        assert host.run(["/usr/bin/find", str(host.root)]).text == before
    assert plan.counts is not None
    assert plan.counts.trained > 100_000
    assert plan.disk_free is not None
    assert plan.problems == ()
    assert [cargo.name for cargo in plan.cargo if "suites/" in cargo.name] == [
        "suites/navigation.jsonl (quick)",
        "suites/field_access.jsonl (quick)",
    ]
    assert "is fit for tiny" in plan_text(plan)


def test_a_folder_that_the_host_lacks_makes_it_unfit(tmp_path: Path) -> None:
    recipe = load_recipe("qwen3-coder-30b-a3b", ROOT)
    gone = recipe.model_copy(update={"model": recipe.model.model_copy(update={"base": "~/no/such/model"})})
    with open_host("local", tmp_path) as host:
        plan = make_plan(gone, host)
    assert plan.counts is None
    assert any("no model in ~/no/such/model" in problem for problem in plan.problems)


def test_the_big_recipe_is_counted_on_a_laptop_that_has_no_model(tmp_path: Path) -> None:
    """Its figures are known: from the config that travels with the recipe, and the peak of a real run."""
    recipe = load_recipe("qwen3-coder-30b-a3b", ROOT)
    with open_host("local", tmp_path) as host:
        plan = make_plan(recipe, host)
    text = plan_text(plan)
    for figure in ("30,532,122,624", "70,459,392 (0.231 %)", "56.87 GiB", "5.501 bits a weight, 19.55 GiB"):
        assert figure in text, figure
    assert "about 16.00 GiB fetched by the host" in text
    assert "has no lock yet" in text
    assert "is fit" not in text, "60 GiB as floats on a CPU"
    counts = count(recipe, find_config(recipe, Nowhere(), MAC).config, 430, 1.0)
    assert counts.training.total / 1e9 == pytest.approx(20.976, rel=0.1)


@pytest.mark.parametrize(
    ("values", "gib"),
    [
        ({"system": "Darwin", "memory_bytes": str(64 << 30)}, 48.0),
        ({"system": "Darwin", "memory_bytes": str(24 << 30)}, 16.0),
        ({"system": "Darwin", "memory_bytes": str(64 << 30), "wired_limit_mb": "57344"}, 56.0),
        ({"system": "Linux", "memory_kib": str(16 << 20)}, 16.0),
    ],
)
def test_a_mac_keeps_some_memory_from_its_gpu(values: dict[str, str], gib: float) -> None:
    budget, source = memory_budget(parse_facts(values))
    assert budget is not None
    assert budget / (1 << 30) == pytest.approx(gib)
    assert source


def test_unknown_memory_is_no_budget() -> None:
    assert memory_budget(parse_facts({"system": "Darwin"})) == (None, "")
