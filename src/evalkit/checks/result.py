"""What a check hands back: a three-way verdict, the number behind it and the reason in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.errors import must_be_one_of

VERDICTS = ("pass", "caution", "fail")


@dataclass(frozen=True)
class CheckResult:
    """One check. verdict: pass, caution or fail. value: the number judged, None where it could not be had."""

    name: str
    verdict: str
    value: float | None
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        must_be_one_of("A check's verdict", self.verdict, VERDICTS)

    def to_dict(self) -> dict[str, Any]:
        """The entry of results.json."""
        number = None if self.value is None or self.value != self.value else float(self.value)
        return {"name": self.name, "verdict": self.verdict, "value": number, "text": self.text}


def not_run(name: str, why: str) -> CheckResult:
    """A check that could not be made is a caution, never a silent pass."""
    return CheckResult(name, "caution", None, f"Could not be checked: {why}")
