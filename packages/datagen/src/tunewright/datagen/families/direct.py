"""Questions that need no tool: about the tools themselves, answered from the catalog, and about Python."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tunewright.contract.catalog import Catalog, Tool, is_list, item_type, sentence
from tunewright.datagen.families.fields import in_words

BEYOND = "irrelevance"  # the family of requests that no tool can meet


@dataclass(frozen=True)
class Question:
    """A question and the one answer it has. `tools` are those it speaks of; `template` its wording."""

    text: str
    answer: str
    template: str
    tools: tuple[str, ...] = ()
    family: str = "direct"


_TYPE_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}
_MANY_WORDS = {"str": "strings", "int": "whole numbers", "float": "numbers", "bool": "true or false values"}

# Wordings with the answer each of them gets; every pair of tool and field meets a few of them.
_FIELD_WORDINGS = (
    ("What type has `{field}` in the result of {tool}?", "`{field}` is {type}."),
    ("Is `{field}` part of what {tool} gives back?", "Yes: {tool} returns `{field}`, {type}."),
    ("How do I read `{field}` after calling {tool}?", "Call result = {tool}(…) and read result.{field}."),
    ("{tool} has a field `{field}`. What is stored there?", "In `{field}` {tool} keeps {type}."),
)
_ITEM_WORDINGS = (
    ("Does each entry of {list} from {tool} have `{field}`?", "Yes, each entry has `{field}`, {type}."),
    (
        "What is `{field}` in an entry of {tool}'s {list}?",
        "It is {type} that belongs to each entry of {list}.",
    ),
    (
        "How do I get the `{field}` of everything in {tool}'s {list}?",
        "Loop: for item in result.{list}, then read item.{field}.",
    ),
)
_TOOL_WORDINGS = (
    ("Explain {tool} in a sentence.", "{tool}: {description}"),
    ("What is the purpose of {tool}?", "{tool} answers this: {description}"),
    ("Which arguments does {tool} need?", "{needs}"),
    ("Which arguments can {tool} do without?", "{tool} can do without {optional}."),
    ("Name the result fields of {tool}.", "{tool} returns {fields}."),
    ("How is {tool} called?", "Like this: {signature}."),
    ("What comes back from {tool}?", "A record with {fields}."),
    ("Tell me about the tool {tool}.", "{description} Its result has {fields}."),
)
_PARAMETER_WORDINGS = (
    ("What do I pass as `{parameter}` to {tool}?", "`{parameter}` is {type}{about}."),
    ("Does {tool} take `{parameter}`?", "Yes, {tool} takes `{parameter}`{about}."),
)
_PAIR_WORDINGS = (
    ("How do {tool} and {other} differ?", "{tool}: {description} {other}: {other_description}"),
    (
        "Compare {tool} with {other}.",
        "{tool} tells this: {description} {other} tells that: {other_description}",
    ),
)

# What none of the tools does, and how a tool that does it would begin its words. The honest answer says so.
_BEYOND: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Send an email to the team about the release.", "send email", ("email", "mail", "send")),
    ("Book a meeting room for tomorrow.", "book rooms", ("book", "room", "meeting", "calendar", "reserv")),
    ("Deploy the service to production.", "deploy", ("deploy", "release", "production", "rollout")),
    ("Open the pull request page in my browser.", "open a browser", ("brows", "web", "url", "page")),
    ("Translate this conversation into French by phone.", "make phone calls", ("phone", "call", "translat")),
    ("Order a bigger monitor for my desk.", "order things", ("order", "buy", "purchas", "shop")),
    ("Play some music while I work.", "play music", ("play", "music", "song", "audio", "sound")),
    ("Turn the lights in the office off.", "switch lights", ("light", "lamp", "switch", "turn", "device")),
    ("Tell me tomorrow's weather in Oslo.", "look up the weather", ("weather", "forecast", "temperature")),
    (
        "Post the news in our chat channel.",
        "post to a chat",
        ("post", "chat", "slack", "channel", "message", "send"),
    ),
    ("Take a screenshot of my desktop.", "take screenshots", ("screen", "desktop", "capture")),
    ("Print this page on the printer in the hall.", "use a printer", ("print",)),
    ("Buy the domain for our new project.", "buy domains", ("domain", "buy", "purchas", "shop", "order")),
    ("Call the customer and apologise.", "make phone calls", ("phone", "call", "customer")),
    ("Set an alarm for half past five.", "set alarms", ("alarm", "timer", "remind", "clock")),
    ("Upload the video of the demo.", "upload videos", ("upload", "video", "media")),
)

_PYTHON = (
    (
        "What is a decorator?",
        "A decorator is a function that takes a function and returns a replacement for it.",
    ),
    ("How does a list differ from a tuple?", "A list can be changed after it is made; a tuple cannot."),
    (
        "What does a context manager do?",
        "It sets something up when a with block starts and cleans up when it ends.",
    ),
    (
        "Explain list comprehensions briefly.",
        "A list comprehension builds a list from a loop in one expression.",
    ),
    ("What are type hints for?", "They tell readers and tools which types a function expects and returns."),
    ("Why use a virtual environment?", "It keeps the packages of one project apart from those of others."),
    ("What is the GIL?", "A lock in CPython that lets one thread at a time run Python bytecode."),
    (
        "What does `yield` do?",
        "It hands a value to the caller and pauses the function until the next is asked for.",
    ),
    (
        "When is a set better than a list?",
        "When you ask often whether something is in it, or want no repeats.",
    ),
    ("What is a dataclass?", "A class whose init, repr and equality are made from its annotated fields."),
    (
        "Why avoid mutable default arguments?",
        "The default is made once and shared by all calls, so changes leak.",
    ),
    ("What does `self` mean?", "It is the instance a method was called on."),
    ("What is duck typing?", "Code asks what an object can do, not which class it has."),
    ("Explain `*args`.", "It collects extra positional arguments into a tuple."),
    ("What is `**kwargs` for?", "It collects extra keyword arguments into a dictionary."),
    ("How do I raise an error?", "Use raise with an exception, such as raise ValueError with a message."),
    ("What is a lambda?", "A small function written as one expression, without a name."),
    ("When does `finally` run?", "Always when the try block is left, with or without an exception."),
    ("What is an abstract base class?", "A class that names methods its subclasses must define."),
    ("What does `is` compare?", "Whether both sides are the very same object, not whether they are equal."),
    ("What is a module?", "A file of Python code that other code can import."),
    ("Why write tests before fixing a bug?", "The test shows the bug is there, and later that it is gone."),
    ("What is refactoring?", "Changing the structure of code without changing what it does."),
    ("What is a linter good for?", "It finds style problems and likely mistakes without running the code."),
    ("What does idempotent mean?", "Doing it twice has the same effect as doing it once."),
    ("What is technical debt?", "The extra work that today's short cut will cause later."),
    ("What is a race condition?", "A result that depends on which of two things happens to run first."),
    ("Explain what a hash is.", "A short value computed from data, so that equal data gives equal values."),
    ("What is a regular expression?", "A pattern that describes which texts match."),
    ("What is recursion?", "A function that calls itself on a smaller problem until that is trivial."),
    ("What does immutable mean?", "An immutable object cannot change after it was made."),
    ("How does `enumerate` help in a loop?", "It gives the index together with each item."),
    ("What does `zip` do?", "It pairs up the items of several sequences."),
    ("What is an f-string?", "A string literal in which expressions in braces are replaced by their values."),
    ("What is monkey patching?", "Replacing a function or attribute of a module or class while it runs."),
    ("What is the purpose of `__init__`?", "It sets up a new instance right after it was created."),
    ("Why is `eval` dangerous?", "It runs whatever code stands in the text it is given."),
    ("What does pickling mean?", "Turning Python objects into bytes that can be loaded again."),
    ("What is a coroutine?", "A function that can pause at await and let others run."),
    ("What is a breakpoint?", "A place where the debugger stops the program so that you can look around."),
    ("What is a merge conflict?", "Two changes touch the same lines, so that git cannot choose for you."),
    ("What is a stack trace?", "The list of calls that were open when an error happened."),
    ("What is code coverage?", "The share of the code that ran while the tests did."),
    ("What is a fixture in pytest?", "A function that prepares what a test needs and cleans up afterwards."),
    ("What does big O notation describe?", "How the cost grows as the input becomes larger."),
    (
        "What is dependency injection?",
        "Giving an object what it needs from outside instead of it making that itself.",
    ),
    ("What is a namespace?", "A place where names are bound to objects, such as a module or a class."),
    ("Why pin versions?", "So that the same code gets the same dependencies everywhere."),
    (
        "What is semantic versioning?",
        "Version numbers that tell whether a release breaks, adds or only mends.",
    ),
    ("What does `__all__` do?", "It lists the names that a star import brings in."),
    ("What is shadowing?", "An inner name hides an outer one that is spelled the same."),
    ("What is a closure?", "A function that remembers the variables of the place it was made in."),
    ("What is a metaclass?", "The class of a class; it decides how classes are made."),
    ("What are slots?", "A fixed list of attributes that a class allows, which saves memory."),
    ("What is a wheel file?", "A built package that can be installed by unpacking it."),
    ("How do I sort by a key?", "Pass key to sorted with a function that returns what to compare."),
    ("What is boolean short-circuiting?", "The right side of and or or is only computed when it matters."),
    ("What is an iterator?", "An object that gives one item after another until it is used up."),
    ("What is an enum?", "A type with a fixed set of named values."),
    ("Why close files?", "To write out what is buffered and to give the handle back."),
)

_CHOICE = (
    ("goto_definition", "I know a usage and want the place that declares it. Which tool?"),
    ("goto_definition", "Which tool leads from a name to its declaration?"),
    ("find_references", "Which tool lists everything that uses a function?"),
    ("find_references", "I plan to rename a method. Which tool shows what would break?"),
    ("typecheck", "Which tool tells me about wrong argument types?"),
    ("typecheck", "What should I run to validate annotations?"),
    ("ruff_check", "Which tool reports unused imports?"),
    ("ruff_check", "What do I use to look for style violations?"),
    ("pytest_run", "Which tool executes my tests?"),
    ("pytest_run", "I changed code and want to know if it still works. Which tool?"),
    ("read_file", "Which tool gives me the text of a file?"),
    ("read_file", "What do I use to look at source code as it is?"),
    ("write_file", "Which tool puts text into a file?"),
    ("write_file", "What do I call to create a new module on disk?"),
    ("run_command", "Which tool runs a shell command?"),
    ("run_command", "How do I search for plain text that is no symbol? Name the tool."),
)


# What only makes sense where calls are written in programs.
_ABOUT_PROGRAMS = frozenset(
    {
        "How do I read `{field}` after calling {tool}?",
        "How do I get the `{field}` of everything in {tool}'s {list}?",
        "How is {tool} called?",
    }
)


def questions(catalog: Catalog, *, beyond: bool = True, programs: bool = True) -> Iterator[Question]:
    """Every question there is about these tools and about Python, each text once, in a fixed order.

    With `beyond` also what none of the tools can do: of that only what none of them comes near. Without `programs`
    none whose answer is a piece of one.
    """
    for question in _all_questions(catalog, beyond):
        if programs or question.template not in _ABOUT_PROGRAMS:
            yield question


def _all_questions(catalog: Catalog, beyond: bool) -> Iterator[Question]:
    for tool in catalog.tools:
        yield from _about(catalog, tool)
    for index, tool in enumerate(catalog.tools):
        for other in catalog.tools[index + 1 :]:
            words = {
                "tool": tool.name,
                "other": other.name,
                "description": sentence(tool.description),
                "other_description": sentence(other.description),
            }
            for wording, answer in _PAIR_WORDINGS if tool.description and other.description else ():
                yield Question(
                    wording.format(**words), answer.format(**words), wording, (tool.name, other.name)
                )
    for name, wording in _CHOICE:
        tool = catalog.tool(name)
        if tool is not None:
            yield Question(wording, f"{name}: {sentence(tool.description)}", wording, (name,))
    said = words_about(catalog)
    for text, deed, stems in _BEYOND:
        if beyond and not any(word.startswith(stems) for word in said):
            yield Question(text, f"I have no tool to {deed}, so I cannot do that.", text, family=BEYOND)
    for text, answer in _PYTHON:
        yield Question(text, answer, text)


def words_about(catalog: Catalog) -> set[str]:
    """All words of the tools' names and descriptions, in lower case; `sendMail` and `send_mail` are two."""
    text = " ".join(f"{tool.name} {tool.description}" for tool in catalog.tools)
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).lower()))


