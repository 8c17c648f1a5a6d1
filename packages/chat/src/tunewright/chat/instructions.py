"""What a model that was never trained on some tools is told about them: what there is, and how a call is written."""

from tunewright.chat.calls.code_mode import render_program
from tunewright.contract.catalog import Catalog, Tool, is_list

_LITERALS = {"str": '"README.md"', "int": "1", "float": "1.0", "bool": "True"}


def instructions(catalog: Catalog, *, listed: bool = False) -> str:
    """A text for the end of the system message: every tool with its fields, unless they are `listed` there, the form of a
    program, and an example.

    The example makes one call, of the tool that takes the fewest arguments.
    """
    example = min(catalog.tools, key=lambda tool: sum(p.required for p in tool.parameters))
    return (
        ("" if listed else f"Tools:\n{catalog.listing()}\n\n")
        + "To use tools, answer with a Python program that calls them and prints what was asked for, in this form:\n\n"
        f"{render_program(_program(example))}\n\n"
        "Where no tool is needed, answer in words."
    )


def _program(tool: Tool) -> str:
    arguments = [_LITERALS.get(p.type.removesuffix(" | None"), "[]") for p in tool.parameters if p.required]
    field = next((name for name, annotation in tool.result.items() if not is_list(annotation)), "")
    return f"result = {tool.name}({', '.join(arguments)})\nprint(result{'.' + field if field else ''})"
