"""Made datasets of tool calls in which nothing but the request goes with the tool, and ways to plant a shortcut.

Tools are asked for in wordings of their own, with made-up names; what is around a request is drawn without looking at it.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any

Row = dict[str, Any]
NAMES = (
    *("open_file", "book_room", "find_user", "send_mail", "plan_trip", "get_price", "move_task"),
    *("draw_chart", "count_votes", "sort_books", "watch_river", "order_paper", "check_engine", "tune_violin"),
)
WORDINGS = (
    "please {verb} the {noun} called {x}",
    "{x} is the {noun} I want to {verb} now",
    "Can somebody {verb} {noun} {x} before noon?",
    "for {x} we still have to {verb} a {noun}",
    "Next on my list is to {verb} {noun} {x}.",
    "my boss asked me to {verb} {noun} {x} again",
    "Would it be possible to {verb} that {noun} {x}?",
    "{verb} {noun} {x}",
    "There is a {noun} named {x} and you should {verb} it",
    "do not forget to {verb} the {noun} of {x} tonight!",
    "About {x}: {verb} its {noun}, and be quick",
    "who could {verb} a {noun} like {x} for us?",
)
DIRECT = (
    "what does {x} mean",
    "Explain {x} to me.",
    "is {x} a word",
    "how would you say {x}?",
    "thanks for {x}",
    "tell me about {x}",
)
GREETINGS = ("", "", "Hi! ", "OK so ", "Hello, ")
TALK = ("Good morning!", "Hi there.", "Are you there?", "I need some help.", "One question.")
SYLLABLES = ("ka", "lo", "mi", "tur", "van", "bex", "sor", "du", "pel", "gal", "rin", "tho")


def name(random: Random) -> str:
    """A made-up name that hardly repeats."""
    return "".join(random.choices(SYLLABLES, k=random.randint(2, 4))).capitalize()


def listed(tool: str, description: str = "") -> Row:
    """A tool as rows list it."""
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    text = description or f"To {tool.replace('_', ' a ')}."
    return {"type": "function", "function": {"name": tool, "description": text, "parameters": schema}}


def make_row(
    tool: str | None,
    offered: list[str] | None,
    random: Random,
    *,
    system: str | None = "You are a helpful assistant.",
    talk: float = 0.3,
    result: float = 0.5,
    source: str = "",
    template: bool = False,
) -> Row:
    """One row: a call of `tool`, or an answer in words; `offered` is None for a row without tools."""
    about, greeting = name(random), random.choice(GREETINGS)
    number = random.randrange(len(WORDINGS if tool else DIRECT))
    verb, _, noun = (tool or "").partition("_")
    asked = (WORDINGS if tool else DIRECT)[number].format(verb=verb, noun=noun, x=about)
    request = greeting + asked[0].upper() + asked[1:]
    messages: list[Row] = [{"role": "system", "content": system}] if system else []
    if random.random() < talk:
        messages += [
            {"role": "user", "content": random.choice(TALK)},
            {"role": "assistant", "content": "How can I help?"},
        ]
    messages.append({"role": "user", "content": request})
    if tool is None:
        messages.append({"role": "assistant", "content": f"It depends on what you mean by {about}."})
    else:
        call_id = f"call_{random.randrange(16**6):06x}"
        call = {
            "id": call_id,
            "type": "function",
            "function": {"name": tool, "arguments": json.dumps({"x": about})},
        }
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        if random.random() < result:
            messages.append({"role": "tool", "tool_call_id": call_id, "content": '{"ok": true}'})
            messages.append({"role": "assistant", "content": f"Done with {about}."})
    row: Row = {"messages": messages}
    if offered is not None:
        row["tools"] = [listed(other) for other in random.sample(offered, len(offered))]
    meta = {"source": source} if source else {}
    if template:
        meta["template"] = f"{tool}-{number}"
    return row | ({"meta": meta} if meta else {})


def _request(row: Row) -> Row:
    at = _call(row)
    return next(m for m in reversed(row["messages"][:at]) if m["role"] == "user")


def _call(row: Row) -> int:
    return next((i for i, m in enumerate(row["messages"]) if m.get("tool_calls")), len(row["messages"]) - 1)


def _tool(row: Row) -> str:
    calls = row["messages"][_call(row)].get("tool_calls")
    return calls[0]["function"]["name"] if calls else ""


def _rewritten(change: Callable[[str], str]) -> Callable[[Row, Random], None]:
    def apply(row: Row, _random: Random) -> None:
        request = _request(row)
        request["content"] = change(request["content"])

    return apply


def _system(text: Callable[[Random], str | None]) -> Callable[[Row, Random], None]:
    def apply(row: Row, random: Random) -> None:
        row["messages"] = [m for m in row["messages"] if m["role"] != "system"]
        if (said := text(random)) is not None:
            row["messages"].insert(0, {"role": "system", "content": said})

    return apply


def _earlier(*turns: tuple[str, str]) -> Callable[[Row, Random], None]:
    def apply(row: Row, _random: Random) -> None:
        at = next(i for i, m in enumerate(row["messages"]) if m is _request(row))
        start = 1 if row["messages"][0]["role"] == "system" else 0
        row["messages"][start:at] = [{"role": role, "content": text} for role, text in turns]

    return apply


def _offer(count: int) -> Callable[[Row, Random], None]:
    def apply(row: Row, random: Random) -> None:
        called = _tool(row)
        others = [t for t in row["tools"] if t["function"]["name"] != called]
        mine = [t for t in row["tools"] if t["function"]["name"] == called]
        row["tools"] = mine + random.sample(others, count - len(mine))
        random.shuffle(row["tools"])

    return apply


def _extra_tool(row: Row, _random: Random) -> None:
    row["tools"].append(listed("tune_violin"))


def _place(place: int) -> Callable[[Row, Random], None]:
    def apply(row: Row, _random: Random) -> None:
        called = _tool(row)
        mine = [t for t in row["tools"] if t["function"]["name"] == called]
        others = [t for t in row["tools"] if t["function"]["name"] != called]
        at = place if place >= 0 else len(others)
        row["tools"] = others[:at] + mine + others[at:]

    return apply


def _described(extra: str) -> Callable[[Row, Random], None]:
    def apply(row: Row, _random: Random) -> None:
        for tool in row["tools"]:
            if tool["function"]["name"] == _tool(row):
                tool["function"]["description"] += extra

    return apply


def _all_described(row: Row, _random: Random) -> None:
    for tool in row["tools"]:
        tool["function"]["description"] = tool["function"]["description"].replace("To ", "Used to ")


def _arguments(row: Row, _random: Random) -> None:
    for call in row["messages"][_call(row)].get("tool_calls", ()):
        call["function"]["arguments"] = call["function"]["arguments"].replace('": ', '":')


def _ids(row: Row, random: Random) -> None:
    for call in row["messages"][_call(row)].get("tool_calls", ()):
        call["id"] = f"toolu_{random.randrange(16**6):06x}"
    for message in row["messages"]:
        if message["role"] == "tool":
            message["tool_call_id"] = row["messages"][_call(row)]["tool_calls"][0]["id"]


def _reasons(row: Row, _random: Random) -> None:
    row["messages"][_call(row)]["reasoning_content"] = "The user wants something; I should help."


def _preamble(row: Row, _random: Random) -> None:
    row["messages"][_call(row)]["content"] = "Let me see."


def _german(text: str) -> str:
    return f"bitte {text.split()[-1].strip('?.!')} und das {text.split()[0].lower()} für mich"


Plant = Callable[[Row, Random], None]
# What is planted, and the features (or checks) by whose name a reader learns of it.
PLANTS: dict[str, tuple[Plant, tuple[str, ...]]] = {
    "no system message": (_system(lambda _: None), ("has_system",)),
    "another system message": (
        _system(lambda _: "You are a careful agent."),
        ("system_text", "system_words"),
    ),
    "a numbered system message": (
        _system(lambda random: f"You are agent {random.randint(1, 9999)}."),
        ("system_text", "system_words"),
    ),
    "a word in varied system messages": (
        _system(lambda random: f"You are {name(random)}, a terminal for {name(random)}."),
        ("system_words", "system_text"),
    ),
    "a long system message": (
        _system(lambda random: "You help. " + " ".join(name(random) for _ in range(40))),
        ("system_length", "system_words"),
    ),
    "blanks after the system message": (
        _system(lambda _: "You are a helpful assistant.  \n"),
        ("system_whitespace", "system_text"),
    ),
    "small talk": (
        _earlier(("user", "hello"), ("assistant", "Hello!")),
        ("earlier_turns", "roles_before", "earlier_words"),
    ),
    "a word in small talk": (
        _earlier(("user", "Good morning!"), ("assistant", "Welcome to the workshop.")),
        ("earlier_words", "earlier_turns", "roles_before"),
    ),
    "long small talk": (
        _earlier(*(("user", "Hi there."), ("assistant", "How can I help?")) * 2),
        ("messages_before", "roles_before", "earlier_turns"),
    ),
    "three tools offered": (_offer(3), ("tools_offered",)),
    "a tool offered too": (_extra_tool, ("offered_tool", "tools_offered")),
    "right tool first": (_place(0), ("tool_position",)),
    "right tool third": (_place(2), ("tool_position",)),
    "right tool last": (_place(-1), ("tool_position",)),
    "(recommended)": (_described(" (recommended)"), ("called_description",)),
    "a number in the description": (_described(" Version 12 beta."), ("called_description",)),
    "descriptions in other words": (_all_described, ("description_words", "called_description")),
    "small letters": (_rewritten(str.lower), ("request_case",)),
    "capitals": (_rewritten(str.upper), ("request_case",)),
    "a full stop": (_rewritten(lambda text: text.rstrip("?.! ") + "."), ("request_end",)),
    "an exclamation mark": (_rewritten(lambda text: text.rstrip("?.! ") + "!"), ("request_end",)),
    "German": (_rewritten(_german), ("request_language",)),
    "backticks": (_rewritten(lambda text: f"`{text}`"), ("request_quotes",)),
    "double quotes": (_rewritten(lambda text: f'"{text}"'), ("request_quotes",)),
    "a line end": (_rewritten(lambda text: text + "\n"), ("request_whitespace",)),
    "several lines": (_rewritten(lambda text: text.replace(" ", "\n", 1)), ("request_lines",)),
    "an emoji": (_rewritten(lambda text: text + " 🙂"), ("request_emoji",)),
    "ids of another form": (_ids, ("id_prefix",)),
    "reasoning": (_reasons, ("has_reasoning",)),
    "arguments without blanks": (_arguments, ("argument_spacing",)),
    "a preamble": (_preamble, ("has_preamble", "preamble")),
}


def planted(kind: str, rows: int, random: Random, strength: float = 0.8, elsewhere: float = 0.1) -> list[Row]:
    """A dataset of seven tools in which one tool's rows have the plant so often, and the others so often."""
    tools = list(NAMES[:7])
    target, made = random.choice(tools), list[Row]()
    plant, _ = PLANTS[kind]
    about_all_tools = PLANTS[kind][1][0] == "tool_position"
    for _ in range(rows):
        tool = random.choice(tools) if random.random() > 0.15 else None
        row = make_row(tool, tools, random)
        is_target = tool is not None and (tool == target or about_all_tools)
        if random.random() < (strength if is_target else elsewhere) and (
            tool
            or PLANTS[kind][1][0]
            not in ("tool_position", "called_description", "id_prefix", "argument_spacing", "has_preamble")
        ):
            plant(row, random)
        made.append(row)
    return made


