"""Logs of other evaluation tools, compared as our own runs are; and hostile ones."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.foreign_logs import (
    inspect_header,
    inspect_sample,
    inspect_samples,
    write_bfcl,
    write_inspect_eval,
    write_inspect_json,
    write_inspect_zstandard,
    write_lm_eval,
    write_zstandard_zip,
)
from tests.support.made_run import make_run
from tunewright.contract.errors import UserError
from tunewright.eval import bounded_zip
from tunewright.eval.comparison import Comparison, compare_judged
from tunewright.eval.judged import Judged, read_judged, right_or_wrong
from tunewright.eval.statistics import pair

A = {f"case{n}": n % 4 != 0 for n in range(40)}
B = {f"case{n}": n % 8 != 0 and n != 5 for n in range(40)}
NOWHERE = Path("/nowhere")

Write = Callable[[Path, dict[str, bool]], Path]
WRITERS: dict[str, Write] = {
    "inspect .eval": lambda path, right: write_inspect_eval(
        path.with_suffix(".eval"), inspect_samples(right)
    ),
    "inspect .eval, Zstandard": lambda path, right: write_inspect_zstandard(
        path.with_suffix(".eval"), inspect_samples(right)
    ),
    "inspect .json": lambda path, right: write_inspect_json(
        path.with_suffix(".json"), inspect_samples(right)
    ),
    "lm-eval": write_lm_eval,
    "lm-eval, a folder": lambda path, right: write_lm_eval(path, right).parent,
    "BFCL": write_bfcl,
}


def read(path: Path, metric: str = "") -> Judged:
    return read_judged(path, NOWHERE, metric=metric)


def compared(a: Path, b: Path) -> Comparison:
    return compare_judged(read(a), read(b))


@pytest.mark.parametrize("kind", WRITERS)
def test_cases_are_paired_by_id_whatever_the_order(tmp_path: Path, kind: str) -> None:
    write = WRITERS[kind]
    keep_ids = kind.startswith("lm-eval")  # a document's id is its place
    shuffled = B if keep_ids else dict(sorted(B.items(), key=lambda item: item[0][::-1]))
    result = compared(write(tmp_path / "a", A), write(tmp_path / "b", shuffled))
    expected = pair([*A.values()], [*B.values()])
    total = result.total
    assert (total.both, total.only_a, total.only_b, total.neither) == (
        expected.both, expected.only_a, expected.only_b, expected.neither,
    )  # fmt: skip
    assert result.unpaired == {}
    # The control: a log compared with itself differs nowhere.
    same = compared(write(tmp_path / "a", A), write(tmp_path / "c", A))
    assert same.flips == ()
    assert same.total.both == sum(A.values())


@pytest.mark.parametrize("kind", WRITERS)
def test_the_page_and_the_json_hold_what_changed(tmp_path: Path, kind: str) -> None:
    write = WRITERS[kind]
    result = compared(write(tmp_path / "a", A), write(tmp_path / "b", B))
    assert result.to_html().count('<details class="case') == len(result.flips) == 6
    value = json.loads(json.dumps(result.to_json()))
    assert len(value["gained"]) == 5
    assert [item["reasons"] for item in value["lost"]] != [[]]
    assert 0.05 < value["detectable"] < 0.6
    assert "40 cases show a difference of" in result.to_text()


def test_cases_that_only_one_has_are_counted(tmp_path: Path) -> None:
    some = {case: passed for case, passed in A.items() if case != "case3"}
    a = write_inspect_eval(tmp_path / "a.eval", inspect_samples(A))
    b = write_inspect_eval(tmp_path / "b.eval", inspect_samples(some | {"new": True}))
    result = compared(a, b)
    assert result.total.n == 39
    assert result.unpaired == {"sums": 2}
    assert "cases that only one has: 2 of sums" in result.to_text()


def test_cases_that_ask_something_else_are_refused(tmp_path: Path) -> None:
    other = [{**sample, "input": "What else?"} for sample in inspect_samples(A)]
    a = write_inspect_eval(tmp_path / "a.eval", inspect_samples(A))
    with pytest.raises(UserError, match="case case0 asks something else"):
        compared(a, write_inspect_eval(tmp_path / "b.eval", other))


def test_cases_of_one_cluster_are_not_independent(tmp_path: Path) -> None:
    def samples(right: dict[str, bool]) -> list[Any]:
        return [
            inspect_sample(case, "C" if passed else "I", metadata={"cluster": case[:5]})
            for case, passed in right.items()
        ]

    worse = dict.fromkeys(A, False)
    a = write_inspect_eval(tmp_path / "a.eval", samples(A))
    b = write_inspect_eval(tmp_path / "b.eval", samples(worse))
    clustered = compared(a, b)
    plain = compared(
        write_inspect_eval(tmp_path / "c.eval", inspect_samples(A)),
        write_inspect_eval(tmp_path / "d.eval", inspect_samples(worse)),
    )
    assert clustered.total.difference == plain.total.difference
    assert clustered.total.p > plain.total.p
    assert clustered.detectable is None or (plain.detectable and clustered.detectable > plain.detectable)
    assert "independent ones" in clustered.to_text()
    # The names may be in either log alone.
    half = compared(a, write_inspect_eval(tmp_path / "e.eval", inspect_samples(worse)))
    assert half.total == clustered.total
    assert half.suites == clustered.suites


def test_epochs_are_samples_of_one_case_and_failures_are_wrong(tmp_path: Path) -> None:
    samples = [
        inspect_sample("x", "I", epoch=2),
        inspect_sample("x", "C", epoch=1),
        inspect_sample("y", "C", error={"message": "it broke", "traceback": ""}),
        inspect_sample("z", "C", scores=None),
        inspect_sample("n", float("nan")),
        inspect_sample("p", "P"),
    ]
    score = read(write_inspect_json(tmp_path / "a.json", samples)).tuned["sums"]
    assert {one.case: one.passed for one in score.firsts} == {"x": True, "y": False, "p": False}
    assert next(one.reasons for one in score.firsts if one.case == "y") == ("it failed: it broke",)
    assert len(score.outcomes) == 4


def test_messages_in_parts_and_ids_that_are_numbers(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}]}]
    sample = {**inspect_sample("x", 1), "id": 7, "input": asked}
    judged = read(write_inspect_json(tmp_path / "a.json", [sample]))
    (case,) = judged.suites["sums"].cases
    assert case.id == "7"
    assert [(m.role, m.content) for m in case.messages] == [("system", "s"), ("user", "u")]


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("C", True), ("I", False), ("P", False), ("N", False), ("yes", True), (1, True), (1.0, True), (0, False),
        (True, True), (False, False), (0.5, None), ("A", None), (2, None), ([1], None), (None, None),
    ],
)  # fmt: skip
def test_what_is_right_or_wrong(value: Any, right: bool | None) -> None:
    assert right_or_wrong(value) is right


def test_a_metric_is_chosen_by_its_name(tmp_path: Path) -> None:
    many = [inspect_sample("x", {"a": 1, "b": 0})]
    log = write_inspect_json(tmp_path / "a.json", many)
    with pytest.raises(UserError, match="several values") as error:
        read(log)
    assert "exact.a, exact.b" in error.value.hint
    assert read(log, "exact.a").tuned["sums"].overall.k == 1
    assert read(log, "exact.b").tuned["sums"].overall.k == 0
    with pytest.raises(UserError, match=r"0\.5, neither right nor wrong"):
        read(log, "length")
    with pytest.raises(UserError, match="no scorer 'other'"):
        read(log, "other")
    samples = write_lm_eval(tmp_path / "lm", A)
    assert read(samples).tuned["sums"].overall.k == 30
    assert read(samples, "exact_match,strict-match").tuned["sums"].overall.k == 30
    assert read(samples, "exact_match,flexible-extract").tuned["sums"].overall.k == 0
    with pytest.raises(UserError, match=r":1: share is 0\.4, neither right nor wrong"):
        read(samples, "share")
    with pytest.raises(UserError, match="no metric f1"):
        read(samples, "f1")
    with pytest.raises(UserError, match="no case in it"):
        read(samples, "exact_match,unknown")


def test_one_name_for_two_evaluations_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_inspect_eval(tmp_path / f"{name}.eval", inspect_samples(A))
    with pytest.raises(UserError, match="has case 'case0' twice"):
        read(tmp_path)
    write_inspect_eval(tmp_path / "b.eval", inspect_samples(A), task="other", model="vendor/other")
    with pytest.raises(UserError, match="several models"):
        read(tmp_path)
    write_inspect_eval(tmp_path / "b.eval", inspect_samples(A), task="other")
    assert list(read(tmp_path).tuned) == ["sums", "other"]


@pytest.mark.slow
def test_saved_predictions_of_a_run_are_judged_with_its_suites(tmp_path: Path) -> None:
    run = make_run(tmp_path, tuned=0.9, base=0.2)
    base, tuned = (read(run.predictions / model) for model in ("base", "quantized"))
    assert (base.model, tuned.model) == ("base", "quantized")
    result = compare_judged(base, tuned)
    assert result.verdict == "BETTER"
    assert result.total.n == 120
    one = read(run.predictions / "base" / "navigation.jsonl")
    assert one.tuned["navigation"].overall == base.tuned["navigation"].overall
    with pytest.raises(UserError, match="predictions of 2 suites"):
        read_judged(run.predictions / "base", NOWHERE, suite="x.jsonl")


def test_bfcl_needs_its_results_and_its_counts_to_agree(tmp_path: Path) -> None:
    folder = write_bfcl(tmp_path, A)
    (result,) = tmp_path.glob("result/*/*/*")
    text = result.read_text()
    result.write_text("".join(text.splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match="it counts 30 right of 40, and the files hold 29 of 39"):
        read(folder)
    result.write_text(text.replace('"case0"', '"else"'))
    with pytest.raises(UserError, match="case0 is not among the results"):
        read(folder)
    result.unlink()
    with pytest.raises(UserError, match="which is missing"):
        read(folder)
    write_bfcl(tmp_path, A, model="other")
    with pytest.raises(UserError, match=r"missing|several models"):
        read(tmp_path / "score")


HEAD = json.dumps(inspect_header()).encode()
SAMPLE = json.dumps(inspect_sample("x", "C")).encode()
GARBLED: dict[str, Callable[[Path], object]] = {
    "nothing.eval": lambda path: path.write_bytes(b""),
    "text.eval": lambda path: path.write_bytes(b"hello"),
    "a pk.eval": lambda path: path.write_bytes(b"PK\x03\x04" + b"\0" * 100),
    "no header.eval": lambda path: write_zstandard_zip(path, {"samples/x_epoch_1.json": SAMPLE}),
    "not finished.eval": lambda path: write_zstandard_zip(path, {"_journal/start.json": HEAD}),
    "no samples.eval": lambda path: write_zstandard_zip(path, {"header.json": HEAD}),
    "not json.eval": lambda path: write_zstandard_zip(path, {"header.json": HEAD, "samples/x.json": b"{"}),
    "a list.eval": lambda path: write_zstandard_zip(path, {"header.json": b"[]"}),
    "a text.eval": lambda path: write_zstandard_zip(path, {"header.json": HEAD, "samples/x.json": b'"x"'}),
    "deep.eval": lambda path: write_zstandard_zip(
        path, {"header.json": HEAD, "samples/x.json": b"[" * 200_000}
    ),
    "no id.eval": lambda path: write_zstandard_zip(path, {"header.json": HEAD, "samples/x.json": b"{}"}),
    "epoch.eval": lambda path: write_zstandard_zip(
        path, {"header.json": HEAD, "samples/x.json": SAMPLE.replace(b'"epoch": 1', b'"epoch": "one"')}
    ),
    "empty.json": lambda path: path.write_text('{"eval": {}, "version": 2}'),
    "samples.json": lambda path: path.write_text('{"eval": {}, "version": 2, "samples": [1]}'),
    "torn.json": lambda path: path.write_text('{"eval": {}, "version": 2, "samples": ['),
    "bfcl.json": lambda path: path.write_text('{"accuracy": 1, "total_count": 1}\n{"id": 3}\n'),
    "lm.jsonl": lambda path: path.write_text('{"doc_id": 1}\n'),
    "lm torn.jsonl": lambda path: path.write_text('{"doc_id": 1, "acc": 1}\n{"doc_id": 2, "a'),
    "lm list.jsonl": lambda path: path.write_text('{"doc_id": 1, "acc": 1}\n[]\n'),
    "lm deep.jsonl": lambda path: path.write_text('{"doc_id": 1, "acc": 1}\n' + "[" * 200_000 + "\n"),
    "what.jsonl": lambda path: path.write_text('{"x": 1}\n'),
    "what.txt": lambda path: path.write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("name", GARBLED)
def test_a_garbled_log_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    GARBLED[name](tmp_path / name)
    with pytest.raises(UserError) as error:
        read(tmp_path / name)
    assert str(error.value.message).count("\n") == 0
    assert error.value.hint


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_zip, "MEMBER", 1 << 20)
    bomb = SAMPLE + b" " * (8 << 20)
    for write in (write_zstandard_zip, _deflated):
        path = write(tmp_path / "bomb.eval", {"header.json": HEAD, "samples/x.json": bomb})
        assert path.stat().st_size < 40_000
        with pytest.raises(UserError, match="more than 1 MiB when unpacked"):
            read(path)
    # The control: the same sample without the padding is read.
    assert read(write_zstandard_zip(tmp_path / "ok.eval", {"header.json": HEAD, "samples/x.json": SAMPLE}))
    monkeypatch.setattr(bounded_zip, "TOTAL", len(HEAD) + len(SAMPLE) - 1)
    with pytest.raises(UserError, match="when unpacked"):
        read(tmp_path / "ok.eval")


def _deflated(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_archive_is_told_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = write_inspect_zstandard(folder / "a.eval", inspect_samples({"x": True, "y": False}))
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))])
    try:
        found = read(path)
    except UserError as error:
        assert "\n" not in error.message
    else:
        assert found.tuned
