"""Repositories of every kind are read, and what cannot be read is left out with a reason."""

from pathlib import Path
from random import Random

import pytest

from tunewright.contract.errors import UserError
from tunewright.datagen.corpus import (
    MAX_FILE,
    Corpus,
    checkout_corpus,
    commit_of,
    distinct_names,
    installed_corpus,
)
from tunewright.datagen.dataset_plan import choose_corpora
from tunewright.datagen.git_history import planned_changes
from tunewright.datagen.mutations import with_failing_tests
from tunewright.datagen.slots import sites_of


def test_an_installed_package_is_read_at_its_version() -> None:
    corpus = installed_corpus("toolz")
    assert corpus.label == "toolz==1.2.0"
    assert "toolz/itertoolz.py" in corpus.files
    assert "toolz/tests/test_dicttoolz.py" in corpus.tests
    assert corpus.sha256 == installed_corpus("toolz").sha256


def test_a_package_that_is_not_there_is_named_with_what_to_do() -> None:
    with pytest.raises(UserError, match="corpus no-such-package is not installed"):
        installed_corpus("no-such-package")


def test_a_checkout_full_of_trouble_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("def run():\n    return 1\n")
    (tmp_path / "broken.py").write_text("def (:\n")
    (tmp_path / "binary.py").write_bytes(b"\x00\xff\xfe\x00")
    (tmp_path / "nul.py").write_bytes(b"a = 1\0\n")
    (tmp_path / "huge.py").write_text("#" * (MAX_FILE + 1))
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.py").symlink_to(tmp_path / "good.py")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "x.py").write_text("a = 1\n")
    corpus = checkout_corpus(tmp_path)
    assert set(corpus.files) == {"broken.py", "good.py"}
    assert set(corpus.skipped) == {"binary.py", "nul.py", "huge.py", "link.py"}
    assert set(corpus.trees) == {"good.py"}
    assert corpus.version == "files"


def test_a_folder_without_python_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Python file"):
        checkout_corpus(tmp_path)
    with pytest.raises(UserError, match="no repository at"):
        checkout_corpus(tmp_path / "gone")


def test_the_commit_of_a_checkout_is_read_from_loose_and_packed_references(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text("# pack-refs\n" + "a" * 40 + " refs/heads/main\n")
    assert commit_of(tmp_path) == "a" * 40
    (git / "refs" / "heads" / "main").write_text("b" * 40 + "\n")
    assert commit_of(tmp_path) == "b" * 40
    (git / "HEAD").write_text("c" * 40 + "\n")
    assert commit_of(tmp_path) == "c" * 40


def test_two_checkouts_of_one_name_are_told_apart() -> None:
    same = Corpus("app", "1", {"a.py": "x = 1\n"})
    assert [corpus.name for corpus in distinct_names([same, same])] == ["app", "app-2"]


def test_turned_assertions_keep_their_lines_and_still_parse() -> None:
    corpus = installed_corpus("toolz")
    broken = with_failing_tests(corpus, Random(3))
    changed = [path for path in corpus.files if corpus.files[path] != broken.files[path]]
    assert changed
    assert set(changed) <= set(corpus.tests)
    for path in changed:
        assert corpus.files[path].count("\n") == broken.files[path].count("\n")
        assert path in broken.trees
    assert with_failing_tests(corpus, Random(3)).sha256 == broken.sha256


def test_the_same_checkout_is_not_taken_twice(tmp_path: Path) -> None:
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text(f"x = {name == 'other'}\n")
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    for repos in ([one, other, one], [one, two]):
        with pytest.raises(UserError, match="hold the same files"):
            choose_corpora(repos, 0.1)
    assert [corpus.name for corpus in choose_corpora([one, other], 0.1)["train"]] == ["one"]


def test_changes_not_committed_are_the_same_every_time() -> None:
    corpus = installed_corpus("funcy")
    changes = planned_changes(corpus)
    assert changes == planned_changes(corpus)
    assert {change.status for change in changes} == {"modified", "deleted", "untracked"}
    for change in changes:
        assert corpus.files.get(change.path) != change.committed
        assert (change.path in corpus.files) == (change.status != "deleted")
        assert (change.committed is None) == (change.status == "untracked")


def test_sites_name_symbols_that_stand_on_their_line() -> None:
    corpus = installed_corpus("cachetools")
    found = sites_of(corpus, "symbol", Random(1))
    assert len(found) > 50
    for slots in found:
        line = corpus.files[str(slots["file"])].split("\n")[int(slots["line"]) - 1]
        assert str(slots["symbol"]) in line
    for slots in sites_of(corpus, "absent_symbol", Random(1)):
        line = corpus.files[str(slots["file"])].split("\n")[int(slots["line"]) - 1]
        assert str(slots["symbol"]) not in line


def test_a_repository_without_anything_to_name_has_no_sites() -> None:
    empty = Corpus("empty", "1", {"a.py": "x = 1\ny = 2\nz = 3\n"})
    assert sites_of(empty, "symbol", Random(1)) == []
    assert sites_of(empty, "new_file", Random(1)) == []
