"""Every rejected candidate is counted under its family and reason."""

from tunewright.datagen.rejections import Ledger, ledger_table


def test_counts_add_up_over_ledgers_and_the_commonest_reason_comes_first() -> None:
    one, two = Ledger(), Ledger()
    one.keep("workflow")
    one.reject("workflow", "too long")
    two.reject("workflow", "ty and jedi disagree")
    two.reject("workflow", "ty and jedi disagree")
    two.reject("failure", "printed nothing")
    one.add(two)
    facts = one.facts()
    assert facts["workflow"] == {"kept": 1, "rejected": {"ty and jedi disagree": 2, "too long": 1}}
    assert facts["failure"] == {"kept": 0, "rejected": {"printed nothing": 1}}
    assert list(facts["workflow"]["rejected"]) == ["ty and jedi disagree", "too long"]


def test_the_table_shows_families_and_reasons() -> None:
    ledger = Ledger()
    ledger.keep("direct")
    ledger.reject("direct", "a suite has that wording")
    lines = [line.split() for line in ledger_table(ledger.facts()).splitlines()]
    assert lines == [
        ["family", "kept", "rejected", "why"],
        ["direct", "1", "1"],
        ["1", "a", "suite", "has", "that", "wording"],
    ]
