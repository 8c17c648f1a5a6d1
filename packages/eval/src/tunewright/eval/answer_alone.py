"""Whether an answer in words says nothing but what was asked for, where the request asks for that alone.

"Just the name, please" is answered by `hover`, or by "It's called hover." What else is said is not judged and may be
false, and nobody asked for it.
"""

import re
from collections.abc import Iterable, Sequence

from tunewright.eval.wordings import normalized, without

# Words that carry a short answer and claim nothing of their own.
_CARRYING = """
a an the it they is are was be would that this these you i we he she one s d ll re m in at on to of for by with from
answer name word call called means gives makes also default next press key use want need have has do does will can
them your my our their its not please sure certainly course here there yes so just only simply exactly now then value
result output total field tool method function type option correct right e o v das es ist heißt man sagt ein eine der
die auf ja le la un une c est ce on dit se oui
"""
_CARRIERS = frozenset(_CARRYING.split())
_STEM = 4  # letters that two forms of a word share at least
# What begins a clause of its own: a reason, a relative clause, a contrast; and what a request may begin one with, too.
_GOES_ON = re.compile(
    r"\b(?:because|since|which|who|whose|whereas|though|although|but|unless|weil|da|denn|sondern|aber|parce|car|qui|mais|puisque)\b"
)
_IS_A = re.compile(r"\b(?:is|are) an? \w")  # what the answer is said to be besides
_WHEN = re.compile(r"\b(?:where|when|while|if|after|before|until|wenn)\b")


def said_besides(prose: str, request: str, facts: Iterable[Sequence[str]], golds: Iterable[str]) -> str:
    """The first word or clause that is not part of the answer, as it is said; empty when there is none.

    Words of the request and of a right answer may be said, in any form, those of `facts` too.
    """
    rest = without(prose, [wording for wordings in facts for wording in wordings])
    may = [word for text in (request, *golds) for word in normalized(text).split()]
    if clause := _GOES_ON.search(rest) or _IS_A.search(rest):
        return clause[0]
    if (clause := _WHEN.search(rest)) and clause[0] not in may:
        return clause[0]
    return next(
        (
            word
            for word in rest.split()
            if word not in _CARRIERS and not any(_akin(word, other) for other in may)
        ),
        "",
    )


def _akin(word: str, other: str) -> bool:
    """Whether two words are the same but for an ending: `starts` and `start`."""
    shared = max(_STEM, min(len(word), len(other)) - 1)
    return word == other or (word.isalpha() and other.isalpha() and word[:shared] == other[:shared])
