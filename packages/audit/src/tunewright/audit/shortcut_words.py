"""A shortcut in plain words, and the numbers behind them."""

from tunewright.audit.features import Feature
from tunewright.audit.shortcuts import Shortcut

NO_CALL = "(none)"  # the label of a first answer that calls nothing


def in_words(shortcut: Shortcut, feature: Feature) -> str:
    """The finding as a sentence that needs no statistics to be understood."""
    what = feature.noun
    if shortcut.value not in ("yes", "no"):
        what += f" ({feature.name} = {_short(shortcut.value)})"
    if shortcut.value == "no":
        what = f"no {feature.noun.removeprefix('a ')}"
    classes = _class_names(shortcut)
    inside, outside = shortcut.in_classes, shortcut.elsewhere
    others = (
        "all others do"
        if outside == 1
        else "no other does"
        if outside == 0
        else f"{outside:.0%} of the others do"
    )
    if inside == 0:
        text = f"No {classes} example has {what}; {others}"
    elif inside == 1:
        text = f"Every {classes} example has {what}; {others}"
    else:
        text = f"{inside:.0%} of the {classes} examples have {what}; {others}"
    if feature.timing == "before":
        return f"{text}: a model can learn that instead of the request"
    return text


def evidence(shortcut: Shortcut) -> str:
    """The numbers behind the sentence."""
    return (
        f"by this alone {shortcut.accuracy:.0%} of the {shortcut.label} labels can be guessed, by the majority "
        f"{shortcut.majority:.0%}; it tells {shortcut.entropy:.0%} of their entropy; exact test q = {shortcut.q:.1g}"
        + (f", clusters permuted p = {shortcut.p:.1g}" if shortcut.p else "")
    )


def _short(value: str) -> str:
    return value if len(value) <= 40 else value[:37] + "…"


def _class_names(shortcut: Shortcut) -> str:
    names: list[str] = []
    for name in shortcut.classes:
        if name == NO_CALL:
            names.append("direct-answer")
        elif shortcut.label == "calls":
            names.append(f"{name}-call")
        else:
            names.append(name)
    return "/".join(names) if len(names) <= 5 else "/".join(names[:5]) + f" (and {len(names) - 5} more)"
