"""How a request is typed, drawn for each alike, whatever it asks for: small first letter, no full stop, no backticks.

Wordings differ in these from family to family: commands come in backticks, questions without a full stop. A model could
tell the tool from that; after these draws it can only tell that people type as they do.
"""

import re
from random import Random

SMALL, UNSTOPPED, PLAIN = 0.35, 0.85, 0.95  # shares of the requests that could have it
# The same of questions that need no call: 37 % of them were written with a small first letter, of requests 20 %. With these
# shares 47 % of both have one.
SMALL_QUESTION = 0.15

_CAPITAL = re.compile(r"[A-Z][a-z]+('[a-z]+)?\b")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def typed(request: str, random: Random, wording: str = "") -> str:
    """The request as somebody types it. Shown code, texts of several lines and a name that comes first stay as they are.

    `wording` is the request before names were filled in; empty for a question that needs no call.
    """
    shares = (SMALL if wording else SMALL_QUESTION, UNSTOPPED, PLAIN)
    small, unstopped, plain = (random.random() < share for share in shares)
    if "\n" in request.strip():
        return request
    small = small and (wording or request)[0] not in "{`"
    if plain:
        request = _INLINE.sub(r"\1", request)
    if unstopped and request.endswith(".") and not request.endswith(".."):
        request = request[:-1]
    if small and _CAPITAL.match(request):
        request = request[0].lower() + request[1:]
    return request
