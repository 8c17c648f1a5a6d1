"""Work of several steps in generated data: how much there is, and whether each step follows from what was said before it.

    python benchmarks/conversations.py [--recipe NAME] [--examples N] [--as-it-is]
    python benchmarks/conversations.py --data FOLDER

Generates a dataset by the recipe, half of it in each group, and prints how many examples go on after the first answer, over
how many steps, and in how many wordings. Whatever the recipe says, all examples have several turns, all that show a tool's
response go on, all tools of the catalog are used, and none is listed (a list leaves room for three steps), so that there are
enough; not with `--as-it-is`.

Claimed: there are conversations of two, three, four, five and six steps; every value that a later call is given was said
before it; and a tenth of the later steps at least take a value from an output, which no request has named.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.chat.calls import find
from tunewright.chat.calls.code_mode import calls_in
from tunewright.contract.recipe import load_recipe
from tunewright.datagen.generate import generate_dataset

ROOT = Path(__file__).resolve().parents[1]
STEPS = range(2, 7)
FROM_OUTPUTS = 0.1


@dataclass(frozen=True)
class Step:
    """A later request: its text, the values that its calls are given, and what was said before them."""

    request: str
    values: tuple[str, ...]
    requests: str  # all of them so far, this one included
    said: str  # requests, answers and outputs

    def made_up(self) -> list[str]:
        """Values that nobody had said. Of a command, the files that it names have to have been said."""
        return [v for v in self.values if v not in self.said and not all(w in self.said for w in _files(v))]

    def from_output(self) -> bool:
        """Whether it takes something that an output or an answer said and no request."""
        return any(value in self.said and value not in self.requests for value in self.values)


def _files(command: str) -> list[str]:
    words = command.split(" ")
    return [word for word in words if "/" in word or "." in word] if len(words) > 1 else [command]


def later_steps(messages: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """The steps of an example after the first tool's response."""
    responded = next((i for i, message in enumerate(messages) if message["role"] == "tool"), len(messages))
    for place in range(responded, len(messages)):
        if messages[place]["role"] != "user":
            continue
        before = messages[: place + 1]
        yield Step(
            str(messages[place]["content"]),
            tuple(_values(messages[place + 1])),
            "\n".join(str(m["content"]) for m in before if m["role"] == "user"),
            "\n".join(str(m["content"]) for m in before),
        )


def _values(message: Mapping[str, Any]) -> Iterator[str]:
    """Text that a message's calls are given, and numbers that nobody would guess. A command is its words."""
    turn = find(str(message["content"]))
    given: list[Any] = []
    for call in turn.calls:
        if call.program:
            calls = calls_in(call.program)
            given += [value for each in calls for value in (*each.positional, *dict(each.named).values())]
        else:
            given += call.arguments.values()
    for call in message.get("tool_calls") or ():
        given += json.loads(call["function"]["arguments"]).values()
    for value in given:
        if isinstance(value, str) or (isinstance(value, int) and value > 10):
            yield str(value)


def main() -> int:
    """Print the figures; 1 when one that is claimed does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--recipe", default="qwen3-4b")
    parser.add_argument("--examples", type=int, default=800)
    parser.add_argument("--as-it-is", action="store_true", help="keep the recipe's shares of several turns")
    parser.add_argument("--data", type=Path, help="a dataset instead of one that is made")
    options = parser.parse_args()
    if options.data:
        return tell(options.data)
    recipe = load_recipe(options.recipe, ROOT)
    half = options.examples // 2
    structure = recipe.data.structure
    changes: dict[str, Any] = {"navigation": half, "other": options.examples - half}
    if not options.as_it_is:
        structure = structure.model_copy(update={"multi_turn": 1.0, "follow_ups": 1.0})
        changes |= {"structure": structure, "tools": (), "offered": 0.0}
    data = recipe.data.model_copy(update=changes)
    with tempfile.TemporaryDirectory() as scratch:
        generate_dataset(recipe.model_copy(update={"data": data}), Path(scratch, "made"), root=ROOT)
        return tell(Path(scratch, "made"))


def tell(folder: Path) -> int:
    """Print the figures of a dataset."""
    rows = [
        json.loads(line)["messages"]
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    found = [steps for messages in rows if (steps := list(later_steps(messages)))]
    responses = sum(any(message["role"] == "tool" for message in messages) for messages in rows)
    counts = Counter(len(steps) + 1 for steps in found)
    later = [step for steps in found for step in steps]
    made_up = [(step.request, value) for step in later for value in step.made_up()]
    from_output = sum(step.from_output() for step in later)
    print(f"{len(rows)} examples, {responses} with a tool's response, {len(found)} of them go on")
    print("steps: " + ", ".join(f"{count} of {number}" for number, count in sorted(counts.items())))
    print(f"{len(later)} later requests, {len({step.request for step in later})} different ones")
    print(f"{from_output} take a value from an output, {len(made_up)} values were not said before")
    for request, value in made_up[:5]:
        print(f"  {value!r} for: {request}")
    claims = {
        "conversations of two to six steps": set(counts) == set(STEPS),
        "no value that was not said before": not made_up,
        f"{FROM_OUTPUTS:.0%} of the later steps take a value from an output": from_output
        >= FROM_OUTPUTS * max(1, len(later)),
    }
    for claim, holds in claims.items():
        print(f"{claim}: {'holds' if holds else 'BROKEN'}")
    return 0 if all(claims.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
