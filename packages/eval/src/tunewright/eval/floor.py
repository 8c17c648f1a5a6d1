"""What models that know nothing reach on a suite: the floor to compare a score with."""

from collections.abc import Callable

from tunewright.contract.suite import Case, Prediction, Suite
from tunewright.eval.grade_answer import judge
from tunewright.eval.statistics import Proportion
from tunewright.eval.trial import Trials


def floor(suite: Suite, trials: Trials, dialect: str = "") -> dict[str, Proportion]:
    """The share of cases that each model without knowledge gets right, by what it does."""
    calls = next(
        (gold for case in suite.cases if case.expect.tools for gold in case.gold if isinstance(gold, str)), ""
    )
    models: dict[str, Callable[[Case], str]] = {
        "says nothing": lambda _: "",
        "says yes": lambda _: "Yes.",
        "repeats the request": lambda case: str(case.messages[-1].content or ""),
    }
    if calls:
        models["always makes the same call"] = lambda _: calls

    def right(case: Case, text: str) -> bool:
        # A suite's own first case is that call; it is not to the credit of a model that makes it everywhere.
        own = text in case.gold
        return not own and judge(case, Prediction(case=case.id, text=text), trials, dialect).passed

    return {
        name: Proportion(sum(right(case, answer(case)) for case in suite.cases), len(suite.cases))
        for name, answer in models.items()
    }
