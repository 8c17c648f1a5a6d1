"""Structural features: what each is called, and when a model can see it.

`before`: stands in front of the first answer, so a model can learn it instead of the request: a fault.
`request`: derived from the user's own words; that it says something about the tool is only natural.
`answer`: part of what the model itself writes; seen only afterwards. `unseen`: never shown to a model at all.
The last three are reported as information.
"""

from dataclasses import dataclass
from typing import Literal

Timing = Literal["before", "request", "answer", "unseen"]


@dataclass(frozen=True)
class Feature:
    """A column of `features`; `noun` fits after "has" or "with", `hint` says how to make it uninformative."""

    name: str
    timing: Timing
    noun: str
    hint: str = ""


_EVEN = "Give every tool the same share of each value, independently of the request (./inv data.normalize)."

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
        "this system message",
        "Use one system message, or draw it independently of the tool.",
    ),
    Feature("system_length", "before", "a system message of this length", _EVEN),
    Feature("roles_before", "before", "these turns before the answer", _EVEN),
    Feature("messages_before", "before", "this many messages before the answer", _EVEN),
    Feature("last_role_before", "before", "this role before the answer", _EVEN),
    Feature(
        "tools_offered",
        "before",
        "this many tools offered",
        "Offer the same number of tools whichever one is right.",
    ),
    Feature(
        "tool_set", "before", "this set of tools offered", "Offer the same tools whichever of them is right."
    ),
    Feature("tool_order", "before", "its tools in this order", "Shuffle the offered tools in each row."),
    Feature("request_whitespace", "before", "this whitespace around the request", "Strip the requests."),
    Feature(
        "system_whitespace",
        "before",
        "this whitespace around the system message",
        "Strip the system messages.",
    ),
    Feature("request_length", "request", "a request of this length"),
    Feature("has_preamble", "answer", "a preamble before the call"),
    Feature("preamble_text", "answer", "this preamble"),
    Feature("multi_turn", "answer", "more than one answer"),
    Feature("roles", "answer", "these turns"),
    Feature("messages", "answer", "this many messages"),
    Feature("syntax", "answer", "this call syntax"),
    Feature("dialect", "answer", "this whitespace in the call"),
    Feature("answer_length", "answer", "a first answer of this length"),
    Feature("keys", "unseen", "these keys in the row"),
    Feature("source", "unseen", "this source"),
    Feature("row_parity", "unseen", "an odd or even row number"),
)
BY_NAME = {feature.name: feature for feature in FEATURES}
BEFORE = tuple(feature.name for feature in FEATURES if feature.timing == "before")
