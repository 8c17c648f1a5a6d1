"""Structural features: what each is called, when a model can see it, and among which rows it is judged.

`before`: comes before the choice of the tool, so a model can learn it instead of the request: a fault.
`form`: how the request is written and not what it asks for: a warning.
`request`: derived from the user's own words; that it says something about the tool is only natural.
`answer`: part of what the model itself writes; seen only afterwards. `unseen`: never shown to a model at all.
The last three are reported as information.
"""

from dataclasses import dataclass
from typing import Literal

Timing = Literal["before", "form", "request", "answer", "unseen"]
Worst = Literal["fail", "warn", "info"]
# Which rows a feature is judged among: by definition the others cannot differ, or differ without a fault.
Among = Literal["", "offers", "calls", "same_choice"]


@dataclass(frozen=True)
class Feature:
    """A column of `features`, or words of a text before the choice.

    `noun` fits after "has" or "with"; `{}` in it is the value in plain words, `values` gives those. `hint` says how to make
    it uninformative. Rows with one of the values of `without` are left out.
    """

    name: str
    timing: Timing
    noun: str
    hint: str = ""
    among: Among = ""
    without: tuple[str, ...] = ()
    warns: bool = False  # whatever its timing: it may be meant so

    @property
    def worst(self) -> Worst:
        """The severity that a finding about it has at most."""
        if self.timing == "form" or self.warns:
            return "warn"
        return "fail" if self.timing == "before" else "info"


_EVEN = "Give every tool the same share of each value, independently of the request (./inv data.normalize)."
_FORM = "Write the requests of every tool in the same mixture of forms."

FEATURES = (
    Feature(
        "has_system",
        "before",
        "a system message",
        "Give every example the same system message (./inv data.normalize), in training and in use.",
    ),
    Feature(
        "system_text",
        "before",
        "the system message “{}”",
        "Use one system message, or draw it independently of the tool.",
    ),
    Feature("system_length", "before", "a system message of {} characters", _EVEN),
    Feature("earlier_turns", "before", "earlier turns before the request", _EVEN, "same_choice"),
    Feature("roles_before", "before", "the turns “{}” before the call", _EVEN, "same_choice"),
    Feature("messages_before", "before", "{} messages before the call", _EVEN, "same_choice"),
    Feature("last_role_before", "before", "a {} message right before the call", _EVEN, "same_choice"),
    Feature(
        "tools_offered",
        "before",
        "{} tools offered",
        "Offer the same number of tools whichever one is right.",
        "offers",
    ),
    Feature(
        "tool_set",
        "before",
        "this set of tools offered: {}",
        "Offer the same tools whichever of them is right.",
        "offers",
    ),
    Feature(
        "tool_order",
        "before",
        "its tools in the order {}",
        "Shuffle the offered tools in each row.",
        "offers",
    ),
    Feature("request_whitespace", "before", "{} whitespace around the request", "Strip the requests."),
    Feature(
        "system_whitespace",
        "before",
        "{} whitespace around the system message",
        "Strip the system messages.",
    ),
    Feature("request_case", "form", "a request that {}", _FORM, without=("none",)),
    # A question is asked with a question mark: that is what the request says, and not its form.
    Feature("request_end", "form", "a request that ends with {}", _FORM, without=("question",)),
    Feature("request_language", "form", "a request in {}", _FORM, without=("unknown",)),
    Feature("request_quotes", "form", "{} in the request", _FORM),
    Feature("request_lines", "form", "a request of several lines", _FORM),
    Feature("request_emoji", "form", "an emoji in the request", _FORM),
    Feature("request_length", "request", "a request of {} characters"),
    Feature("has_preamble", "answer", "a preamble before the call", among="calls"),
    Feature("preamble_text", "answer", "the preamble “{}”", among="calls"),
    Feature(
        "has_reasoning",
        "answer",
        "reasoning (`reasoning_content` or <think>) before the call",
        "Reason before the same share of calls of every tool.",
        "calls",
        warns=True,
    ),
    Feature("id_prefix", "answer", "call ids of the form {}", "Make the ids of all calls alike.", "calls"),
    Feature(
        "argument_spacing",
        "answer",
        "{} after the colons of the arguments' JSON",
        "Write the arguments of every call with the same JSON settings.",
        "calls",
        warns=True,
    ),
    Feature("multi_turn", "answer", "more than one answer", among="calls"),
    Feature("roles", "answer", "the turns “{}”", among="calls"),
    Feature("messages", "answer", "{} messages", among="calls"),
    Feature("syntax", "answer", "calls in the syntax {}", among="calls"),
    Feature("dialect", "answer", "this whitespace in the call: {}", among="calls"),
    Feature("keys", "unseen", "the keys {} in the row"),
    Feature("source", "unseen", "the source {}"),
)
# Words of the texts before the choice, digits masked; they are not columns.
WORDS = (
    Feature(
        "system_words",
        "before",
        "the word “{}” in the system message",
        "Use one system message, or draw its wording independently of the tool.",
    ),
    Feature(
        "earlier_words",
        "before",
        "the word “{}” in an earlier turn",
        "Draw earlier turns independently of the tool (./inv data.normalize).",
        "same_choice",
        warns=True,
    ),
    Feature(
        "offered_tool",
        "before",
        "the tool {} offered too",
        "Draw the tools that are offered besides the right one independently of it.",
        "offers",
    ),
    Feature(
        "description_words",
        "before",
        "the word “{}” in the descriptions of the offered tools",
        "Describe each tool in the same words in every row.",
        "offers",
    ),
    Feature(
        "called_description",
        "before",
        "the word “{}” in the description of the tool that is called",
        "Describe each tool in the same words in every row, whether it is the right one or not.",
        "offers",
    ),
)
BY_NAME = {feature.name: feature for feature in (*FEATURES, *WORDS)}
BEFORE = tuple(feature.name for feature in FEATURES if feature.timing == "before")

_VALUES = {
    ("request_case", "capital"): "begins with a capital letter",
    ("request_case", "small"): "begins with a small letter",
    ("request_case", "small letters"): "has no capital letters",
    ("request_case", "capitals"): "is written in capitals",
    ("request_end", "no mark"): "no punctuation mark",
    ("request_end", "full stop"): "a full stop",
    ("request_end", "exclamation mark"): "an exclamation mark",
    ("request_end", "other mark"): "a comma, a colon or the like",
    ("request_quotes", "none"): "no quotation marks",
    ("argument_spacing", "none"): "nothing",
    ("request_whitespace", ""): "no",
    ("system_whitespace", ""): "no",
    ("id_prefix", "none"): "(none)",
}


def value_words(feature: str, value: str) -> str:
    """A value in plain words: buckets of lengths as ranges, roles one after the other."""
    if feature in ("system_length", "request_length") and value.startswith("2^"):
        low = 2 ** int(value[2:])
        return f"{low} to {2 * low - 1}" if low > 1 else "1"
    if feature in ("roles_before", "roles"):
        return value.replace(" ", ", ") or "none"
    if feature == "id_prefix" and value.endswith(("_", "-")):
        return f"{value}…"
    return _VALUES.get((feature, value), value)
