"""Pieces of source text and of sentences that generated conversations are put together from."""

from __future__ import annotations

from random import Random

from tunewright.train.tiny.invented_tools import Tool, Value


def literal(value: Value) -> str:
    """The value as Python source, strings in double quotes."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def call(rng: Random, tool: Tool, arguments: list[Value], first: str | None = None) -> str:
    """The call's source; `first` replaces the first argument by an expression."""
    sources = [literal(value) for value in arguments]
    if first is not None:
        sources[0] = first
    if len(sources) <= 3 and rng.random() < 0.08:
        sources = [f"{p.name}={source}" for p, source in zip(tool.parameters, sources, strict=True)]
    return f"{tool.name}({', '.join(sources)})"


def spaced(name: str) -> str:
    """A field's name as a person would write it."""
    return name.replace("_", " ")


def joined(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def indented(block: str, by: int = 4) -> str:
    """Every line moved to the right by `by` spaces."""
    return "\n".join(" " * by + line for line in block.splitlines())


def guarded(rng: Random, tool: Tool, block: str, missing: str) -> str:
    """The block under `if result.success:`, with an else-branch more often than not."""
    text = f"if result.{tool.flag}:\n{indented(block)}"
    if rng.random() < 0.75:
        text += f'\nelse:\n    print("{missing}")'
    return text
