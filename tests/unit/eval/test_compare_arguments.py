"""Arguments compared by type: what counts as the same, and what does not."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tunewright.eval.compare_arguments import compare_arguments, resolved
from tunewright.eval.same_text import LONG, same_text

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
ARGUMENTS = st.dictionaries(st.text(min_size=1, max_size=8), VALUES, max_size=4)


def same(expected: Any, actual: Any, schema: dict[str, Any] | None = None, **options: bool) -> bool:
    properties = {"type": "object", "properties": {"x": schema or {}}}
    return compare_arguments({"x": expected}, {"x": actual}, properties, **options).same


@given(ARGUMENTS)
def test_everything_is_the_same_as_itself(arguments: dict[str, Any]) -> None:
    compared = compare_arguments(arguments, copy.deepcopy(arguments), {})
    assert compared.same
    assert not compared.loose


@given(ARGUMENTS, st.text(min_size=1, max_size=8), VALUES)
def test_an_argument_too_many_or_too_few_is_told_by_its_name(
    arguments: dict[str, Any], name: str, value: Any
) -> None:
    assume(name not in arguments and value is not None)
    more = {**arguments, name: value}
    for expected, actual in ((arguments, more), (more, arguments)):
        (difference,) = compare_arguments(expected, actual, {}).differences
        assert difference.path == name


@given(VALUES, st.lists(st.integers(0, 3) | st.sampled_from(["a", "b"]), min_size=1, max_size=40))
def test_a_difference_at_any_depth_is_found_and_named(value: Any, way: list[Any]) -> None:
    def nested(inner: Any) -> Any:
        for step in reversed(way):
            inner = {step: inner} if isinstance(step, str) else [inner]
        return inner

    assert same(nested(value), nested(value))
    (difference,) = compare_arguments(
        {"x": nested(value)}, {"x": nested({"other": 1, "than": value})}, {}
    ).differences[:1]
    assert difference.path.startswith("x")
    assert difference.path.count(".") + difference.path.count("[") >= len(way)


@given(st.integers(-(2**53), 2**53))
def test_numbers_are_compared_by_value_and_never_with_texts_or_booleans(number: int) -> None:
    assert same(number, float(number))
    assert not same(number, number + 1)
    assert not same(number, str(number))
    assert not same(number, bool(number))
    assert not same(10**400, float(number))


@given(st.lists(st.integers(), min_size=2, max_size=5, unique=True))
def test_lists_keep_their_order_unless_the_schema_calls_them_sets(items: list[int]) -> None:
    assert not same(items, items[::-1])
    unique = {"type": "array", "uniqueItems": True}
    assert same(items, items[::-1], unique)
    assert not same(items, items[:-1], unique)
    assert not same(items, [*items[:-1], items[0]], unique)


def test_defaults_may_be_said_or_left_out_at_any_depth() -> None:
    inner = {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}}
    schema = {"type": "object", "properties": {"x": inner, "y": {"default": "a"}}, "required": ["x"]}
    assert compare_arguments({"x": {"n": 3}}, {"x": {}, "y": "a"}, schema).same
    assert not compare_arguments({"x": {"n": 4}}, {"x": {}}, schema).same
    assert not compare_arguments({"x": {}}, {"x": {"n": 4}}, schema).same
    assert not compare_arguments({"x": {}}, {"x": {}, "y": "b"}, schema).same
    assert compare_arguments({"x": {}}, {"x": {}, "y": None}, schema).same
    assert not compare_arguments({}, {"x": None}, schema).same


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("src/a.py", "./src//a.py"),
        ("https://example.org/a", "HTTPS://Example.org/a/"),
        ("2027-01-05", "January 5, 2027"),
        ("2027-01-05", "2027/1/5"),
        ("14:30", "2:30 PM"),
        ("2027-01-05T10:00:00Z", "2027-01-05T10:00:00+00:00"),
        ("New York, NY", "new york NY"),
        ("it’s “fine”", 'It\'s "fine".'),
        ("café", "cafe\u0301"),
        ("Paris", '"paris"'),
    ],
)
def test_texts_that_say_the_same(expected: str, actual: str) -> None:
    assert same_text(expected, actual, {}) == "same"
    assert same_text(actual, expected, {}) == "same"


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("UserService", "userservice"),
        ("user_id", "USER_ID"),
        ("src/a.py", "src/A.py"),
        ("src/a.py", "a.py"),
        ("2027-01-05", "2027-05-01"),
        ("2027-01-05T10:00:00Z", "2027-01-05T10:00:00"),
        ("14:30", "2:30 AM"),
        ("-5", "5"),
        ("C++", "C"),
        ("a > 5", "a < 5"),
        ("", "a"),
        ("a", ""),
    ],
)
def test_texts_that_do_not(expected: str, actual: str) -> None:
    assert same_text(expected, actual, {}) is None


def test_enums_patterns_and_formats_ask_for_the_very_same() -> None:
    assert same_text("celsius", "Celsius", {}) == "same"
    assert same_text("celsius", "Celsius", {"enum": ["celsius"]}) is None
    assert same_text("ab", "AB", {"pattern": "[a-z]+"}) is None
    assert same_text("2027-01-05", "January 5, 2027", {"format": "date"}) is None
    assert same_text("2027-01-05T10:00:00Z", "2027-01-05T10:00:00+00:00", {"format": "date-time"}) == "same"


LETTER = (
    "Please tell the team in Lisbon that invoice 4711 over 1,250.00 euro has been paid on Monday and that the "
    "parcel will arrive with the usual carrier."
)


def test_long_texts_are_near_present_or_wrong_and_told_apart() -> None:
    assert len(LETTER) > LONG
    assert same_text(LETTER, LETTER.replace("parcel", "package"), {}) == "near"
    about = (
        "Tell the Lisbon team invoice 4711 over 1250.00 euro was paid; the parcel arrives with our carrier."
    )
    assert same_text(LETTER, about, {}) == "present"
    for wrong in (
        LETTER.replace("4711", "4712"),
        "the team the team the team the team the team the team",
        "4711 1250.00",
        "",
        "x" * 200,
        LETTER * 5,
        "… " * 60,
    ):
        assert same_text(LETTER, wrong, {}) is None, wrong
    compared = compare_arguments({"m": {"body": LETTER}}, {"m": {"body": about}}, {})
    assert compared.loose == (("m.body", "present"),)


@given(st.integers() | st.booleans() | st.none(), st.text(max_size=20))
def test_bare_text_is_read_by_the_right_values_type(value: Any, text: str) -> None:
    assert same(str(value).lower(), value) is False
    if value is not None:
        assert same(str(value).lower(), value, untyped=True)
        assert not same(str(value).lower() + text + "x", value, untyped=True)


def test_references_and_alternatives_are_followed_and_end() -> None:
    root: dict[str, Any] = {
        "$defs": {"n": {"type": "integer", "default": 2}, "loop": {"anyOf": [{"$ref": "#/$defs/loop"}]}},
        "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#/$defs/loop"}, "c": {"$ref": "#/nowhere"}},
    }
    assert compare_arguments({"b": 1, "c": "x"}, {"a": 2, "b": 1, "c": "X"}, root).same
    optional = {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}]}
    assert resolved(optional, {})["enum"] == ["a", "b"]
    assert not same("a", "A", optional)
    assert same("a", "A", {"anyOf": [{"enum": ["b"]}, {"type": "string"}]})
