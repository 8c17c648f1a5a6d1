"""One group's examples of one split, in the order in which they are made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, Meta
from tunewright.contract.recipe import Data
from tunewright.datagen.families.direct import Question
from tunewright.datagen.maker import Maker
from tunewright.datagen.structure import Exchange, Form, choose_preamble, compose


@dataclass(frozen=True)
class Order:
    """One example to be made: its group, and its first tool (empty for an answer without a call)."""

    group: str
    tool: str


class Series:
    """Fills orders. `tools` are the group's, `asked` the questions for direct answers, `earlier` those for an
    exchange before a request."""

    def __init__(
        self,
        data: Data,
        maker: Maker,
        tools: Sequence[str],
        asked: Sequence[Question],
        earlier: Sequence[Question],
        random: Random,
    ) -> None:
        self._data = data
        self._maker = maker
        self._asked = list(asked)
        self._earlier = list(earlier)
        self._random = random
        self._tools = tuple(
            dict.fromkeys(scenario.tool for scenario in maker.scenarios if scenario.tool in tools)
        )
        self._exhausted: set[str] = set()
        self._uses: Counter[str] = Counter()
        self._earlier_uses: Counter[str] = Counter()
        self._pairs: set[frozenset[str]] = set()  # two questions never meet twice, in whichever order

    def example(self, order: Order, form: Form) -> Example:
        """The next example. Raises UserError when the repositories have nothing more to show for its tool."""
        return self._call(order, form) if order.tool else self._direct(order, form)

    def _direct(self, order: Order, form: Form) -> Example:
        question = min(self._asked, key=lambda q: self._uses[q.text])
        self._uses[question.text] += 1
        earlier = self._exchange(0, question.text) if form.earlier else None
        messages = compose(form, self._data.system, question.text, question.answer, earlier, "")
        self._maker.ledger.keep(question.family)
        meta = Meta(
            source=order.group,
            family=question.family,
            template=question.template,
            cluster=f"direct:{question.text}",
        )
        return Example(messages=messages, meta=meta)

    def _call(self, order: Order, form: Form) -> Example:
        made = None
        # Where a tool has nothing new to show any more, the next one of its group takes its place.
        for tool in [order.tool, *(tool for tool in self._tools if tool != order.tool)]:
            if tool not in self._exhausted:
                made = self._maker.make(tool, response=form.loop)
                if made is not None:
                    break
                self._exhausted.add(tool)
                self._maker.ledger.reject("(all)", f"{tool} has nothing new to show")
        if made is None:
            raise UserError(
                f"these repositories have nothing new to show for {', '.join(self._tools)}",
                "Ask for fewer examples in [data], or give more repositories.",
            )
        place = 1 + [corpus.label for corpus in self._maker.corpora].index(made.corpus)
        earlier = self._exchange(place) if form.earlier else None
        preamble = choose_preamble(made.scenario.tool, self._random)
        messages = compose(form, self._data.system, made.request, made.work, earlier, preamble)
        meta = Meta.model_validate(
            {
                "source": order.group,
                "family": made.scenario.family,
                "template": made.template,
                "cluster": made.cluster,
                "tool": made.scenario.tool,
                "scenario": made.scenario.name,
                "corpus": made.corpus,
                "engines": made.engines,
            }
        )
        return Example(messages=messages, meta=meta)

    def _exchange(self, place: int, unlike: str = "") -> Exchange:
        """An earlier exchange. Each repository (`place` from 1) and the direct answers (0) have questions of
        their own, so that a shared first turn never ties two repositories together."""
        own = self._earlier[place :: len(self._maker.corpora) + 1]
        fresh = [q for q in own if q.text != unlike and frozenset((q.text, unlike)) not in self._pairs]
        question = min(fresh or self._earlier, key=lambda q: self._earlier_uses[q.text])
        self._earlier_uses[question.text] += 1
        if unlike:
            self._pairs.add(frozenset((question.text, unlike)))
        return Exchange(question.text, question.answer)
