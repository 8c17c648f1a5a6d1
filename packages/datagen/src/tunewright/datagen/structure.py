"""The form of an example, decided before and apart from what it is about.

Whether there is a system message, an earlier exchange, a tool's response and a sentence before the call is
drawn at the recipe's rates without looking at tool or family. Within each label (a tool, or no call) the rates are met
as nearly as whole numbers allow, so that no form can predict a label. What cannot be independent is
left out of the draw: an answer without a call has neither a tool's response nor a sentence before the call,
so its several turns always come from an earlier exchange.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from random import Random

from tunewright.contract.recipe import Structure

# How several turns come about when there is a call: an exchange before it, the tool's response and the answer
# after it, or both. Earlier exchanges lead because they are the only form a direct answer can share.
EARLIER, LOOP, BOTH = 0.66, 0.2, 0.14
# How many requests follow up on the first one, where any does: 1 to 5, for work of two to six steps.
FOLLOW_UPS = (0.4, 0.25, 0.15, 0.1, 0.1)

GENERAL = (
    "Let me check.",
    "I'll look.",
    "One moment.",
    "Sure.",
    "I'll do that now.",
    "Let me see.",
    "Of course.",
    "Right away.",
)
BY_TOOL = {
    "goto_definition": ("I'll go to the definition.", "Let me resolve that name."),
    "find_references": ("I'll collect the references.", "Let me see what uses it."),
    "hover": ("I'll hover over it.",),
    "document_symbols": ("I'll list what the file defines.",),
    "workspace_symbols": ("I'll look through the repository's symbols.",),
    "completion": ("I'll ask for the completions.", "Let me see what fits there."),
    "typecheck": ("I'll run the type checker.", "Let me check the types."),
    "ruff_check": ("I'll run ruff.", "Let me lint that."),
    "pytest_run": ("I'll run the tests.", "Let me run pytest."),
    "git_status": ("I'll look at the state of the working tree.",),
    "git_diff": ("I'll look at the changes.",),
    "git_log": ("I'll look at the history.",),
    "read_file": ("I'll read the file.", "Let me open that file."),
    "write_file": ("I'll write the file.", "Let me save that."),
    "run_command": ("I'll run the command.", "Let me use the shell."),
    "stream_command": ("I'll start it and watch its output.", "Let me run it with a limit."),
    "stream_tests": ("I'll run the tests and watch them.", "Let me follow the test run."),
}


@dataclass(frozen=True)
class Form:
    """What an example has besides its request and its answer."""

    system: bool = False
    earlier: bool = False  # another exchange before the request
    loop: bool = False  # the tool's response and the final answer after the call
    preamble: bool = False  # a sentence before the call
    offer: bool = False  # a list of tools to choose from
    shell: bool = True  # among those offered
    follow_ups: int = 0  # requests after the loop, each with its own calls, response and answer


def draw_forms(
    labels: Sequence[Hashable],
    structure: Structure,
    random: Random,
    offered: float = 0.0,
    listed_in_system: bool = True,
) -> list[Form]:
    """A form for each label, at the recipe's rates within each label; an empty label means no call.

    `offered` is the share with a list of tools. Where that is part of the system message, only examples that have
    one get it.
    """
    forms: list[Form | None] = [None] * len(labels)
    for label in dict.fromkeys(labels):
        places = [index for index, other in enumerate(labels) if other == label]
        count = len(places)
        systems = flags(count, structure.system_message, random)
        several = flags(count, structure.multi_turn, random)
        preambles = flags(count, structure.preamble, random)
        kinds = _kinds(sum(several), random)
        able = systems if listed_in_system else [True] * count
        offers = _offers(able, offered, random)
        for place, system, many, preamble, offer in zip(places, systems, several, preambles, offers):
            kind = kinds.pop() if many else ""
            if not label:
                forms[place] = Form(system, earlier=many, offer=offer)
            else:
                earlier, loop = kind in ("earlier", "both"), kind in ("loop", "both")
                forms[place] = Form(system, earlier, loop, preamble, offer)
    found = [form for form in forms if form is not None]
    return _with_follow_ups(found, labels, structure.follow_ups, random) if structure.follow_ups else found


def _with_follow_ups(
    forms: Sequence[Form], labels: Sequence[Hashable], rate: float, random: Random
) -> list[Form]:
    """The forms, of those with a loop `rate` of each label's with requests that follow up."""
    forms = list(forms)
    for label in dict.fromkeys(labels):
        loops = [place for place, form in enumerate(forms) if form.loop and labels[place] == label]
        for place, goes_on in zip(loops, flags(len(loops), rate, random)):
            if goes_on:
                count = random.choices(range(1, len(FOLLOW_UPS) + 1), FOLLOW_UPS)[0]
                forms[place] = replace(forms[place], follow_ups=count)
    return forms


def _offers(able: Sequence[bool], rate: float, random: Random) -> list[bool]:
    """Flags of which `rate` are set, at places that are able to have it, in random order."""
    if not rate:
        return [False] * len(able)
    places = [place for place, can in enumerate(able) if can]
    wanted = sum(flags(len(able), rate, random))
    chosen = set(random.sample(places, min(wanted, len(places))))
    return [place in chosen for place in range(len(able))]


def flags(count: int, rate: float, random: Random) -> list[bool]:
    """`count` flags of which `rate` are set, the fraction left over decided by chance, in random order."""
    whole = int(count * rate)
    whole += random.random() < count * rate - whole
    flags = [True] * whole + [False] * (count - whole)
    random.shuffle(flags)
    return flags


def _kinds(count: int, random: Random) -> list[str]:
    loops = flags(count, LOOP + BOTH, random)
    both = flags(sum(loops), BOTH / (LOOP + BOTH), random)
    return [("both" if both.pop() else "loop") if loop else "earlier" for loop in loops]


def choose_preamble(tool: str, random: Random) -> str:
    """A sentence before a call of that tool."""
    return random.choice(GENERAL + BY_TOOL.get(tool, ()) * 2)
