"""One group's examples of one split, in the order in which they are made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.chat.catalog_tools import catalog_tools
from tunewright.contract.catalog import Catalog
from tunewright.contract.chat_template import ChatTemplate
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Data
from tunewright.datagen.conversation import Exchange, Message, TooLong, compose
from tunewright.datagen.families.direct import BEYOND, Question
from tunewright.datagen.families.scenario import Scenario
from tunewright.datagen.reword import Reworder
from tunewright.datagen.round_trip import unrenderable
from tunewright.datagen.structure import Form, choose_preamble, draw_forms
from tunewright.datagen.synthesize import VOLATILE, Made, Maker
from tunewright.datagen.tool_sampling import ALWAYS, Offer, decline, draw_offer
from tunewright.datagen.typing_habits import typed

Row = dict[str, Any]
CALLS_ONLY = "You are a coding assistant. You can call tools."
TRIES = 40  # requests tried for one example that does not survive being written down


@dataclass(frozen=True)
class Order:
    """One example to be made: its group, and its first tool (empty for an answer without a call).

    With `missing` the request needs that tool, but it is not offered, so the answer has no call.
    """

    group: str
    tool: str
    missing: bool = False

    @property
    def label(self) -> str:
        """What a model has to find out: the tool, or that there is none to call."""
        return "" if self.missing else self.tool


def shows_all(scenario: Scenario, form: Form, *, single_calls: bool) -> bool:
    """Whether an example of that form shows all that a scenario does.

    The form is drawn first, so what an example is about is chosen to fit it. A single call without its result leaves
    nothing to make a second one from: several calls need the loop.
    """
    if not form.loop:
        return not single_calls or len(scenario.tools) == 1
    # Single calls show results whole, and so what differs from run to run in them.
    return scenario.shows_response and not (single_calls and VOLATILE & set(scenario.tools))


def forms_for(orders: Sequence[Order], data: Data, random: Random) -> list[Form]:
    """A form for each order, drawn by labels alone; where a tool is missing, there is a list to see that in."""
    labels = [order.label for order in orders]
    forms = draw_forms(labels, data.structure, random, data.offered, data.syntax == "code_mode")
    calls_nothing = [place for place, label in enumerate(labels) if not label]
    spare = [place for place in calls_nothing if forms[place].offer and not orders[place].missing]
    for place in calls_nothing:
        if orders[place].missing and not forms[place].offer:
            other = spare.pop()
            forms[place], forms[other] = forms[other], forms[place]
    return forms


@dataclass(frozen=True)
class Style:
    """How every row of a dataset is written."""

    data: Data
    catalog: Catalog
    template: ChatTemplate | None = None
    reworder: Reworder | None = None

    @property
    def single_calls(self) -> bool:
        return self.data.syntax != "code_mode"

    @property
    def system(self) -> str:
        """The recipe's system message. The default one speaks of programs, which single calls are not."""
        ours = self.data.system == Data.model_fields["system"].default
        system = CALLS_ONLY if self.single_calls and ours else self.data.system
        return f"{system}{self.catalog.system_list()}" if self.data.listed else system


