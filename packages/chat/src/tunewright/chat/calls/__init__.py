"""Tool calls in assistant messages, one dialect a file."""

from tunewright.chat.calls.dialects import DIALECTS
from tunewright.chat.calls.found import Call, CallSyntaxError, FoundCall, FoundTurn
from tunewright.chat.calls.marks import MARKER
from tunewright.chat.calls.scan import find
from tunewright.chat.calls.writer import write

__all__ = ["DIALECTS", "MARKER", "Call", "CallSyntaxError", "FoundCall", "FoundTurn", "find", "write"]
