"""Keeps training requests apart from the suites' cases."""

from collections.abc import Iterable

from tunewright.chat.similar import NearDuplicates, shingles, words_of
from tunewright.contract.suite import Suite

NGRAM = 8  # words in a row that a training request may not share with a case


class SuiteGuard:
    """Knows what the suites ask, and says why a request must not be trained on."""

    def __init__(self, suites: Iterable[Suite]) -> None:
        self.symbols: set[str] = set()
        self.templates: set[str] = set()
        self._requests: set[str] = set()
        self._ngrams: set[tuple[str, ...]] = set()
        self._near = NearDuplicates()
        for suite in suites:
            for case in suite.cases:
                self.symbols.update(case.symbols)
                if case.template:
                    self.templates.add(_plain(case.template))
                for request in (message.content for message in case.messages if message.role == "user"):
                    self._requests.add(_plain(request))
                    self._near.add_all(request)
                    self._ngrams |= {gram for gram in shingles(request, NGRAM) if len(gram) == NGRAM}

    def reason(self, request: str, template: str, names: Iterable[str]) -> str | None:
        """Why not, in words; None when the request may be used."""
        if any(name in self.symbols for name in names):
            return "a suite speaks of that symbol or file"
        if _plain(template) in self.templates or _plain(request) in self._requests:
            return "a suite has that wording"
        if self._ngrams & shingles(request, NGRAM):
            return f"{NGRAM} words in a row are also in a suite"
        if self._near.knows(request):
            return "a suite asks nearly the same"
        return None


def _plain(text: str) -> str:
    return " ".join(words_of(text))
