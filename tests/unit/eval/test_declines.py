"""An answer that has to decline: it says that no tool can do it, and claims nothing besides."""

import pytest

from tests.support.gold import whole_suite
from tunewright.contract.suite import Case
from tunewright.eval.declines import speaks_of, wrong_decline
from tunewright.eval.words import offered, wrong_words

CASES = {case.id: case for case in whole_suite("irrelevance").cases if case.expect.declines}
TOOLS = ("git_status", "git_diff", "git_log")


@pytest.mark.parametrize(
    "text",
    [
        "I can't merge branches.",
        "Merging isn't possible with git_status, git_diff and git_log.",
        "None of my tools can do that. `git merge main` does it.",
        "Sorry, no tool here merges. Would the diff help?",
        "My tools only read, so you'd have to run git merge yourself.",
        "I can show the history, but I can't change it.",
        "I can't, because I only have git_log and git_diff.",
    ],
)
def test_it_declines(text: str) -> None:
    assert wrong_decline(text, TOOLS) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("main is merged into your branch.", "claims something"),
        ("I can't merge branches. main is merged now.", "claims something"),
        ("I can't merge branches, but main is merged now.", "claims something"),
        ("I can't merge branches. It had two conflicts.", "claims something"),
        ("git_log merges the branches.", "claims something"),
        ("I can't merge because your branch is too old.", "its reason"),
        ("There are no conflicts.", "claims something"),
        ("Use `git merge main`.", "does not say that"),
        ("Shall I merge it?", "does not say that"),
        ("", "does not say that"),
    ],
)
def test_it_claims_something(text: str, reason: str) -> None:
    assert reason in wrong_decline(text, TOOLS)[0]


def test_what_the_tools_can_see_is_not_what_was_asked_for() -> None:
    asked, lines = (
        "Who reviewed the newest commit of this repository?",
        "- git_log() -> commits[sha]: The latest commits.",
    )
    assert speaks_of("I can't see reviews.", asked, TOOLS, lines)
    assert speaks_of("git_log has no such thing.", asked, TOOLS, lines)
    assert not speaks_of("I can't look at the commit.", asked, TOOLS, lines)
    assert not speaks_of("I have no tool for a repository.", asked, TOOLS, lines)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.id)
def test_a_claim_after_the_gold_is_wrong(case: Case) -> None:
    gold = str(case.gold[0])

    assert offered(case)
    assert wrong_words(case, gold) == []
    assert wrong_words(case, f"{gold} It is finished and the result has 12 lines.")
    assert wrong_words(case, "I can't help with that.")
