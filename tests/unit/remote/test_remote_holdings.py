"""Reading what a host says that it holds: nothing unlisted is taken for absent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.errors import HostError
from tunewright.remote.holdings import check_inside, parse_survey

SURVEY = f"""run 2 runs/one
   12 runs/one/spec.json
3000000000 runs/one/quantize/a model.safetensors
3000000012 total
sum {"a" * 64} runs/one/spec.json
entry 4 old blobs/{"b" * 64}
entry 8  envs/{"c" * 64}
"""


def test_files_sizes_hashes_and_entries_are_read() -> None:
    found = parse_survey(SURVEY)
    run = found.runs["one"]
    assert run.files == {"spec.json": 12, "quantize/a model.safetensors": 3_000_000_000}
    assert run.sums == {"spec.json": "a" * 64}
    assert run.complete
    assert run.below("quantize") == {"a model.safetensors": 3_000_000_000}
    assert [(entry.kind, entry.bytes, entry.old) for entry in found.entries] == [
        ("blobs", 4096, True),
        ("envs", 8192, False),
    ]


@pytest.mark.parametrize(
    "change",
    [
        ("run 2", "run 3"),  # a link, a pipe, or a file that could not be read
        ("   12 runs/one/spec.json\n", ""),
        ("run 2 runs/one\n", ""),
        ("runs/one/quantize/a model.safetensors", "runs/one/quantize/a\nmodel.safetensors\n1 runs/one/b"),
        ("3000000012 total", "unread runs/one"),
    ],
)
def test_a_folder_that_was_not_seen_whole_says_so(change: tuple[str, str]) -> None:
    assert change[0] in SURVEY
    assert not parse_survey(SURVEY.replace(*change, 1)).runs["one"].complete


@given(st.lists(st.one_of(st.text(), st.sampled_from(SURVEY.splitlines())), max_size=30))
def test_whatever_a_host_says_is_read_without_an_error(lines: list[str]) -> None:
    for name, run in parse_survey("\n".join(lines)).runs.items():
        assert "/" not in name
        assert run.bytes >= 0


@pytest.mark.parametrize("name", ["/etc", "..", "a/../b", "a//b", "", ".", "a/"])
def test_a_path_that_leaves_its_folder_is_refused(name: str) -> None:
    check_inside("runs/one", "train")
    with pytest.raises(HostError, match="would leave"):
        check_inside("train", name)
