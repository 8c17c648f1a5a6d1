"""What a base model is told about tools: a program of it is one that can be run."""

from tunewright.chat.calls.code_mode import parse_turn
from tunewright.chat.instructions import instructions
from tunewright.contract.catalog import load_catalog


def test_every_tool_is_listed_and_the_example_is_a_valid_program() -> None:
    catalog = load_catalog("coding")

    text = instructions(catalog)

    assert all(f"- {tool.signature()}" in text for tool in catalog.tools)
    (program,) = parse_turn(text).programs
    assert any(f"{name}(" in program for name in catalog.tool_names)


def test_a_catalog_of_one_tool_without_known_result_fields() -> None:
    catalog = load_catalog("coding").only("run_command")
    bare = catalog.model_copy(update={"tools": (catalog.tools[0].model_copy(update={"result": {}}),)})

    (program,) = parse_turn(instructions(bare)).programs

    assert program.strip() == 'result = run_command("README.md")\nprint(result)'