def _about(catalog: Catalog, tool: Tool) -> Iterator[Question]:
    words = {
        "tool": tool.name,
        "description": sentence(tool.description),
        "signature": tool.signature(),
        "fields": in_words(list(tool.result)) if tool.result else "",
        "needs": _needs(tool),
        "optional": in_words(optional) if (optional := _optional(tool)) else "",
    }
    known = {name for name, word in words.items() if word}
    for wording, answer in _TOOL_WORDINGS:
        if set(re.findall(r"\{(\w+)\}", answer)) <= known:
            yield Question(wording.format(**words), answer.format(**words), wording, (tool.name,))
    for parameter in tool.parameters:
        more = words | {
            "parameter": parameter.name,
            "type": _in_words(parameter.type),
            "about": f": {parameter.description.rstrip('.')}" if parameter.description else "",
        }
        for wording, answer in _PARAMETER_WORDINGS:
            yield Question(wording.format(**more), answer.format(**more), wording, (tool.name,))
    for field, annotation in tool.result.items():
        more = words | {"field": field, "type": _in_words(annotation)}
        for wording, answer in _FIELD_WORDINGS:
            yield Question(wording.format(**more), answer.format(**more), wording, (tool.name,))
        if is_list(annotation):
            for inner, inner_type in catalog.types.get(item_type(annotation), {}).items():
                more = words | {"list": field, "field": inner, "type": _in_words(inner_type)}
                for wording, answer in _ITEM_WORDINGS:
                    yield Question(wording.format(**more), answer.format(**more), wording, (tool.name,))


def _needs(tool: Tool) -> str:
    names = [parameter.name for parameter in tool.parameters if parameter.required]
    if names:
        return f"{tool.name} needs {in_words(names)}."
    names = _optional(tool)
    if not names:
        return f"{tool.name} takes no arguments."
    return f"{tool.name} needs none: {in_words(names)} {'is' if len(names) == 1 else 'are'} optional."


def _optional(tool: Tool) -> list[str]:
    return [parameter.name for parameter in tool.parameters if not parameter.required]


def _in_words(annotation: str) -> str:
    kind = item_type(annotation)
    if is_list(annotation):
        words = f"a list of {_MANY_WORDS.get(kind, f'{kind} records')}"
    else:
        words = _TYPE_WORDS.get(kind, f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind} record")
    return f"{words} or None" if annotation.endswith("| None") else words
