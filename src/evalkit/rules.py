"""Every definition and threshold a number depends on, in one frozen record that each report prints."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any

from evalkit.errors import UserError, nearest

UNITS_PER_DAY = 120_000
"""Days are counted in integers of 1/120,000 day: twelfths and four decimals are both exact."""

_THIRDS = {Decimal("0.33"): UNITS_PER_DAY // 3, Decimal("0.67"): 2 * UNITS_PER_DAY // 3,
           Decimal("0.333"): UNITS_PER_DAY // 3, Decimal("0.667"): 2 * UNITS_PER_DAY // 3}


def to_units(days: str | int | float | Decimal, *, thirds: bool = True) -> int:
    """Days as exact integer units; with `thirds`, 0.33 and 0.67 of a day mean one and two thirds (Ed-Fi's wording)."""
    number = Decimal(str(days))
    if thirds and number in _THIRDS:
        return _THIRDS[number]
    return int((number * UNITS_PER_DAY).to_integral_value())


@dataclass(frozen=True)
class Rules:
    """The definitions in force. Shares are 0-1, days are school days, bands are lower edges of the share missed."""

    preset: str = "attendance_works"
    threshold: float = 0.10
    inclusive: bool = True
    min_days_enrolled: int = 0
    min_days_present: int = 0
    unit: str = "day"
    tardy_counts: float = 0.0
    oss_counts: bool = True
    iss_counts: bool = False
    homebound: str = "exclude"
    level: str = "student"
    early_warning: tuple[str, ...] = ("W2", "M1", "M2", "2m")
    bands: tuple[float, ...] = (0.05, 0.10, 0.20, 0.50)
    crossing_min_days: int = 20
    complete_through: str = ""
    provisional_days: int = 10
    stale_after: int = 5
    max_set_aside: float = 0.05
    period_rollup: str = "half_of_minutes"
    homeroom_period: str = ""
    periods_in_day: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For results.json and the manifest: plain values in the order above."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


CHOICES: dict[str, tuple[str, ...]] = {
    "unit": ("day", "full_day", "half_day", "minutes", "sessions"),
    "homebound": ("exclude", "include"),
    "level": ("student", "student_school"),
    "period_rollup": ("half_of_minutes", "half_day_bands", "homeroom"),
}

PRESETS: dict[str, Rules] = {
    "attendance_works": Rules(),
    "edfacts": Rules(preset="edfacts", min_days_enrolled=10, unit="half_day", level="student_school"),
    "edfi_edu_wh": Rules(preset="edfi_edu_wh", min_days_enrolled=20),
    "california": Rules(preset="california", min_days_enrolled=31),
    "nyc_days": Rules(preset="nyc_days", min_days_enrolled=20),
}


def make_rules(settings: Mapping[str, Any], *, file: str = "study.toml") -> Rules:
    """The `[rules]` of a study: a preset and its overrides. Unknown keys and impossible values are refused."""
    preset = settings.get("preset", "attendance_works")
    if preset not in PRESETS:
        raise UserError(f'[rules] preset is "{preset}", which evalkit does not know.', file=file,
                        remedy=f"Use one of: {', '.join(PRESETS)}.")
    known = {field.name: field for field in fields(Rules)}
    changes = {key: value for key, value in settings.items() if key != "preset"}
    for key, value in changes.items():
        if key not in known:
            near = nearest(key, known)
            raise UserError(f'[rules] has a key "{key}" that evalkit does not know.', file=file,
                            remedy=f'Did you mean "{near}"?' if near else f"Use one of: {', '.join(known)}.")
        changes[key] = _checked(key, value, getattr(PRESETS[preset], key), file)
    return _fitting(replace(PRESETS[preset], **changes), file)


def _fitting(rules: Rules, file: str) -> Rules:
    """The rules, refused where two settings do not go together."""
    if (rules.period_rollup == "homeroom") != bool(rules.homeroom_period):
        raise UserError("[rules] period_rollup and homeroom_period do not go together.", file=file,
                        remedy='For the homeroom rule write both: period_rollup = "homeroom" and homeroom_period = '
                               '"HR" (the period\'s name in your file). Otherwise leave homeroom_period out.')
    if rules.periods_in_day and rules.period_rollup == "homeroom":
        raise UserError("[rules] periods_in_day does nothing under the homeroom rule.", file=file,
                        remedy="Remove periods_in_day, or choose another period_rollup.")
    return rules


def _checked(key: str, value: Any, default: Any, file: str) -> Any:
    """One setting with its type and range checked."""
    if key == "complete_through":
        return _day(value, file)
    if isinstance(default, tuple):
        value = tuple(value) if isinstance(value, list | tuple) else value
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    wrong_type = not isinstance(value, type(default)) or (isinstance(value, bool) != isinstance(default, bool))
    if wrong_type or (key in CHOICES and value not in CHOICES[key]) or not _in_range(key, value):
        wanted = f"one of {', '.join(CHOICES[key])}" if key in CHOICES else f"a value like {_in_toml(default)}"
        raise UserError(f"[rules] {key} has a value evalkit cannot use.", file=file, remedy=f"Write {wanted}.")
    return value


def _day(value: Any, file: str) -> str:
    """A date as YYYY-MM-DD, whether written with quotes or without; blank is none."""
    try:
        if value == "" or type(value) is dt.date:
            return str(value)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            return dt.date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        pass
    raise UserError("[rules] complete_through is not a date evalkit can read.", file=file,
                    remedy="Write complete_through = 2026-05-29 (year, month, day).")


def _in_toml(default: Any) -> str:
    """A value as it is written in study.toml."""
    plain = list(default) if isinstance(default, tuple) else default
    return json.dumps(plain)


def _in_range(key: str, value: Any) -> bool:
    if key == "threshold":
        return 0 < value < 1
    if key in ("max_set_aside", "tardy_counts"):
        return 0 <= value <= 1
    if key == "early_warning":
        return all(flag in ("W2", "M1", "M2", "2m") for flag in value)
    if key == "bands":
        return len(value) == 4 and all(isinstance(v, float) for v in value) and all(
            a < b for a, b in zip((0, *value), (*value, 1), strict=True))
    return not isinstance(value, int) or isinstance(value, bool) or value >= 0
