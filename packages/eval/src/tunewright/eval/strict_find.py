"""The calls of an answer, read strictly: what is not a whole and well-formed call is an error."""

from collections.abc import Collection, Sequence

from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.chat.calls.find import FoundTurn, read_turn


def find(
    text: str,
    *,
    strict: bool = False,
    dialects: Sequence[str] | None = None,
    tools: Collection[str] | None = None,  # noqa: ARG001 - the signature of the reader of all dialects
) -> FoundTurn:
    """The calls of one assistant message. With `strict`, raises CallSyntaxError for what is wrong with any of them."""
    turn = read_turn(text)
    if strict:
        for kind, detail in turn.problems:
            raise CallSyntaxError(f"{kind}: {detail}")
        for call in turn.calls:
            if call.error or not call.name:
                raise CallSyntaxError(call.error or "a call has no name")
    if dialects is not None:
        turn.calls = [call for call in turn.calls if call.syntax in dialects]
    return turn
