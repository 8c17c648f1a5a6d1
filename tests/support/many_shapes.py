"""The same made-up conversations in many shapes and dialects: what a reader must find to be the same."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tunewright.contract.example import Example, Function, Message, ToolCall

Row = dict[str, Any]

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": properties, "required": required},
        },
    }
    for name, description, properties, required in (
        (
            "get_weather",
            "Weather of a city.",
            {"city": {"type": "string"}, "days": {"type": "integer"}},
            ["city"],
        ),
        (
            "convert_currency",
            "Convert an amount of money.",
            {"amount": {"type": "number"}, "source": {"type": "string"}, "target": {"type": "string"}},
            ["amount", "source", "target"],
        ),
        (
            "find_books",
            "Find books by author or tag.",
            {
                "author": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "in_print": {"type": "boolean"},
            },
            [],
        ),
        (
            "set_timer",
            "Start a timer.",
            {"minutes": {"type": "integer"}, "label": {"type": "string"}},
            ["minutes"],
        ),
    )
]
_CITIES = [
    "Oslo",
    "Lima",
    "Quito",
    "Hanoi",
    "Cairo",
    "Riga",
    "Minsk",
    "Accra",
    "Dakar",
    "Tunis",
    "Perth",
    "Turin",
    "Malmö",
    "Kyoto",
    "Porto",
]
_AUTHORS = [
    "Lem",
    "Woolf",
    "Borges",
    "Morrison",
    "Achebe",
    "Szymborska",
    "Calvino",
    "Le_Guin",
    "Baldwin",
    "Mahfouz",
]
_THINGS = ["tea", "pasta", "bread", "rice", "eggs", "soup", "laundry", "stretching", "the_kettle", "a_nap"]


def conversations(count: int = 300, seed: int = 1) -> list[Example]:
    """So many conversations, each with tools: a request, one or two calls or none, their results, and an answer."""
    random = Random(seed)
    return [_conversation(random, number) for number in range(count)]


def _conversation(random: Random, number: int) -> Example:
    city, other = random.sample(_CITIES, 2)
    days, amount, minutes = random.randint(1, 14), random.randint(2, 900), random.randint(1, 90)
    author, thing = random.choice(_AUTHORS).replace("_", " "), random.choice(_THINGS).replace("_", " ")
    kind = number % 6
    tools = random.sample(TOOLS, len(TOOLS))
    if kind == 0:
        said = f"What will it be like in {city} over the next {days} days?"
        calls = [("get_weather", {"city": city, "days": days})]
        results, answer = (
            [{"sky": "clear", "high": amount % 40}],
            f"Clear in {city}, up to {amount % 40} degrees.",
        )
    elif kind == 1:
        said = f"How many euros are {amount}.5 dollars? I leave for {city} on day {days}."
        calls = [("convert_currency", {"amount": amount + 0.5, "source": "USD", "target": "EUR"})]
        results, answer = [{"amount": round(amount * 0.9, 2)}], f"About {round(amount * 0.9, 2)} euros."
    elif kind == 2:
        said = f"Show me books by {author} that are about {city} or {thing}, still in print."
        calls = [("find_books", {"author": author, "tags": [city, thing], "in_print": True})]
        results, answer = [{"books": []}], f"Nothing by {author} on that is in print."
    elif kind == 3:
        said = f"Wake me in {minutes} minutes, I am cooking {thing} in {city}."
        calls = [("set_timer", {"minutes": minutes, "label": thing})]
        results, answer = [{"ok": True}], f"The timer runs: {minutes} minutes for {thing}."
    elif kind == 4:
        said = f"Compare the weather in {city} and in {other} for {days} days."
        calls = [
            ("get_weather", {"city": city, "days": days}),
            ("get_weather", {"city": other, "days": days}),
        ]
        results, answer = [{"high": 20}, {"high": days}], f"{city} has 20 degrees, {other} has {days}."
    else:
        said = f'What does the word "{thing}" mean to somebody from {city}, {days} words at most?'
        calls, results, answer = [], [], f"In {city}, {thing} is what you have at {days}."
    messages = [Message(role="user", content=said)]
    if calls:
        listed = tuple(
            ToolCall(id=f"call{number:04d}{place}", function=Function(name=name, arguments=arguments))
            for place, (name, arguments) in enumerate(calls)
        )
        messages.append(Message(role="assistant", content="", tool_calls=listed))
        messages += [
            Message(role="tool", content=json.dumps(result), tool_call_id=call.id, name=call.function.name)
            for call, result in zip(listed, results)
        ]
    messages.append(Message(role="assistant", content=answer))
    return Example(messages=tuple(messages), tools=tuple(tools))


def without_ids(example: Example) -> Row:
    """What every shape can hold: an example without ids, and tool messages without the tool's name."""
    row = example.row()
    for message in row["messages"]:
        message.pop("tool_call_id", None)
        message.pop("name", None)
        for call in message.get("tool_calls", ()):
            call.pop("id", None)
    row.pop("meta", None)
    return row


def openai(example: Example) -> Row:
    """OpenAI's own form: arguments as text, content null where a turn only calls."""
    row = example.row()
    for message in row["messages"]:
        for call in message.get("tool_calls", ()):
            call["function"] = {**call["function"], "arguments": json.dumps(call["function"]["arguments"])}
        if message.get("tool_calls"):
            message["content"] = None
    return row


def openai_objects(example: Example) -> Row:
    """The same with arguments as objects and tools as JSON text."""
    return {**example.row(), "tools": json.dumps(list(example.tools))}


