"""A page as a person reads it: its text, without markup, style and script."""

import re
from html.parser import HTMLParser

INLINE = frozenset({"a", "b", "br", "code", "em", "i", "small", "span", "strong", "sub", "sup"})
CELLS = frozenset({"td", "th", "dd", "text", "option", "label"})  # a line has several
UNSEEN = frozenset({"style", "script"})


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.unseen = False

    def _part(self, tag: str) -> None:
        self.parts.append(" | " if tag in CELLS else " " if tag in INLINE else "\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.unseen = tag in UNSEEN
        self._part(tag)

    def handle_endtag(self, tag: str) -> None:
        self.unseen = False
        if tag not in CELLS:
            self._part(tag)

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.parts.append(data)


def page_text(page: str) -> str:
    """The page's text in its order, the cells of a table's row on one line."""
    reader = _Text()
    reader.feed(page)
    reader.close()
    lines = (
        re.sub(r"\s+([,.;:)](?=\s|$))?", lambda m: m[1] or " ", line).strip(" |")
        for line in "".join(reader.parts).splitlines()
    )
    return "\n".join(filter(None, lines))
