"""Arguments held against the whole JSON Schema of their tool, to any depth.

What is flat (names, what is required, plain types and enumerations at the top) SQL checks for every call, in
checks/call_arguments.sql; here are the schemas that say more. Nothing is fetched: a reference to another document is
not followed.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tunewright.contract.visible import cut

if TYPE_CHECKING:
    import duckdb

# Keywords that SQL does not look at: compositions, nested values, bounds.
_DEEP = (
    r'"(anyOf|oneOf|allOf|not|if|\$ref|items|prefixItems|minimum|maximum|exclusiveMinimum|exclusiveMaximum|multipleOf|'
    r'minLength|maxLength|pattern|minItems|maxItems|uniqueItems|const|dependentRequired|patternProperties|minProperties)"\s*:'
    r'|"type"\s*:\s*\[|"properties".*"properties"'
)
_CALLS = """
SELECT c.example, c.message, c.tool, c.arguments, s.parameters FROM calls c JOIN rows r USING (example)
JOIN (
    SELECT toolset, tool, arg_min(parameters, position) AS parameters FROM offered GROUP BY ALL
    HAVING regexp_matches(arg_min(parameters, position), $deep)
) s ON s.toolset = coalesce(r.toolset, 'catalog') AND s.tool = c.tool
-- What is computed, or has no name, cannot be held against anything.
WHERE c.error = '' AND NOT regexp_matches(c.arguments, '"(?:\\$expression|\\$\\d+|\\*\\*)"') ORDER BY ALL
"""
_PAGE = 5_000


def check_arguments(connection: "duckdb.DuckDBPyConnection") -> None:
    """Fill `schema_faults`."""
    from tunewright.audit.database import insert

    cursor = connection.cursor()
    cursor.execute(_CALLS, {"deep": _DEEP})
    known: dict[tuple[str, str], list[str]] = {}
    validators: dict[str, Any] = {}
    while rows := cursor.fetchmany(_PAGE):
        found: list[dict[str, Any]] = []
        for example, message, tool, arguments, parameters in rows:
            key = parameters, arguments
            if key not in known:
                if parameters not in validators:
                    validators[parameters] = _validator(json.loads(parameters))
                known[key] = list(_faults(validators[parameters], json.loads(arguments)))
            found += [
                {"example": example, "message": message, "tool": tool, "fault": fault} for fault in known[key]
            ]
        structure = '{"example":"BIGINT","message":"INTEGER","tool":"VARCHAR","fault":"VARCHAR"}'
        insert(connection, "schema_faults", structure, found)


def _validator(schema: Any) -> Any:
    """A validator of a tool's parameters; None where they are not a schema."""
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return None
    return Draft202012Validator(schema, registry=Registry())


def _faults(validator: Any, arguments: Any) -> Iterator[str]:
    """What is wrong with the arguments beyond what SQL finds, each in a few words."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    if validator is None:
        return
    try:
        for error in validator.iter_errors(arguments):
            path, value = list(error.absolute_path), error.instance
            if _seen_by_sql(error, path):
                continue
            inner = best_match(error.context) if error.context and len(error.context) == 1 else None
            yield f"{_place(path)} {_reason(inner or error, value)}"
    except (Unresolvable, RecursionError, TypeError, ValueError):
        return  # a schema that refers to what is not here, or to itself without end


def _seen_by_sql(error: Any, path: list[Any]) -> bool:
    if not path:
        return error.validator in ("required", "additionalProperties")
    # SQL takes null for an argument that is left out, for such is how many write it.
    flat = len(path) == 1 and isinstance(error.validator_value, str) and error.validator == "type"
    return flat or (len(path) == 1 and error.validator == "enum")


def _place(path: list[Any]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the whole"


_TYPES = {
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "list": "an array",
    "dict": "an object",
}


def _reason(error: Any, value: Any) -> str:
    kind = _TYPES.get(type(value).__name__, "null")
    wanted = error.validator_value
    if error.validator == "type":
        return f"should be {' or '.join(wanted) if isinstance(wanted, list) else wanted}, it is {kind}"
    if error.validator == "required":
        missing = [name for name in wanted if isinstance(value, Mapping) and name not in value]
        return f"lacks {', '.join(map(str, missing))}"
    if error.validator in ("anyOf", "oneOf"):
        kinds = [option.get("type") for option in wanted if isinstance(option, Mapping)]
        if len(kinds) == len(wanted) and all(isinstance(name, str) for name in kinds):
            return f"should be {' or '.join(map(str, kinds))}, it is {kind}"
        return (
            f"fits none of the {len(wanted)} forms that are allowed"
            if error.context
            else "fits several forms"
        )
    return f"breaks {error.validator} = {cut(json.dumps(wanted, ensure_ascii=False), 60)}"
