"""A case's gold and an answer, each run in the case's worlds, and compared."""

import ast
import atexit
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tunewright.contract.atomic import sha256_json
from tunewright.contract.catalog import Catalog
from tunewright.contract.suite import Case
from tunewright.eval.execution import Executor, WorldRun, bind
from tunewright.eval.grade_programs import Grade, Grader
from tunewright.eval.parse import Answer, parse_answer
from tunewright.eval.worlds import WORLDS, World, compared_constants

MOST_GRADES = 20_000  # that are remembered


@dataclass
class _Prepared:
    """A case's worlds, a grader for each gold program, and what the golds did, by their source."""

    worlds: list[World]
    graders: list[Grader] = field(default_factory=list[Grader])
    known: dict[tuple[str, ...], list[WorldRun]] = field(
        default_factory=dict[tuple[str, ...], list[WorldRun]]
    )


class Trials:
    """Runs answers for the cases of suites over one catalog. A context manager.

    A gold is run once, and an answer that was graded before is not run again: the same programs do the same.
    """

    def __init__(self, catalog: Catalog, executor: Executor | None = None) -> None:
        self.catalog = catalog
        self.executor = executor or Executor()
        self._cases: dict[str, _Prepared] = {}
        self._grades: dict[tuple[str, tuple[str, ...]], list[Grade]] = {}

    def __enter__(self) -> "Trials":
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.close()

    def grade(self, case: Case, answer: Answer) -> Grade | None:
        """The grade against the gold that fits best; None when the case has no gold that calls anything.

        Raises CallSyntaxError when a gold cannot be read, which `suite.check` tells with its line.
        """
        grades = self._grade(case, answer)
        return min(
            grades, key=lambda grade: (not grade.passed, -grade.right_worlds, grade.faults), default=None
        )

    def is_mutant(self, case: Case, gold: int, answer: Answer) -> bool | None:
        """Whether an answer differs from gold number `gold`; None when it does what another gold does instead."""
        grades = self._grade(case, answer)
        if grades[gold].passed:
            return False
        return None if any(grade.passed for grade in grades) else True

    def gold_fails(self, case: Case, gold: Answer) -> str:
        """The error that ends a gold program in most worlds, in words; empty when it ends well."""
        self._grade(case, gold)
        runs = self._cases[sha256_json(case.model_dump(mode="json"))].known.get(gold.sources, [])
        failed = [run for run in runs if run.error or run.unjudged]
        if 2 * len(failed) <= len(runs):
            return ""
        said = failed[0].unjudged or f"{failed[0].error}: {failed[0].message}"
        return f"it fails in {len(failed)} of {len(runs)} worlds: {said}"

    def known_results(self, case: Case) -> list[tuple[str, dict[str, Any], Any]]:
        """The results that the case's worlds must agree with; `suite.check` reports those of unknown tools."""
        return [
            (known.tool, bind(tool, (), known.arguments), known.result)
            for known in case.results
            if (tool := self.catalog.tool(known.tool)) is not None
        ]

    def _grade(self, case: Case, answer: Answer) -> list[Grade]:
        """One grade for each gold program."""
        key = sha256_json(case.model_dump(mode="json"))
        graded = self._grades.get((key, answer.sources))
        if graded is not None:
            return graded
        prepared = self._cases.get(key) or self._prepare(case)
        self._cases[key] = prepared
        grades = [Grade() for _ in prepared.graders]
        known = prepared.known.get(answer.sources)
        for number, world in enumerate(prepared.worlds if grades else ()):
            run = known[number] if known else self.executor.run(answer.sources, world)
            for grader, grade in zip(prepared.graders, grades):
                grader.world(number, run, grade)
            if run.stopped or all(grade.hopeless for grade in grades):
                break
        for grader, grade in zip(prepared.graders, grades):
            grader.finish(grade)
        if len(self._grades) >= MOST_GRADES:
            self._grades.clear()
        self._grades[key, answer.sources] = grades
        return grades

    def _prepare(self, case: Case) -> _Prepared:
        answers = [parse_answer(gold) for gold in case.gold if isinstance(gold, str)]
        constants = compared_constants([tree for answer in answers for tree in answer.programs])
        known = self.known_results(case)
        trees = [tree for answer in answers for tree in answer.programs]
        # A gold that reports failures without reading `success` looks at what was found, so an answer must do so too.
        empty = bool(case.expect.notices) and not any(_reads(tree, "success") for tree in trees)
        worlds = [World(self.catalog, case.id, number, constants, known, empty) for number in range(WORLDS)]
        prepared = _Prepared(worlds)
        for answer in answers:
            if answer.programs:
                runs = [self.executor.run(answer.sources, world) for world in prepared.worlds]
                prepared.known[answer.sources] = runs
                if all(run.error for run in runs):
                    continue  # a gold that always fails would take anything for right
                prepared.graders.append(Grader(case, runs, self.catalog, _literals(answer.programs), known))
        return prepared


def _reads(tree: ast.Module, field: str) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == field for node in ast.walk(tree))


def _literals(programs: Sequence[ast.Module]) -> list[str]:
    nodes = (node for tree in programs for node in ast.walk(tree))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


_SHARED: dict[str, Trials] = {}


def shared_trials(catalog: Catalog) -> Trials:
    """The sandboxes over a catalog that this process keeps to its end; golds are run once for all models."""
    key = sha256_json(catalog.model_dump(mode="json"))
    if key not in _SHARED:
        _SHARED[key] = Trials(catalog)
        atexit.register(_SHARED[key].executor.close)
    return _SHARED[key]