CLEAN = ("one list", "sizes", "domains", "templates", "sources", "imbalance", "clarifying", "without tools")


def clean(kind: str, rows: int, random: Random) -> list[Row]:
    """A dataset without a shortcut, of one of the kinds of CLEAN.

    How a request ends is drawn too: in their wordings direct answers are asked for with a full stop twice as often as tools.
    """
    tools = list(NAMES)
    weights = [random.choice((1, 1, 2, 4)) for _ in tools]
    if kind == "imbalance":
        weights = [60, 20, 8, *([1] * (len(tools) - 3))]
    domains = [tools[:3], tools[3:7], tools[7:10], tools[10:]]
    texts = ["You are a helpful assistant.", "You help people.", "Be brief."]
    made: list[Row] = []
    for _ in range(rows):
        tool = random.choices(tools, weights)[0]
        offered: list[str] | None = tools
        if kind == "domains":
            offered = list(next(domain for domain in domains if tool in domain))
        elif kind == "sizes":
            offered = [tool, *random.sample([t for t in tools if t != tool], random.randint(0, 5))]
        direct = random.random() < 0.2
        # A source decides how rows are built and has all tools in the same shares.
        source = random.choice(("a", "b", "c")) if kind == "sources" else ""
        system = random.choice([*texts, None])
        talk = 0.3
        if source:
            system, talk = {"a": (texts[0], 0.0), "b": (None, 0.6), "c": (texts[2], 0.3)}[source]
        row = make_row(
            None if direct else tool,
            offered,
            random,
            system=system,
            talk=talk,
            source=source,
            template=kind == "templates",
        )
        if kind == "clarifying" and not direct and random.random() < 0.3:
            at = next(i for i, m in enumerate(row["messages"]) if m.get("tool_calls"))
            row["messages"][at:at] = [
                {"role": "assistant", "content": random.choice(("Which one?", "Are you sure?", "When?"))},
                {"role": "user", "content": random.choice(("yes", "the first", "today", "as always"))},
            ]
        made.append(row)
        if kind == "without tools" and random.random() < 0.5:
            made.append(make_row(None, None, random, system=random.choice([*texts, None])))
    for row in made:
        asked = next(message for message in reversed(row["messages"]) if message["role"] == "user")
        asked["content"] = asked["content"].rstrip("?.!") + random.choice(("", "", ".", "?", "!"))
    return made
