"""A new run's folder, and what is refused before there is one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.remote_runs import fake_environment, make_checkout, make_run, small_recipe
from tunewright.contract.atomic import sha256_file
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import Forced, RunFolder, find_run
from tunewright.remote.job import list_runs
from tunewright.remote.local_host import LocalHost
from tunewright.remote.new_run import new_run
from tunewright.remote.worker_client import HostRecord, find_on_host


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "checkout")


def make(root: Path, data: Path, recipe: Recipe | None = None, forced: Forced | None = None) -> RunFolder:
    audit = root / "audit.json"
    audit.write_text('{"verdict": "fail"}')
    environment = fake_environment(root / ".fake")
    return new_run(root, recipe or small_recipe(), data, audit, forced, LocalHost(root), environment)


def test_a_run_holds_its_own_copies_of_everything_that_went_in(root: Path) -> None:
    forced = Forced(by="bob", reasons=("coverage.system_message",))
    run = make(root, root / "data", forced=forced)
    spec = run.read_spec()
    assert run.path.parent == root / "runs"
    assert spec.id == run.path.name
    assert spec.data == {name: sha256_file(run.data / f"{name}.jsonl") for name in ("train", "valid")}
    assert spec.suites == {"small": sha256_file(run.suites / "small.jsonl")}
    assert spec.forced == forced
    assert spec.host == "local"
    assert json.loads(run.audit.read_text()) == {"verdict": "fail"}
    (root / "data" / "train.jsonl").write_text("changed")
    assert spec.data["train"] == sha256_file(run.data / "train.jsonl")
    assert find_run(root / "runs").path == run.path


def test_a_new_process_finds_the_run_on_its_host(root: Path) -> None:
    run = make(root, root / "data")
    place = find_on_host(LocalHost(root), run)
    assert place.path == LocalHost(root).root / "runs" / run.path.name
    record = HostRecord.model_validate_json((run.path / "host.json").read_bytes())
    assert (record.name, record.root) == ("local", str(LocalHost(root).root))


def drop_valid(root: Path) -> None:
    (root / "data" / "valid.jsonl").unlink()


def empty_train(root: Path) -> None:
    (root / "data" / "train.jsonl").write_text("\n \n")


def tear_train(root: Path) -> None:
    with (root / "data" / "train.jsonl").open("a") as file:
        file.write('{"messages": [{"role": "us')


def drop_suite(root: Path) -> None:
    (root / "suites" / "small.jsonl").unlink()


def damage_suite(root: Path) -> None:
    (root / "suites" / "small.jsonl").write_text('{"id": 1}\n')


def drop_data(root: Path) -> None:
    (root / "data").rename(root / "elsewhere")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (drop_valid, "data: no valid split"),
        (empty_train, "train.jsonl: no examples in it"),
        (tear_train, "train.jsonl:2001: the last line is cut short"),
        (drop_suite, "no suite at"),
        (damage_suite, "small.jsonl:1: id"),
        (drop_data, "no data at"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(root: Path, harm: Callable[[Path], None], words: str) -> None:
    harm(root)
    with pytest.raises(UserError) as error:
        make(root, root / "data")
    assert words in error.value.message
    assert error.value.hint
    assert error.value.exit_code == 2
    assert list(root.glob("runs/*")) == []


def test_a_last_line_without_its_end_is_fine_when_it_is_whole(root: Path) -> None:
    path = root / "data" / "train.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    make(root, root / "data")


def test_a_single_file_has_no_valid_split(root: Path) -> None:
    with pytest.raises(UserError, match="no valid split") as error:
        make(root, root / "data" / "train.jsonl")
    assert "data.merge" in error.value.hint


def test_two_suites_of_one_name_are_refused(root: Path) -> None:
    (root / "other").mkdir()
    (root / "other" / "small.jsonl").write_text((root / "suites" / "small.jsonl").read_text())
    value = small_recipe().model_dump(by_alias=True)
    value["suites"] = [{"path": "suites/small.jsonl"}, {"path": "other/small.jsonl"}]
    with pytest.raises(UserError, match="two suites are named small"):
        make(root, root / "data", Recipe.model_validate(value))


def test_of_a_subset_a_run_holds_its_cases_alone(root: Path) -> None:
    one, two = (root / "suites" / "small.jsonl").read_text().splitlines()
    value = small_recipe().model_dump(by_alias=True)
    value["suites"] = [{"path": "suites/small.jsonl", "subset": "quick"}]
    with pytest.raises(UserError, match="no case of it is in the subset quick"):
        make(root, root / "data", Recipe.model_validate(value))
    marked = two.replace('"category"', '"quick": true, "category"')
    (root / "suites" / "small.jsonl").write_text(f"{one}\n{marked}\n")
    run = make(root, root / "data", Recipe.model_validate(value))
    assert (run.suites / "small.jsonl").read_text() == f"{marked}\n"
    assert run.read_spec().suites == {"small": sha256_file(run.suites / "small.jsonl")}


@pytest.mark.parametrize("name", ["../../etc", "a b", "$(id)"])
def test_a_spec_with_a_hostile_id_is_not_followed(root: Path, name: str) -> None:
    run = make_run(LocalHost(root), root)
    spec = json.loads(run.spec.read_text())
    run.spec.write_text(json.dumps(spec | {"id": name}))
    with pytest.raises(UserError, match="cannot be a run's id"):
        find_on_host(LocalHost(root), run)


@pytest.mark.parametrize("root_there", ["relative", "/a/../../b"])
def test_a_record_that_leads_elsewhere_is_not_followed(root: Path, root_there: str) -> None:
    run = make_run(LocalHost(root), root)
    record = json.loads((run.path / "host.json").read_text())
    (run.path / "host.json").write_text(json.dumps(record | {"root": root_there}))
    with pytest.raises(UserError, match="not an absolute path"):
        find_on_host(LocalHost(root), run)


def test_runs_are_listed_with_what_is_known_of_them(root: Path) -> None:
    assert list_runs(root) == []
    run = make_run(LocalHost(root), root)
    (row,) = list_runs(root)
    assert (row.id, row.host, row.state, row.pulled) == (run.path.name, "local", "not started", False)
    assert "not pulled" in str(row)
    assert list_runs(root, "mac") == []
