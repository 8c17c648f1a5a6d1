"""A case with a text at the end of its system message."""

from typing import Any

from tunewright.contract.suite import Case, told


def case(*messages: tuple[str, str], **more: Any) -> Case:
    rows = [{"role": role, "content": content} for role, content in messages]
    return Case.model_validate({"id": "a", "category": "c", "messages": rows, **more})


def test_the_text_follows_the_system_message_or_is_one() -> None:
    with_system = told(case(("system", "Help."), ("user", "Hi")), "Tools: none")
    without = told(case(("user", "Hi")), "Tools: none")

    assert [m.content for m in with_system.messages] == ["Help.\n\nTools: none", "Hi"]
    assert [(m.role, m.content) for m in without.messages] == [("system", "Tools: none"), ("user", "Hi")]


def test_a_case_with_tools_of_its_own_is_told_nothing() -> None:
    own = case(("user", "Hi"), tools=[{"type": "function", "function": {"name": "x"}}])

    assert told(own, "Tools: none") is own
