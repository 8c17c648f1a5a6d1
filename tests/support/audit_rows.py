"""Rows that the audit's fixtures are put together from: good ones, and ways to spoil them."""

import atexit
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tokenizers import Tokenizer

from tests.support.chat_templates import text_of
from tunewright.contract.recipe import Recipe, parse_recipe
from tunewright.train.tiny import model_folder

ROOT = Path(__file__).parents[2]
Row = dict[str, Any] | str | bytes
LONG = "Show each place in the repository, and say in which file and on which line of it the old name"
SYSTEM = "You are a helpful assistant."
TOOLS = ("search", "read_page", "send_mail")


def call(code: str, before: str = "") -> str:
    head = f"{before}\n\n" if before else ""
    return f"{head}<tool_call><function=execute_code>\n<parameter=code>\n{code}\n</parameter>\n</function></tool_call>"


def chat(user: str, *turns: str, system: str | None = SYSTEM, **extra: Any) -> dict[str, Any]:
    """A row: the user speaks first, then turns alternate."""
    messages = [{"role": "system", "content": system}] if system is not None else []
    for number, said in enumerate((user, *turns)):
        role = "user" if number % 2 == 0 else "assistant"
        messages.append({"role": role, "content": said})
    return {"messages": messages, **extra}


def words_of(number: int) -> str:
    """Six made-up words that no other number shares."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return " ".join("".join(chr(97 + int(c, 16)) for c in digest[k : k + 5]) for k in range(0, 30, 5))


def asks(number: int, tool: str = "search", **extra: Any) -> dict[str, Any]:
    """A request of its own wording that is answered by a call."""
    words = words_of(number)
    return chat(f"{tool} please {words}", call(f'print({tool}("{words.split()[0]}"))'), **extra)


def says(number: int, **extra: Any) -> dict[str, Any]:
    words = words_of(number)
    return chat(f"what means {words}", f"it means {words}", **extra)


def openai(
    number: int, tool: str = "search", arguments: Any = None, tools: Sequence[Any] = (), **extra: Any
) -> dict[str, Any]:
    row = asks(number, tool)
    given = json.dumps({"query": f"{number}"} if arguments is None else arguments)
    row["messages"][-1] = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": tool, "arguments": given}}],
    }
    return {**row, "tools": list(tools) or [schema(name) for name in TOOLS], **extra}


def schema(name: str) -> dict[str, Any]:
    properties = {"query": {"type": "string"}, "limit": {"type": "integer"}}
    parameters = {"type": "object", "properties": properties, "required": ["query"]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def good(count: int = 60, start: int = 1) -> list[dict[str, Any]]:
    """Rows in which structure says nothing: tools in turn, a quarter direct answers."""
    return [
        says(n) if n % 4 == 0 else asks(n, TOOLS[n * 7 % 3])
        for n in sorted(range(start, start + count), key=lambda n: n * 37 % 101)
    ]


def changed(rows: list[dict[str, Any]], change: Callable[[dict[str, Any]], Row], *places: int) -> list[Row]:
    return [change(row) if number in (places or (1,)) else row for number, row in enumerate(rows)]


def without_system(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "messages": [m for m in row["messages"] if m["role"] != "system"]}


def last(row: dict[str, Any], content: str) -> dict[str, Any]:
    """The last message says this, and calls nothing but by what it says."""
    said = {key: value for key, value in row["messages"][-1].items() if key != "tool_calls"}
    return {**row, "messages": [*row["messages"][:-1], {**said, "content": content}]}


def weighed(row: dict[str, Any], weight: float) -> dict[str, Any]:
    """Every answer with this weight."""
    return {
        **row,
        "messages": [{**m, "weight": weight} if m["role"] == "assistant" else m for m in row["messages"]],
    }


def with_objects(row: dict[str, Any]) -> dict[str, Any]:
    """The arguments of every call as an object."""
    said = json.loads(json.dumps(row))
    for message in said["messages"]:
        for made in message.get("tool_calls", ()):
            made["function"]["arguments"] = json.loads(made["function"]["arguments"])
    return said


def tool_of(row: dict[str, Any]) -> str:
    found = re.search(r"print\((\w+)\(", row["messages"][-1]["content"])
    return found.group(1) if found else ""


def with_result(row: dict[str, Any], result: str) -> dict[str, Any]:
    return {
        **row,
        "messages": [
            *row["messages"],
            {"role": "tool", "content": result},
            {"role": "assistant", "content": "Done."},
        ],
    }


def recipe(**train: Any) -> Recipe:
    text = (ROOT / "recipes" / "tiny.toml").read_text(encoding="utf-8")
    for key, value in train.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {json.dumps(value)}", text, flags=re.MULTILINE)
    return parse_recipe(text, "tiny")


@cache
def base_with_template(name: str, *, thinks: bool = True) -> Path:
    """A base's folder with the tiny model's tokenizer and another model's chat template; it goes when the process ends.

    One that `thinks` has tokens for it, so that its template does not close the thought in the prompt.
    """
    folder = Path(mkdtemp(prefix="base-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for file in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copyfile(model_folder() / file, folder / file)
    if thinks:
        tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.add_tokens(["<think>", "</think>"])
        tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": text_of(name)}))
    return folder


@dataclass
class Case:
    """Splits of one dataset, and how it is audited."""

    train: Sequence[Row]
    valid: Sequence[Row] = ()
    suite: Sequence[dict[str, Any]] = ()
    recipe: Recipe | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])


def prose(row: dict[str, Any]) -> dict[str, Any]:
    return last(row, "See https://example.com or mail to someone@example.com, telephone 555-0199.")


def positioned(row: dict[str, Any], number: int, *, first: bool) -> dict[str, Any]:
    """The offered tools in another order: the right one first, or anywhere."""
    name = row["messages"][-1]["tool_calls"][0]["function"]["name"]
    names = (
        [name, *(t for t in TOOLS if t != name)] if first else [TOOLS[(number * 5 + k) % 3] for k in range(3)]
    )
    if number % 2 and not first:
        names.reverse()
    return {**row, "tools": [schema(n) for n in names]}


def preferred(count: int, *, longer: bool = False) -> list[Row]:
    """Pairs of answers; `longer` makes every wanted one the longer of both."""
    rows: list[Row] = []
    for n in range(count):
        a, b = words_of(n + 1000), words_of(n + 5000)
        more = f"{a} {words_of(n + 9000)}" if longer else a
        rows.append({"prompt": f"Say something about {words_of(n)}", "chosen": more, "rejected": b})
    return rows


def labelled(count: int, every: int) -> list[Row]:
    """Single answers, one of so many not wanted, in no order."""
    places = sorted(range(count), key=lambda n: n * 37 % 101)
    return [
        {
            "prompt": f"Say something about {words_of(n)}",
            "completion": words_of(n + 1000),
            "label": n % every > 0,
        }
        for n in places
    ]
