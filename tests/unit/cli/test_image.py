"""The task that builds container images takes a builder that works, and says why none does."""

from pathlib import Path

import pytest
from invoke.exceptions import Exit

from tunewright.cli.dev_tasks import working_builder


def builder(folder: Path, name: str, *, works: bool) -> None:
    """A builder that is installed in `folder`, and answers or complains."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n" + ("exit 0\n" if works else "echo 'cannot reach the daemon' >&2\nexit 1\n"))
    path.chmod(0o755)


def test_a_builder_that_does_not_answer_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder(tmp_path, "docker", works=False)
    builder(tmp_path, "buildah", works=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert working_builder() == "buildah"


def test_without_a_working_builder_each_complaint_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder(tmp_path, "docker", works=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exit, match="docker does not work here: cannot reach the daemon") as error:
        working_builder()
    assert error.value.code == 2


def test_without_any_builder_it_names_those_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exit, match="None of docker, podman and buildah is installed"):
        working_builder()
