"""A case's gold and an answer, each run in the case's worlds, and compared."""

import ast
from collections.abc import Sequence

from tunewright.contract.catalog import Catalog
from tunewright.contract.suite import Case
from tunewright.eval.execution import Executor, WorldRun
from tunewright.eval.grading import Grade, Grader
from tunewright.eval.parse import Answer, parse_answer
from tunewright.eval.worlds import WORLDS, World, compared_constants


class Trials:
    """Runs answers for the cases of suites over one catalog; a gold is run once. A context manager."""

    def __init__(self, catalog: Catalog, executor: Executor | None = None) -> None:
        self.catalog = catalog
        self.executor = executor or Executor()
        self._cases: dict[int, tuple[Case, list[World], list[Grader]]] = {}

    def __enter__(self) -> "Trials":
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.close()

    def grade(self, case: Case, answer: Answer) -> Grade | None:
        """The grade against the gold that fits best; None when the case has no gold that calls anything.

        Raises CallSyntaxError when a gold cannot be read, which `suite.check` tells with its line.
        """
        _, worlds, graders = self._prepare(case)
        if not graders:
            return None
        grades = [Grade() for _ in graders]
        for number, world in enumerate(worlds):
            run = self.executor.run(answer.sources, world)
            for grader, grade in zip(graders, grades):
                grader.world(number, run, grade)
            if run.stopped or all(grade.hopeless for grade in grades):
                break
        for grader, grade in zip(graders, grades):
            grader.finish(grade)
        return min(grades, key=lambda grade: (not grade.passed, -grade.right_worlds, grade.faults))

    def is_mutant(self, case: Case, gold: int, answer: Answer) -> bool | None:
        """Whether an answer differs from gold number `gold`; None when it does what another gold does instead."""
        _, worlds, graders = self._prepare(case)
        grades = [Grade() for _ in graders]
        for number, world in enumerate(worlds):
            run = self.executor.run(answer.sources, world)
            for grader, grade in zip(graders, grades):
                grader.world(number, run, grade)
            if run.stopped or all(grade.hopeless for grade in grades):
                break
        for grader, grade in zip(graders, grades):
            grader.finish(grade)
        if grades[gold].passed:
            return False
        return None if any(grade.passed for grade in grades) else True

    def gold_runs(self, case: Case) -> list[Sequence[WorldRun]]:
        """What each gold does in each world."""
        return [grader.golds for grader in self._prepare(case)[2]]

    def _prepare(self, case: Case) -> tuple[Case, list[World], list[Grader]]:
        known = self._cases.get(id(case))
        if known is not None:
            return known
        answers = [(gold, parse_answer(gold)) for gold in case.gold if isinstance(gold, str)]
        trees = [tree for _, answer in answers for tree in answer.programs]
        constants = compared_constants(trees)
        worlds = [World(self.catalog, case.id, number, constants) for number in range(WORLDS)]
        graders: list[Grader] = []
        for gold in case.gold:
            if not isinstance(gold, str):
                continue
            answer = parse_answer(gold)
            if answer.programs:
                literals = [
                    node.value
                    for tree in answer.programs
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str)
                ]
                graders.append(
                    Grader(
                        case,
                        [self.executor.run(answer.sources, world) for world in worlds],
                        self.catalog,
                        literals,
                    )
                )
        prepared = (case, worlds, graders)  # the case is kept, so that its id is not given to another one
        self._cases[id(case)] = prepared
        return prepared