def _hermes_calls(message: Message) -> str:
    return "\n".join(
        "<tool_call>\n"
        + json.dumps({"name": call.function.name, "arguments": call.function.arguments})
        + "\n</tool_call>"
        for call in message.tool_calls
    )


def hermes(example: Example) -> Row:
    """As Qwen's template writes a conversation: tools in the system message, calls and results between tags."""
    system = (
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
        + "\n".join(json.dumps(tool) for tool in example.tools)
        + "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
        '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n'
        "</tool_call>"
    )
    messages: list[Row] = [{"role": "system", "content": system}]
    results: list[str] = []
    for message in example.messages:
        if message.role == "tool":
            results.append(f"<tool_response>\n{message.content}\n</tool_response>")
            continue
        if results:
            messages.append({"role": "user", "content": "\n".join(results)})
            results = []
        content = _hermes_calls(message) if message.tool_calls else message.content
        messages.append({"role": message.role, "content": content})
    return {"messages": messages}


def sharegpt(example: Example) -> Row:
    """LLaMA-Factory's ShareGPT with `function_call` and `observation` turns; several calls are one list."""
    turns: list[Row] = []
    for message in example.messages:
        if message.tool_calls:
            calls = [
                {"name": call.function.name, "arguments": call.function.arguments}
                for call in message.tool_calls
            ]
            turns.append(
                {"from": "function_call", "value": json.dumps(calls[0] if len(calls) == 1 else calls)}
            )
        else:
            speaker = {"user": "human", "assistant": "gpt", "tool": "observation"}[message.role]
            turns.append({"from": speaker, "value": message.content})
    tools = [tool["function"] for tool in example.tools]
    return {"conversations": turns, "tools": json.dumps(tools)}


def anthropic(example: Example) -> Row:
    """Content blocks: `tool_use` in the assistant's turn, `tool_result` in the user's."""
    messages: list[Row] = []
    for message in example.messages:
        if message.tool_calls:
            blocks = [
                {
                    "type": "tool_use",
                    "id": call.id,
                    "name": call.function.name,
                    "input": call.function.arguments,
                }
                for call in message.tool_calls
            ]
            messages.append({"role": "assistant", "content": blocks})
        elif message.role == "tool":
            block = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}
            if messages[-1]["role"] == "user":
                messages[-1]["content"].append(block)
            else:
                messages.append({"role": "user", "content": [block]})
        else:
            messages.append({"role": message.role, "content": message.content})
    tools = [
        {
            "name": tool["function"]["name"],
            "description": tool["function"]["description"],
            "input_schema": tool["function"]["parameters"],
        }
        for tool in example.tools
    ]
    return {"messages": messages, "tools": tools}


def in_dialect(dialect: str) -> Callable[[Example], Row]:
    """OpenAI's messages with the calls written into the content in a dialect."""

    def row(example: Example) -> Row:
        from tunewright.chat.calls import write

        messages: list[Row] = []
        for message in example.messages:
            made: Row = {"role": message.role, "content": message.content}
            if message.tool_calls:
                calls = [(call.function.name, call.function.arguments) for call in message.tool_calls]
                made["content"] = write(calls, dialect)
            messages.append(made)
        return {"messages": messages, "tools": list(example.tools)}

    return row


def preference(example: Example) -> Row:
    """DPO: the last answer is `chosen`, and an unhelpful one `rejected`."""
    row = openai(example)
    *before, last = row["messages"]
    return {
        "messages": before,
        "tools": row["tools"],
        "chosen": last,
        "rejected": {"role": "assistant", "content": "No."},
    }


SHAPES: dict[str, Callable[[Example], Row]] = {
    "openai": openai,
    "openai, objects": openai_objects,
    "hermes": hermes,
    "sharegpt": sharegpt,
    "anthropic": anthropic,
    "qwen xml": in_dialect("qwen_xml"),
    "mistral": in_dialect("mistral"),
    "pythonic": in_dialect("pythonic"),
    "llama 3.1": in_dialect("llama_json"),
    "preference": preference,
}


def first_exchange(example: Example) -> Example:
    """The request and the calls alone: all that xLAM's rows hold."""
    return example.model_copy(update={"messages": example.messages[:2]})


def xlam(example: Example) -> Row:
    """Salesforce's xLAM: a query, the tools, and the calls that answer it, all but the query as JSON text."""
    calls = [
        {"name": call.function.name, "arguments": call.function.arguments}
        for call in example.messages[1].tool_calls
    ]
    tools = [tool["function"] for tool in example.tools]
    return {"query": example.messages[0].content, "tools": json.dumps(tools), "answers": json.dumps(calls)}


def glaive(example: Example) -> Row:
    """Glaive's function-calling set: tools in the system text, the conversation as one text."""
    listed = "\n".join(json.dumps(tool["function"], indent=4) for tool in example.tools)
    parts: list[str] = []
    for message in example.messages:
        if message.tool_calls:
            written = " ".join(
                f'<functioncall> {{"name": "{call.function.name}", "arguments": '
                f"'{json.dumps(call.function.arguments)}'}}"
                for call in message.tool_calls
            )
            parts.append(f"ASSISTANT: {written} <|endoftext|>")
        elif message.role == "tool":
            parts.append(f"FUNCTION RESPONSE: {message.content}")
        elif message.role == "assistant":
            parts.append(f"ASSISTANT: {message.content} <|endoftext|>")
        else:
            parts.append(f"USER: {message.content}")
    system = f"SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n{listed}"
    return {"system": system, "chat": "\n\n\n".join(parts)}


def plain_chat(example: Example) -> Row:
    """No tool at all: the request and the last answer."""
    first, last = example.messages[0], example.messages[-1]
    return {"messages": [{"role": m.role, "content": m.content} for m in (first, last)]}
