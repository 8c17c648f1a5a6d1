"""What an audit says next to a finding about structure: what a probe of the same data showed, or the command for one."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tunewright.audit.findings import Finding
from tunewright.contract.visible import one_line

# Which part of the structure a probe changes, by check or by the audit's feature.
_PARTS = {
    "coverage.system_message": "has_system",
    "coverage.multi_turn": "earlier_turns",
    "coverage.preamble": "has_preamble",
    "shortcut.tool_position": "tool_order",
    "system_length": "system_text",
    "system_words": "system_text",
    "preamble_text": "has_preamble",
    "roles_before": "earlier_turns",
    "messages_before": "earlier_turns",
}


def about_structure(finding: Finding) -> bool:
    """Whether a finding is about structure that a model could take for the request."""
    return finding.check.startswith(("shortcut.", "coverage.")) and finding.severity != "info"


def probe_lines(finding: Finding, data: Sequence[str], probes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for one finding: of each probe, or how to make one; none for a finding that is not about structure."""
    if not about_structure(finding):
        return []
    if not probes:
        flags = " ".join(f"--data {shlex.quote(path)}" for path in data)
        return [f"Is it the cause? Train a small model and see, in about three minutes: ./inv probe {flags}"]
    part = _PARTS.get(finding.check) or _PARTS.get(finding.feature or "") or finding.feature
    return [_said(probe, part) for probe in probes]


def _said(probe: Mapping[str, Any], part: str | None) -> str:
    model = one_line(str(probe["model"]), 60)
    flip = next((flip for flip in probe["flips"] if flip["feature"] == part), None)
    if flip is None or probe["verdict"] == "inconclusive":
        return f"Probe ({model}): {one_line(str(probe['reason']), 300)}"
    decides = "it is the cause" if part in probe["decides"] else "it does not decide the tool"
    return (
        f"Probe ({model}): {decides}: changed alone, it changed the tool in {flip['changed']:.0%} of {flip['n']} requests "
        f"({flip['low']:.0%} to {flip['high']:.0%}), where a polite word changed {probe['control']['changed']:.0%}"
    )
