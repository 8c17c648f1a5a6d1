"""`data.normalize --recipe`: its rates, and its system message only where the recipe gives one of its own."""

import json
from pathlib import Path

import pytest

from tests.support.commands import front

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", "You are a helpful assistant."), ('system = "You write poems."\n', "You write poems.")],
)
def test_a_recipes_own_system_message_is_added_and_no_default_for_coders(
    given: str, expected: str, tmp_path: Path
) -> None:
    recipe = tmp_path / "poems.toml"
    text = (ROOT / "recipes" / "tiny.toml").read_text(encoding="utf-8")
    assert "[data]\n" in text
    recipe.write_text(text.replace("[data]\n", f"[data]\n{given}"), encoding="utf-8")
    messages = [{"role": "user", "content": "a poem"}, {"role": "assistant", "content": "Roses are red."}]
    (tmp_path / "train.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    named = ("--data", tmp_path / "train.jsonl", "--out", tmp_path / "out", "--recipe", recipe)
    done = front("data.normalize", *named)
    assert done.returncode == 0, done.stderr
    assert f'"{expected}"' in done.stdout
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text())
    assert row["messages"] == [{"role": "system", "content": expected}, *messages]
