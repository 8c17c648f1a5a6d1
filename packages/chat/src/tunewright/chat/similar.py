"""Texts that are nearly the same, by the word pairs that they share."""

import math
import re
from dataclasses import dataclass, field

NEAR = 0.75  # Jaccard similarity of word pairs from which two requests count as the same


def words_of(text: str) -> list[str]:
    """Lower-case words; what joins the parts of a path or a name stays inside a word."""
    return re.findall(r"[\w./-]*\w", text.lower())


def shingles(text: str, size: int) -> frozenset[tuple[str, ...]]:
    """All runs of `size` words; a shorter text is one run."""
    words = words_of(text)
    if len(words) <= size:
        return frozenset({tuple(words)})
    return frozenset(tuple(words[i : i + size]) for i in range(len(words) - size + 1))


@dataclass
class NearDuplicates:
    """Finds earlier requests that are nearly the same, by shared word pairs."""

    threshold: float = NEAR
    _known: list[frozenset[tuple[str, ...]]] = field(default_factory=list[frozenset[tuple[str, ...]]])
    _by_pair: dict[tuple[str, ...], list[int]] = field(default_factory=dict[tuple[str, ...], list[int]])

    def add(self, text: str) -> bool:
        """Remember `text` unless something nearly the same is known; say whether it was new."""
        pairs = shingles(text, 2)
        if self._similar(pairs, all_of_them=False):
            return False
        self._remember(pairs)
        return True

    def add_all(self, text: str) -> list[int]:
        """Remember `text` in any case; return the numbers of the texts nearly the same, counted from 0."""
        pairs = shingles(text, 2)
        found = self._similar(pairs, all_of_them=True)
        self._remember(pairs)
        return found

    def _similar(self, pairs: frozenset[tuple[str, ...]], *, all_of_them: bool) -> list[int]:
        # Whatever is this similar shares one of any few pairs; the rarest ones are looked up fastest.
        rarest = sorted(pairs, key=lambda pair: (len(self._by_pair.get(pair, ())), pair))
        needed = len(pairs) - math.ceil(self.threshold * len(pairs)) + 1
        found: list[int] = []
        seen: set[int] = set()
        for pair in rarest[:needed]:
            for index in self._by_pair.get(pair, ()):
                if index in seen:
                    continue
                seen.add(index)
                other = self._known[index]
                if len(pairs & other) >= self.threshold * len(pairs | other):
                    found.append(index)
                    if not all_of_them:
                        return found
        return found

    def _remember(self, pairs: frozenset[tuple[str, ...]]) -> None:
        number = len(self._known)
        self._known.append(pairs)
        for pair in pairs:
            self._by_pair.setdefault(pair, []).append(number)
