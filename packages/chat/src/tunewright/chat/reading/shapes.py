"""Every shape that a row of chat data comes in, in the order in which they are tried. One file a shape."""

from collections.abc import Callable

from tunewright.chat.reading import (
    chatml,
    glaive,
    inst,
    messages,
    preference,
    prompt_completion,
    sharegpt,
    xlam,
)
from tunewright.chat.reading.found import Found, Row
from tunewright.chat.reading.turns import UnknownShapeError

# What is said to somebody whose rows we cannot read.
KNOWN_SHAPES = (
    "Known: messages, conversations (ShareGPT), prompt/completion, instruction/output, input/output, prompt/chosen, "
    "query/answers/tools (xLAM), system/chat (Glaive), text with <|im_start|> or [INST]; docs/checks.md has more on each."
)
# Each gives what it finds, None for a row of another shape, or raises UnknownShapeError for one of its own that is broken.
SHAPES: tuple[Callable[[Row], Found | None], ...] = (
    preference.read,
    sharegpt.read,
    messages.read,
    prompt_completion.read,
    xlam.read,
    glaive.read,
    chatml.read,
    inst.read,
)


def find_conversation(row: Row) -> Found:
    """What the first shape that fits finds in a row. Raises UnknownShapeError."""
    for read in SHAPES:
        if (found := read(row)) is not None:
            return found
    keys = ", ".join(map(str, list(row)[:8])) or "none"
    raise UnknownShapeError(f"no conversation in it; its keys are: {keys}")
