"""One group's examples of one split, in the order in which they are made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from tunewright.chat.catalog_tools import catalog_tools
from tunewright.contract.catalog import Catalog
from tunewright.contract.chat_template import ChatTemplate
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Data
from tunewright.datagen.candidate import Candidate, take_steps
from tunewright.datagen.example_messages import Exchange, Work, compose
from tunewright.datagen.families.direct import BEYOND, Question
from tunewright.datagen.families.scenario import Scenario
from tunewright.datagen.rejections import Rejected
from tunewright.datagen.reword import Reworder
from tunewright.datagen.round_trip import unrenderable
from tunewright.datagen.structure import Form, choose_preamble, draw_forms, flags
from tunewright.datagen.synthesize import VOLATILE, Maker
from tunewright.datagen.tool_sampling import SHELLS, Offer, decline, draw_offer
from tunewright.datagen.typing_habits import typed

Row = dict[str, Any]
CALLS_ONLY = "You are a coding assistant. You can call tools."
SHELL = 0.8  # share of the lists of direct answers that a shell is in
MOST_WITH_LIST = 2  # requests that follow up, where the example lists tools
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
    if not single_calls:
        return scenario.shows_response
    # Single calls show results whole, and so what differs from run to run in them, and nothing is printed.
    return scenario.shows_response and not VOLATILE & set(scenario.tools) and not scenario.uses_before


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
    return _with_shells(forms, orders, random) if data.offered else forms


def _with_shells(forms: Sequence[Form], orders: Sequence[Order], random: Random) -> list[Form]:
    """The forms, with a shell as often in the lists of examples without a call as in those with one.

    Where a tool is missing no shell is offered, for it could do the work; so other calls often have none either.
    """
    forms = list(forms)
    listed = [place for place, form in enumerate(forms) if form.offer]
    direct = [place for place in listed if not orders[place].tool]
    calls = [place for place in listed if orders[place].label]
    needing = sum(orders[place].tool in SHELLS for place in calls)
    share = SHELL * len(direct) / max(1, len(listed) - len(calls))
    rate = (share * len(calls) - needing) / max(1, len(calls) - needing)
    for label in dict.fromkeys(orders[place].label for place in [*direct, *calls]):
        places = [place for place in listed if orders[place].label == label and not orders[place].missing]
        wanted = SHELL if not label else 1.0 if label in SHELLS else min(1.0, max(0.0, rate))
        for place, shell in zip(places, flags(len(places), wanted, random)):
            forms[place] = replace(forms[place], shell=shell)
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


@dataclass
class Series:
    """Fills orders. `tools` are the group's, `asked` the questions for direct answers and for exchanges before a request."""

    style: Style
    maker: Maker
    tools: Sequence[str]
    asked: Sequence[Question]
    random: Random
    _exhausted: set[tuple[str, bool]] = field(
        default_factory=set[tuple[str, bool]]
    )  # tools, each with a loop and without
    _uses: Counter[str] = field(default_factory=Counter[str])
    _earlier_uses: Counter[str] = field(default_factory=Counter[str])
    _pairs: set[frozenset[str]] = field(default_factory=set[frozenset[str]])  # two questions never meet twice

    def __post_init__(self) -> None:
        places = ["", *(corpus.label for corpus in self.maker.corpora)]
        self._dealt = dict(zip(places, deal(self.asked, len(places))))

    def row(self, order: Order, form: Form) -> Row:
        """The next row. Raises UserError when the repositories have nothing more to show for its tools."""
        ledger = self.maker.ledger
        for number in range(TRIES):
            if number == TRIES // 2:
                # Single calls show results whole, and of several steps one is too long more often.
                form = replace(form, follow_ups=0)
            begun = self._made(order, form) if order.tool else self._question(order, form)
            made = take_steps(begun, self._reword, self._offer, self._write, self._round_trip)
            if isinstance(made, Candidate):
                ledger.keep(made.row["meta"]["family"])
                return made.row
            ledger.reject(begun.family, made.reason, made.detail)
        raise UserError(
            f"{TRIES} examples in a row could not be written in {self.style.data.syntax}",
            "Look at the reasons with another syntax, or check the chat template.",
        )

    def _question(self, order: Order, form: Form) -> Candidate:
        """The question that was asked least, answered in words. With a shell there is little that no tool can do."""
        denied = form.offer and form.shell
        asked = [question for question in self.asked if not (denied and question.family == BEYOND)]
        question = min(asked or self.asked, key=lambda q: self._uses[q.text])
        self._uses[question.text] += 1
        return Candidate(
            family=question.family,
            tools=question.tools,
            request=question.text,
            template=question.template,
            cluster=f"direct:{question.text}",
            work=Work(answer=question.answer),
            group=order.group,
            form=form,
            missing=question.family == BEYOND,
        )

    def _made(self, order: Order, form: Form) -> Candidate:
        """Work of the order's tool. Where it has nothing new to show any more, the next one of its group takes its place."""
        single_calls = self.style.single_calls and not order.missing
        for tool in [order.tool, *(tool for tool in self.tools if tool != order.tool)]:
            fitted = form
            if single_calls and form.loop and tool in VOLATILE:
                # Its result would differ from run to run; an earlier exchange gives the same number of turns.
                fitted = replace(form, loop=False, earlier=True, follow_ups=0)
            if (tool, fitted.loop) not in self._exhausted:
                fits = partial(shows_all, form=fitted, single_calls=single_calls)
                # A list of tools is as long as three steps.
                follow_ups = min(fitted.follow_ups, MOST_WITH_LIST) if fitted.offer else fitted.follow_ups
                made = self.maker.make(tool, fits, follow_ups)
                if made is None and follow_ups:
                    made = self.maker.make(tool, fits)  # no family follows up on this tool, or none any more
                if made is not None:
                    return replace(made, group=order.group, form=fitted, missing=order.missing)
                self._exhausted.add((tool, fitted.loop))
                self.maker.ledger.reject("(all)", f"{tool} has nothing new to show")
        why = self.maker.ledger.commonest()
        raise UserError(
            f"these repositories have nothing new to show for {', '.join(self.tools)}"
            + (f"; most often: {why}" if why else ""),
            "Ask for fewer examples in [data], or give more repositories.",
        )

    def _reword(self, made: Candidate) -> Candidate:
        """With other words where the recipe wants that and they ask for the same."""
        reworder, settings = self.style.reworder, self.style.data.reword
        if not made.calls or reworder is None or settings is None or self.random.random() >= settings.share:
            return made
        text, reason = reworder.reword(made.request, made.values, made.work.program)
        reason = reason or self.maker.guard.reason(text, text, ())
        if reason is not None:
            self.maker.ledger.reject("(reworded)", reason)
            return made
        self.maker.ledger.keep("(reworded)")
        return replace(made, request=text)

    def _offer(self, made: Candidate) -> Candidate:
        """With the tools to choose from."""
        catalog = self.style.catalog
        if not made.form.offer:
            return replace(made, offer=Offer(catalog) if self.style.single_calls else None)
        # Where the request itself names the tool, another name would be a riddle.
        said = "\n".join([made.request, *(step.request for step in made.later)])
        mask = made.calls and not made.missing and not any(tool in said for tool in made.tools)
        return replace(
            made,
            offer=draw_offer(
                catalog, made.tools, self.random, missing=made.missing, mask=mask, shell=made.form.shell
            ),
        )

    def _write(self, made: Candidate) -> Candidate | Rejected:
        """With its row."""
        style, offer, work, request = self.style, made.offer, made.work, made.request
        earlier = self._exchange(made) if made.form.earlier else None
        if made.calls:
            reply = decline(offer) if made.missing and offer else work
            preamble = choose_preamble(made.tools[0], self.random)
        else:
            reply, preamble, request = work.answer, "", typed(request, self.random)
        later = made.later
        if made.form.preamble:
            tools = [step.work.calls[0].tool for step in later]
            later = [
                replace(step, preamble=choose_preamble(tool, self.random)) for step, tool in zip(later, tools)
            ]
        system = style.system
        # Single calls get their tools in the row's `tools`, where chat templates look for them.
        if offer is not None and not style.single_calls:
            system += offer.catalog.system_list()
        try:
            messages = compose(
                made.form, system, request, reply, earlier, preamble, style.data.syntax, offer, later
            )
        except Rejected as error:
            return error
        row: Row = {"messages": messages}
        if offer is not None and style.single_calls:
            row["tools"] = catalog_tools(offer.catalog)
        declined = made.calls and made.missing
        meta = {
            "source": made.group,
            "family": "irrelevance" if declined else made.family,
            "template": made.template,
            "cluster": made.cluster,
            "tool": made.tools[0] if made.calls and not declined else "",
            "scenario": made.scenario,
            "corpus": made.corpus,
            "engines": made.engines,
        }
        row["meta"] = {key: value for key, value in meta.items() if value}
        return replace(made, row=row)

    def _round_trip(self, made: Candidate) -> Candidate | Rejected:
        """As it is, when it survives the chat template."""
        style, catalog = self.style, made.offer.catalog if made.offer else self.style.catalog
        reason = style.template and unrenderable(made.row, style.template, style.data.syntax, catalog)
        return Rejected(reason) if reason else made

    def _exchange(self, made: Candidate) -> Exchange | None:
        """An earlier exchange that is true given what is offered, if there is one. Each repository, and the direct answers,
        have questions of their own, so that a shared first turn never ties two repositories together."""
        unlike = "" if made.calls else made.request
        own, all_of_them = (
            [q for q in questions if q.text != unlike and true_beside(q, made.offer)]
            for questions in (self._dealt[made.corpus], self.asked)
        )
        fresh = [q for q in own if frozenset((q.text, unlike)) not in self._pairs]
        chosen = fresh or own or all_of_them
        if not chosen:
            return None
        # Context, not what is taught: the shorter an answer is, the more often it comes.
        question = min(chosen, key=lambda q: (self._earlier_uses[q.text] + 1) * len(q.answer))
        self._earlier_uses[question.text] += 1
        if unlike:
            self._pairs.add(frozenset((question.text, unlike)))
        return Exchange(typed(question.text, self.random), question.answer)


def true_beside(question: Question, offer: Offer | None) -> bool:
    """Whether a question and its answer fit a list of tools: they speak of no other, and deny nothing that it can do."""
    if offer is None:
        return True
    if question.family == BEYOND and any(shell in offer.names for shell in SHELLS):
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
