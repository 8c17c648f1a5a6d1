"""Splits rows so that what belongs together stays on one side, and every tool is on each side."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tunewright.chat.similar import Clusters, NearDuplicates

NEAR = 0.7  # similarity of requests from which rows may not straddle
MOST_BRIDGES = 0.05  # share of rows that may be left out to keep repositories apart


_ALL = "\0all"  # a label that every row has, so that the whole split keeps its size


@dataclass(frozen=True)
class Linked:
    """What of a row may tie it to others."""

    label: str  # tool, or empty
    request: str  # all the user says
    first: str  # the first thing the user says
    cluster: str = ""
    repository: str = ""


@dataclass(frozen=True)
class Division:
    """Row numbers of each split. `bridges` are in none: each tied two repositories together."""

    splits: dict[str, list[int]]
    groups: int
    repositories_apart: bool
    bridges: tuple[int, ...] = ()


def divide(rows: Sequence[Linked], shares: Mapping[str, float], random: Random) -> Division:
    """Assign every row to a split.

    `shares` gives each split but the first (which takes the rest) its share of the rows. Rows with the same
    cluster, the same first turn or nearly the same request are never parted. Rows of one repository neither: a
    row that would tie two repositories together is left out, unless there are too many of these
    (`MOST_BRIDGES`) or one repository is most of everything; then repositories may straddle.
    """
    links = _links(rows)
    groups, bridges = _group(rows, links, keep_repositories=True)
    largest = max(groups.sizes().values(), default=0)
    named = any(row.repository for row in rows)
    apart = named and len(bridges) <= MOST_BRIDGES * len(rows) and largest <= max(1, len(rows) // 2)
    if not apart:
        groups, bridges = _group(rows, links, keep_repositories=False)

    members: dict[int, list[int]] = defaultdict(list)
    for number in range(len(rows)):
        if number not in bridges:
            members[groups.find(number)].append(number)
    labels = [row.label for row in rows]
    main, *others = shares
    taken: dict[str, list[int]] = {}
    left = dict(sorted(members.items()))
    for name in others:
        picked = _pick(left, labels, shares[name] * len(rows), random)
        taken[name] = sorted(number for group in picked for number in left[group])
        left = {group: numbers for group, numbers in left.items() if group not in picked}
    rest = sorted(number for numbers in left.values() for number in numbers)
    splits = {main: rest} | {name: taken[name] for name in others}
    return Division(splits, len(members), apart, tuple(sorted(bridges)))


def _links(rows: Sequence[Linked]) -> list[list[int]]:
    """For each row the earlier rows it must not be parted from."""
    near = NearDuplicates(NEAR)
    known: dict[tuple[str, str], int] = {}
    links: list[list[int]] = []
    for number, row in enumerate(rows):
        found = near.add_all(row.request)
        for kind, value in (("cluster", row.cluster), ("first", row.first)):
            if value:
                found.append(known.setdefault((kind, value), number))
        links.append(found)
    return links


def _group(
    rows: Sequence[Linked], links: Sequence[Sequence[int]], *, keep_repositories: bool
) -> tuple[Clusters, set[int]]:
    groups = Clusters(range(len(rows)))
    bridges: set[int] = set()
    if not keep_repositories:
        for number, others in enumerate(links):
            for other in others:
                groups.join(number, other)
        return groups, bridges
    home: dict[str, int] = {}  # a repository's first row
    repository: dict[int, str] = {}  # of a group, by its representative
    for number, row in enumerate(rows):
        others = [other for other in links[number] if other not in bridges and other != number]
        if row.repository in home:
            others.append(home[row.repository])
        tied = {repository[root] for root in map(groups.find, others) if root in repository}
        if row.repository:
            tied.add(row.repository)
        if len(tied) > 1:
            bridges.add(number)
            continue
        for other in others:
            groups.join(number, other)
        if tied:
            repository[groups.find(number)] = next(iter(tied))
        if row.repository:
            home.setdefault(row.repository, number)
    return groups, bridges


def _pick(members: Mapping[int, list[int]], labels: Sequence[str], rows: float, random: Random) -> set[int]:
    """Groups that together hold about `rows` rows, each label in its proportion, and of each label at least one row where it
    lies in several groups."""
    totals = Counter(labels[number] for numbers in members.values() for number in numbers)
    totals[_ALL] = sum(len(numbers) for numbers in members.values())
    share = rows / max(1, totals[_ALL])
    wanted = {label: share * count for label, count in totals.items()}
    has: Counter[str] = Counter()
    counts = {
        group: Counter(labels[number] for number in numbers) + Counter({_ALL: len(numbers)})
        for group, numbers in members.items()
    }
    spread = Counter(label for found in counts.values() for label in found)
    picked: set[int] = set()

    def gain(group: int) -> float:
        """By how much the distance to what is wanted (sum of squares over what is wanted) shrinks."""
        better = 0.0
        for label, count in counts[group].items():
            before = wanted[label] - has[label]
            after = before - count
            better += (before * before - after * after) / max(wanted[label], 1e-9)
        return better

    def take(group: int) -> None:
        picked.add(group)
        has.update(counts[group])

    order = list(members)
    random.shuffle(order)
    for group in sorted(order, key=lambda group: -len(members[group])):
        if rows > 0 and gain(group) > 0:
            take(group)
    if rows > 0:
        for label in sorted(totals):
            if not has[label] and spread[label] > 1:
                holding = [group for group in order if group not in picked and label in counts[group]]
                if holding:
                    take(min(holding, key=lambda group: len(members[group])))
    return picked
