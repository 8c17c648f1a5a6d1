"""The threat model's table names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "threat-model.md"


def named() -> list[tuple[str, str]]:
    """(file, test) of each test in the table; no test where the whole file is meant."""
    table = PAGE.read_text(encoding="utf-8").partition("## The promises")[2].partition("\n## ")[0]
    found: list[tuple[str, str]] = []
    for row in [line for line in table.splitlines() if line.startswith("| ")][1:]:
        file = ""
        names = re.findall(r"`((?:unit|integration)/[\w/]+\.py)?(?:::(\w+))?`", row.rpartition(" | ")[2])
        assert any(part for name in names for part in name), f"no test: {row}"
        for path, test in names:
            file = path or file
            found.append((file, test))
    return found


def test_the_tests_that_the_table_names_exist() -> None:
    assert len(named()) > 40
    missing = [
        f"{file}::{test}"
        for file, test in named()
        if not (TESTS / file).is_file()
        or (test and f"def {test}(" not in (TESTS / file).read_text(encoding="utf-8"))
    ]
    assert missing == []