class Series:
    """Fills orders. `tools` are the group's, `asked` the questions for direct answers, `earlier` those for an
    exchange before a request."""

    def __init__(
        self,
        style: Style,
        maker: Maker,
        tools: Sequence[str],
        asked: Sequence[Question],
        earlier: Sequence[Question],
        random: Random,
    ) -> None:
        self._style = style
        self._maker = maker
        self._tools = tuple(tools)
        self._asked = list(asked)
        self._earlier = list(earlier)
        self._dealt = deal(earlier, len(maker.corpora) + 1)
        self._random = random
        self._exhausted: set[tuple[str, bool]] = set()  # tools, with the tool's response and without
        self._uses: Counter[str] = Counter()
        self._earlier_uses: Counter[str] = Counter()
        self._pairs: set[frozenset[str]] = set()  # two questions never meet twice, in whichever order

    def row(self, order: Order, form: Form) -> Row:
        """The next row. Raises UserError when the repositories have nothing more to show for its tools."""
        if not order.tool:
            return self._direct(order, form)
        for _ in range(TRIES):
            made, fitted = self._made(order, form)
            made = self._reworded(made)
            row, reason = self._written(order, fitted, made)
            if reason is None:
                self._maker.ledger.keep(row["meta"]["family"])
                return row
            self._maker.ledger.reject(made.scenario.kind, reason)
        raise self._nothing_survives()

    def _nothing_survives(self) -> UserError:
        return UserError(
            f"{TRIES} examples in a row could not be written in {self._style.data.syntax}",
            "Look at the reasons with another syntax, or check the chat template.",
        )

    def _direct(self, order: Order, form: Form) -> Row:
        for _ in range(TRIES):
            question = min(self._asked, key=lambda q: self._uses[q.text])
            self._uses[question.text] += 1
            offer = self._offer(form, question.tools, missing=question.family == BEYOND, mask=False)
            earlier = self._exchange(0, offer, question.text) if form.earlier else None
            messages = compose(
                form, self._system(offer), typed(question.text, self._random), question.answer, earlier
            )
            meta = {
                "source": order.group,
                "family": question.family,
                "template": question.template,
                "cluster": f"direct:{question.text}",
            }
            row = self._row(messages, offer, meta)
            reason = self._unrenderable(row, offer)
            if reason is None:
                self._maker.ledger.keep(question.family)
                return row
            self._maker.ledger.reject(question.family, reason)
        raise self._nothing_survives()

    def _unrenderable(self, row: Row, offer: Offer | None) -> str | None:
        style = self._style
        if style.template is None:
            return None
        return unrenderable(row, style.template, style.data.syntax, offer.catalog if offer else style.catalog)

    def _made(self, order: Order, form: Form) -> tuple[Made, Form]:
        # Where a tool has nothing new to show any more, the next one of its group takes its place.
        single_calls = self._style.single_calls and not order.missing
        for tool in [order.tool, *(tool for tool in self._tools if tool != order.tool)]:
            fitted = form
            if single_calls and form.loop and tool in VOLATILE:
                # Its result would differ from run to run; an earlier exchange gives the same number of turns.
                fitted = replace(form, loop=False, earlier=True)
            if (tool, fitted.loop) not in self._exhausted:
                fits = partial(shows_all, form=fitted, single_calls=single_calls)
                made = self._maker.make(tool, fits)
                if made is not None:
                    return made, fitted
                self._exhausted.add((tool, fitted.loop))
                self._maker.ledger.reject("(all)", f"{tool} has nothing new to show")
        why = self._maker.why_not(self._tools)
        raise UserError(
            f"these repositories have nothing new to show for {', '.join(self._tools)}"
            + (f"; most often: {why}" if why else ""),
            "Ask for fewer examples in [data], or give more repositories.",
        )

    def _reworded(self, made: Made) -> Made:
        style = self._style
        if (
            style.reworder is None
            or style.data.reword is None
            or self._random.random() >= style.data.reword.share
        ):
            return made
        text, reason = style.reworder.reword(made.request, made.values, made.work.program)
        reason = reason or self._maker.guard.reason(text, text, ())
        if reason is not None:
            self._maker.ledger.reject("(reworded)", reason)
            return made
        self._maker.ledger.keep("(reworded)")
        return replace(made, request=text)

    def _written(self, order: Order, form: Form, made: Made) -> tuple[Row, str | None]:
        style = self._style
        # Where the request itself names the tool, another name would be a riddle.
        mask = not order.missing and not any(tool in made.request for tool in made.scenario.tools)
        offer = self._offer(form, made.scenario.tools, missing=order.missing, mask=mask)
        meta = {
            "source": order.group,
            "family": "irrelevance" if order.missing else made.scenario.kind,
            "template": made.template,
            "cluster": made.cluster,
            "tool": order.label and made.scenario.tool,
            "scenario": made.scenario.name,
            "corpus": made.corpus,
            "engines": made.engines,
        }
        place = 1 + [corpus.label for corpus in self._maker.corpora].index(made.corpus)
        earlier = self._exchange(place, offer) if form.earlier else None
        reply = decline(offer) if order.missing and offer else made.work
        preamble = choose_preamble(made.scenario.tool, self._random)
        try:
            messages = compose(
                form, self._system(offer), made.request, reply, earlier, preamble, style.data.syntax, offer
            )
        except TooLong:
            return {}, "a result is too long"
        except CallSyntaxError:
            return {}, "a value cannot be written in the syntax"
        row = self._row(messages, offer, meta)
        return row, self._unrenderable(row, offer)

    def _offer(self, form: Form, needed: Sequence[str], *, missing: bool, mask: bool) -> Offer | None:
        catalog = self._style.catalog
        if form.offer:
            return draw_offer(catalog, needed, self._random, missing=missing, mask=mask)
        return Offer(catalog) if self._style.single_calls else None

    def _system(self, offer: Offer | None) -> str:
        system = self._style.system
        # Single calls get their tools in the row's `tools`, where chat templates look for them.
        if offer is None or self._style.single_calls:
            return system
        return f"{system}{offer.catalog.system_list()}"

    def _row(self, messages: list[Message], offer: Offer | None, meta: dict[str, str]) -> Row:
        row: Row = {"messages": messages}
        if offer is not None and self._style.single_calls:
            row["tools"] = catalog_tools(offer.catalog)
        row["meta"] = {key: value for key, value in meta.items() if value}
        return row

    def _exchange(self, place: int, offer: Offer | None, unlike: str = "") -> Exchange | None:
        """An earlier exchange that is true given what is offered, if there is one. Each repository (`place` from
        1) and the direct answers (0) have questions of their own, so that a shared first turn never ties two
        repositories together."""
        own, all_of_them = (
            [q for q in questions if q.text != unlike and true_beside(q, offer)]
            for questions in (self._dealt[place], self._earlier)
        )
        fresh = [q for q in own if frozenset((q.text, unlike)) not in self._pairs]
        chosen = fresh or own or all_of_them
        if not chosen:
            return None
        question = min(chosen, key=lambda q: self._earlier_uses[q.text])
        self._earlier_uses[question.text] += 1
        if unlike:
            self._pairs.add(frozenset((question.text, unlike)))
        return Exchange(typed(question.text, self._random), question.answer)


def true_beside(question: Question, offer: Offer | None) -> bool:
    """Whether a question and its answer fit a list of tools: they speak of no other, and deny nothing that it can do."""
    if offer is None:
        return True
    if question.family == BEYOND and ALWAYS in offer.names:
        return False
    return set(question.tools) <= set(offer.catalog.tool_names)


def deal(questions: Sequence[Question], places: int) -> list[list[Question]]:
    """Each question to one of the places, so that each has its part of those that speak of tools and of those that
    do not: next to a list without a tool only the others are true."""
    dealt: list[list[Question]] = [[] for _ in range(places)]
    for kind in (
        [q for q in questions if not q.tools and q.family != BEYOND],
        [q for q in questions if q.family == BEYOND],
        [q for q in questions if q.tools],
    ):
        for number, question in enumerate(kind):
            dealt[number % places].append(question)
    # In the order of before: kind after kind, those about tools would hardly ever have their turn.
    order = {question.text: number for number, question in enumerate(questions)}
    return [sorted(part, key=lambda question: order[question.text]) for part in dealt]
