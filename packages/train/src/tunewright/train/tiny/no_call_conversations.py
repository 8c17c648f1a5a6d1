"""Conversations that need no call: facts, talk, and exercises in copying.

Copying is the decisive skill of a model this small, and a call holds only few copied tokens, so the
exercises ask for it directly: repeat, pick, look up, rename.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tunewright.train.tiny import names
from tunewright.train.tiny.invented_tools import Tool

Turn = tuple[str, str]
"""A user's text and the assistant's answer."""

_FACTS: tuple[tuple[str, str], ...] = (
    ("a list", "an ordered, mutable sequence that may hold values of any type"),
    ("a tuple", "an ordered sequence that cannot be changed after it is made"),
    ("a set", "an unordered collection without duplicates, with fast membership tests"),
    ("a dict", "a mapping from keys to values that keeps insertion order"),
    ("a generator", "a function that yields values one at a time and keeps its state between them"),
    ("a decorator", "a callable that takes a function and returns another one in its place"),
    (
        "a context manager",
        "an object that sets something up on entry and cleans it up on exit of a with block",
    ),
    ("a dataclass", "a class whose __init__, __repr__ and __eq__ are generated from its fields"),
    ("a lambda", "a small anonymous function made of a single expression"),
    ("a module", "a file of Python code that can be imported"),
    ("a package", "a folder of modules that is imported under one name"),
    ("a virtual environment", "a private set of installed packages for one project"),
    ("a type hint", "an annotation that says which type a value should have"),
    ("a protocol", "a class that describes the methods an object must have, without inheritance"),
    ("an exception", "an object that is raised when something goes wrong and unwinds the stack until caught"),
    ("an iterator", "an object with a __next__ method that gives one value after another"),
    ("a coroutine", "a function that can be paused at await and resumed later"),
    ("a thread", "a flow of execution that shares memory with the others of its process"),
    ("a process", "a running program with memory of its own"),
    ("a mutex", "a lock that only one thread can hold at a time"),
    ("a queue", "a structure in which the first value put in is the first taken out"),
    ("a stack", "a structure in which the last value put in is the first taken out"),
    ("a hash table", "a structure that finds values by the hash of their key in constant time"),
    ("a binary tree", "a tree in which each node has at most two children"),
    ("an index", "a structure that lets a database find rows without reading the whole table"),
    ("a transaction", "a group of changes that happen all together or not at all"),
    ("a foreign key", "a column that refers to the primary key of another table"),
    ("a container", "an isolated process with its own file system, made from an image"),
    ("a load balancer", "a server that spreads requests over several others"),
    ("a cache", "a store of earlier results that are kept to be reused"),
    ("a webhook", "an HTTP request that one service sends to another when something happens"),
    ("a REST API", "an interface in which resources have addresses and are changed by HTTP methods"),
    ("a regular expression", "a pattern that describes a set of strings"),
    ("a closure", "a function that remembers the variables of the scope it was made in"),
    ("recursion", "a function calling itself on a smaller part of the problem"),
    ("inheritance", "a class taking over the attributes and methods of another"),
    ("composition", "an object holding other objects and using them"),
    ("polymorphism", "different types answering to the same interface"),
    ("a unit test", "a test of one small piece of code in isolation"),
    ("a mock", "a stand-in object that records how it was used in a test"),
    ("a fixture", "a prepared value or state that tests can ask for"),
    ("an enum", "a type with a fixed set of named values"),
    ("garbage collection", "the freeing of memory that nothing refers to any more"),
    ("an ORM", "a library that maps database rows to objects"),
    ("a semaphore", "a counter that limits how many threads may enter at once"),
    ("latency", "the time between a request and its answer"),
    ("throughput", "the amount of work done in a unit of time"),
    ("a checksum", "a short value by which damaged data can be recognised"),
    ("a sprint", "a short fixed period in which a team finishes planned work"),
    ("a metaclass", "the class of a class, which controls how classes are made"),
    ("a property", "an attribute whose value is computed by a method"),
    ("a wheel", "a built Python package that installs without a build step"),
)
_TALK: tuple[tuple[str, str], ...] = (
    ("Hello", "Hello! How can I help?"),
    ("Hi there", "Hello! What can I do for you?"),
    ("Thanks", "You're welcome."),
    ("Thank you, that helped", "You're welcome. Tell me if you need more."),
    ("Good morning", "Good morning! How can I help?"),
    ("Are you there?", "Yes, I am here. What do you need?"),
    ("Who are you?", "I am an assistant that can call tools and answer questions."),
    ("What can you do?", "I can call the tools I am given and answer questions about programming."),
    ("Is Python compiled?", "Python is compiled to bytecode, which the interpreter then runs."),
    ("Should I use tabs or spaces?", "Use four spaces. PEP 8 recommends them."),
    ("How do I sort a list?", "Use sorted(values) for a new list or values.sort() to sort in place."),
    ("How do I reverse a string?", "Use slicing: text[::-1]."),
    ("How do I join strings?", 'Use the join method of the separator: ", ".join(parts).'),
    ("How do I copy a dict?", "Use dict(original) for a shallow copy or copy.deepcopy for a deep one."),
    ("How do I catch an exception?", "Put the code in a try block and handle the error in except."),
    (
        "What does PEP 8 say about names?",
        "Functions and variables use snake_case, classes use CamelCase, constants use UPPER_CASE.",
    ),
    ("What is the difference between == and is?", "== compares values, is compares identity."),
    (
        "What is the difference between a list and a tuple?",
        "A list can be changed after it is made, a tuple cannot.",
    ),
    (
        "When should I use async?",
        "Use async for many tasks that wait for input and output. It does not speed up computation.",
    ),
    (
        "Explain the with statement",
        "The with statement enters a context manager and makes sure that it is exited, also after an error.",
    ),
)


def _fact(rng: Random) -> Turn:
    thing, meaning = rng.choice(_FACTS)
    bare = thing.split(" ", 1)[-1] if thing.startswith(("a ", "an ")) else thing
    asked = rng.choice(
        (
            f"What is {thing}?",
            f"Explain {bare}",
            f"What does {bare} mean?",
            f"Define {thing}",
            f"Tell me about {bare}s" if bare != thing else f"Describe {thing}",
            f"Can you explain what {thing} is?",
            f"What's {thing} in short?",
            f"{bare}: what is that?",
        )
    )
    return asked, rng.choice((f"{thing[0].upper()}{thing[1:]} is {meaning}.",) * 3 + (f"It is {meaning}.",))


def _difference(rng: Random) -> Turn:
    (a, one), (b, two) = rng.sample(_FACTS, 2)
    asked = rng.choice(
        (
            f"What is the difference between {a} and {b}?",
            f"{a} or {b}?",
            f"How does {a} differ from {b}?",
            f"Compare {a} with {b}",
        )
    )
    return asked, f"{a[0].upper()}{a[1:]} is {one}, while {b} is {two}."


def _repeat(rng: Random) -> Turn:
    maker = rng.choice((names.symbol, names.path, names.code, names.host, names.phrase))
    values = [maker(rng) for _ in range(rng.choice((1, 1, 2, 3, 4)))]
    said = rng.choice(
        ("Repeat {v}", "Say {v}", "Write this down: {v}", "Copy: {v}", "Echo {v}", "Give me back {v}")
    )
    return said.format(v=", ".join(values)), ", ".join(values)


def _pick(rng: Random) -> Turn:
    maker = rng.choice((names.symbol, names.path, names.code, names.word))
    pairs = [(names.word(rng), maker(rng)) for _ in range(rng.randint(3, 6))]
    pairs = list(dict(pairs).items())
    key, value = rng.choice(pairs)
    shape = rng.choice(("{k}: {v}", "{k} = {v}", "{k} -> {v}", "- {k} is {v}"))
    table = "\n".join(shape.format(k=k, v=v) for k, v in pairs)
    asked = rng.choice((f"What is {key}?", f"Which value has {key}?", f"{key}?", f"Give me {key}"))
    return f"{table}\n{asked}", rng.choice((value, f"{key} is {value}."))


def _order(rng: Random) -> Turn:
    values = [rng.choice((names.symbol, names.word))(rng) for _ in range(rng.randint(3, 6))]
    which, at = rng.choice((("first", 0), ("second", 1), ("third", 2), ("last", -1)))
    return f"What comes {which} in this list?\n" + "\n".join(f"- {v}" for v in values), values[at]


def _rename(rng: Random) -> Turn:
    old, new, other = names.snake(rng), names.snake(rng), names.snake(rng)
    place = names.path(rng)
    lines = [
        f"def {{n}}({other}):",
        f"    return {{n}}({other})",
        f"{other} = {{n}}({names.number(rng)})",
        f'load("{place}", {{n}})',
    ]
    chosen = "\n".join(rng.sample(lines, rng.randint(1, 3)))
    return f"Rename {old} to {new}:\n{chosen.replace('{n}', old)}", chosen.replace("{n}", new)


def _restyle(rng: Random) -> Turn:
    parts = [rng.choice(names.WORDS) for _ in range(rng.randint(2, 3))]
    snake, camel = "_".join(parts), "".join(p.capitalize() for p in parts)
    return rng.choice(
        (
            (f"Write {camel} in snake_case", snake),
            (f"Write {snake} in CamelCase", camel),
            (f"What is {snake} as a constant?", snake.upper()),
        )
    )


def _about_name(rng: Random) -> Turn:
    name, place = names.symbol(rng), names.path(rng)
    return rng.choice(
        (
            (f"I put {name} into {place}. Where is it?", f"{name} is in {place}."),
            (f"{name} lives in {place}. What did I put there?", f"You put {name} there."),
            (f"Is {name} a good name?", f"{name} is fine if it says what it is for."),
            (
                f"How should I test {name}?",
                f"Write a small test that calls {name} with known input and compares the result.",
            ),
            (
                f"What would a docstring for {name} look like?",
                f'"""Return the {name.rsplit(".", 1)[-1].strip("_").lower().replace("_", " ")}."""',
            ),
        )
    )


_TURNS: tuple[Callable[[Random], Turn], ...] = (
    _fact,
    _fact,
    _fact,
    _difference,
    _repeat,
    _repeat,
    _pick,
    _pick,
    _order,
    _rename,
    _rename,
    _restyle,
    _about_name,
    _about_name,
    lambda rng: rng.choice(_TALK),
)


def about_tools(rng: Random, tools: list[Tool]) -> Turn:
    """A question about the tools themselves, which needs no call."""
    if len(tools) < 2 or rng.random() < 0.4:
        tool = rng.choice(tools)
        return rng.choice(
            (
                (f"What does {tool.name} do?", f"{tool.name} {tool.verb}s the {tool.noun}."),
                (
                    f"Which fields does {tool.name} return?",
                    f"It returns {', '.join((tool.flag, *tool.texts, *tool.numbers))} and {tool.list_name}.",
                ),
                (
                    f"What arguments does {tool.name} take?",
                    f"It takes {', '.join(p.name for p in tool.parameters)}.",
                ),
            )
        )
    one, two = rng.sample(tools, 2)
    return rng.choice(
        (
            (
                f"When should I use {one.name} instead of {two.name}?",
                f"Use {one.name} for the {one.noun} and {two.name} for the {two.noun}.",
            ),
            (
                f"What is the difference between {one.name} and {two.name}?",
                f"{one.name} is about the {one.noun}, {two.name} about the {two.noun}.",
            ),
            (f"Which tool gives me the {one.noun}?", f"{one.name} gives you the {one.noun}."),
        )
    )


def draw_turn(rng: Random) -> Turn:
    """A request that is answered in prose or by copying."""
    return rng.choice(_TURNS)(rng)
