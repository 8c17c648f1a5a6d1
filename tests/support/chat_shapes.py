"""One made-up row of each shape that is read, and a hostile assortment of rows, for tests and benchmarks."""

import json
from typing import Any

Row = dict[str, Any]
WEATHER = {
    "name": "weather",
    "description": "Looks out.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOOL = {"type": "function", "function": WEATHER}
CALL = {"name": "weather", "arguments": {"city": "Lima"}}
DATA_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lima"}'}}
TURNS: list[Row] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Is it warm?"},
    {"role": "assistant", "content": None, "reasoning_content": "I look.", "tool_calls": [DATA_CALL]},
    {"role": "tool", "content": "19", "tool_call_id": "c1", "name": "weather"},
    {"role": "assistant", "content": "Yes.", "weight": 1},
]
ASKED: list[Row] = TURNS[:2]
SHAREGPT = [
    {"from": "system", "value": "Be brief."},
    {"from": "human", "value": "Is it warm?"},
    {"from": "function_call", "value": json.dumps(CALL)},
    {"from": "observation", "value": "19"},
    {"from": "gpt", "value": "Yes."},
]
GOOD_ANSWER = {"role": "assistant", "content": "Yes, it is."}
BAD_ANSWER = {"role": "assistant", "content": "No."}
GLAIVE = (
    'USER: Is it warm?\n\n\nASSISTANT: <functioncall> {"name": "weather", "arguments": \'{"city": "Lima"}\'} '
    '<|endoftext|>\n\n\nFUNCTION RESPONSE: {"degrees": 19}\n\n\nASSISTANT: Yes. <|endoftext|>\n\n\n'
)
INST = (
    f"<s>[AVAILABLE_TOOLS] {json.dumps([TOOL])}[/AVAILABLE_TOOLS][INST] Is it warm? [/INST]"
    f"[TOOL_CALLS] {json.dumps([CALL])}</s>[TOOL_RESULTS] 19[/TOOL_RESULTS] Yes.</s>"
)
CHATML = "".join(
    f"<|im_start|>{who}\n{said}<|im_end|>\n" for who, said in (("user", "Is it warm?"), ("assistant", "Yes."))
)
DIALOGUE = "\n\nHuman: Is it warm?\n\nAssistant: {}"
BLOCKS = [
    {"role": "user", "content": [{"type": "text", "KEY": "Is it "}, {"type": "text", "KEY": "warm?"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "reasoning", "KEY": "I look."},
            {"type": "tool_call", "KEY": json.dumps(CALL)},
        ],
    },
    {"role": "tool", "content": [{"type": "text", "KEY": "19"}]},
    {"role": "assistant", "content": [{"type": "text", "KEY": "Yes."}]},
]
ANTHROPIC = [
    {"role": "user", "content": "Is it warm?"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "I look.", "signature": "s"},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Lima"}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "19"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
]


def _blocks(key: str) -> Any:
    return json.loads(json.dumps(BLOCKS).replace('"KEY"', f'"{key}"'))


# shape: (a row of it, the tools that it calls, in order)
ROWS: dict[str, tuple[Row, list[str]]] = {
    "messages": ({"messages": TURNS, "tools": [TOOL], "id": 7}, ["weather"]),
    "messages, function_call": (
        {
            "messages": [
                *ASKED,
                {"role": "assistant", "content": None, "function_call": DATA_CALL["function"]},
            ]
        },
        ["weather"],
    ),
    "messages as JSON text": ({"messages": json.dumps(TURNS), "tools": json.dumps([TOOL])}, ["weather"]),
    "blocks with text": ({"messages": _blocks("text")}, ["weather"]),
    "blocks with value": ({"messages": _blocks("value")}, ["weather"]),
    "blocks with content": ({"messages": _blocks("content")}, ["weather"]),
    "Anthropic's blocks": ({"messages": ANTHROPIC}, ["weather"]),
    "conversations (ShareGPT)": ({"conversations": SHAREGPT, "tools": json.dumps([WEATHER])}, ["weather"]),
    "prompt/completion": ({"prompt": "Is it warm?", "completion": "Yes.", "source": "s"}, []),
    "prompt/completion, messages": ({"prompt": ASKED, "completion": TURNS[2:], "tools": [TOOL]}, ["weather"]),
    "instruction/input/output": (
        {"instruction": "Answer.", "input": "Is it warm?", "output": "Yes.", "history": [["Hi", "Hello"]]},
        [],
    ),
    "xLAM": (
        {"id": 1, "query": "Is it warm?", "answers": json.dumps([CALL]), "tools": json.dumps([WEATHER])},
        ["weather"],
    ),
    "Glaive": ({"system": f"SYSTEM: You have -\n{json.dumps(WEATHER)}", "chat": GLAIVE}, ["weather"]),
    "ChatML text": ({"text": CHATML, "n": 1}, []),
    "[INST] text": ({"text": INST}, ["weather"]),
    "prompt/chosen/rejected": (
        {"prompt": "Is it warm?", "chosen": "Yes.", "rejected": "No.", "score_chosen": 9},
        [],
    ),
    "chosen/rejected, whole": (
        {"chosen": [*ASKED, GOOD_ANSWER], "rejected": [*ASKED, BAD_ANSWER], "margin": 0.5},
        [],
    ),
    "Human and Assistant, pairs": (
        {"chosen": DIALOGUE.format("Yes."), "rejected": DIALOGUE.format("No.")},
        [],
    ),
    "messages with chosen": ({"messages": ASKED, "chosen": GOOD_ANSWER, "rejected": BAD_ANSWER}, []),
    "messages with rejected": ({"messages": [*ASKED, GOOD_ANSWER], "rejected_response": "No."}, []),
    "LLaMA-Factory's ranking": (
        {
            "conversations": SHAREGPT[:2],
            "chosen": {"from": "gpt", "value": "Yes."},
            "rejected": {"from": "gpt", "value": "No."},
        },
        [],
    ),
    "LLaMA-Factory's older ranking": (
        {"instruction": "Is it warm?", "input": "", "output": ["Yes.", "No."]},
        [],
    ),
    "OpenAI's preferences": (
        {
            "input": {"messages": ASKED, "tools": [TOOL], "parallel_tool_calls": True},
            "preferred_output": [{"role": "assistant", "content": None, "tool_calls": [DATA_CALL]}],
            "non_preferred_output": [BAD_ANSWER],
        },
        ["weather"],
    ),
    "KTO, prompt/completion": ({"prompt": "Is it warm?", "completion": "Yes.", "label": True}, []),
    "KTO, conversations": ({"conversations": SHAREGPT, "kto_tag": True}, ["weather"]),
    "Arrow's nulls": (
        {
            "messages": [
                *ASKED,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"function": {"name": "weather", "arguments": {"city": "Lima", "symbol": None}}}
                    ],
                },
            ],
            "tools": [
                {
                    **WEATHER,
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}, "symbol": None},
                    },
                }
            ],
        },
        ["weather"],
    ),
}
