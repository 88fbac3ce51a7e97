"""The published figures a made district is built from, and the presets that fit them. Numbers only.

Sources: New York City daily files 2013-17 (weekday and month ratios), New York City 2018-19 by grade, North Carolina
three-year panels (Swiderski, Fuller & Bastian 2025) for persistence, Whitney & Liu for the excused share. Where no
figure was found the value is an assumption and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DAYS_PER_YEAR = 180
LEVELS = ("elementary", "middle", "high")
GRADES = ("KG", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12")
LEVEL_GRADES = {"elementary": range(0, 6), "middle": range(6, 9), "high": range(9, 13)}

MEAN_ABSENCE_BY_GRADE = (8.5, 7.3, 6.8, 6.4, 6.1, 6.0, 6.0, 6.2, 7.3, 11.9, 12.1, 10.7, 14.3)
"""New York City 2018-19, percent of days missed, KG to 12."""

WEEKDAY_RATIO = (1.057, 0.964, 0.948, 0.959, 1.076)
"""Absence on Monday to Friday against the mean day (634 New York City school days)."""

MONTH_RATIO = {
    8: 0.958,
    9: 0.958,
    10: 0.838,
    11: 0.898,
    12: 0.986,
    1: 1.067,
    2: 1.147,
    3: 0.979,
    4: 0.882,
    5: 0.990,
    6: 1.280,
}
"""Absence by month against the mean day; August is taken as September (assumption)."""

HOUSEHOLD_SHARE = 0.35
"""Share of the lasting differences that siblings have in common (assumption: no published correlation was found)."""

EXCUSED_SHARE = 0.45
UNKNOWN_REASON_SHARE = 0.25

HOUSEHOLD_SIZES, HOUSEHOLD_WEIGHTS = (1, 2, 3, 4), (0.50, 0.33, 0.13, 0.04)


@dataclass(frozen=True)
class Preset:
    """p = logistic(mu + a + b): lasting (sd_a) and yearly (sd_b) differences on the logit scale; `stickiness` is the
    pull of yesterday's absence in the two-state chain."""

    mu: float
    sd_a: float
    sd_b: float
    stickiness: float
    levels: tuple[str, ...]


_MIXED = ("elementary", "middle", "high", "elementary", "elementary", "middle")
PRESETS: Mapping[str, Preset] = {
    "pre": Preset(-3.55, 0.85, 0.50, 0.20, _MIXED),
    "post": Preset(-3.00, 0.90, 0.40, 0.20, _MIXED),
    "elementary": Preset(-3.05, 0.75, 0.50, 0.25, ("elementary",)),
    "high_school": Preset(-2.85, 1.35, 0.55, 0.30, ("high",)),
}

PROFILES = ("constant", "growing", "fading")
PATTERNS = (
    "asthma_zip",
    "monday_friday_grade",
    "bus_route",
    "siblings",
    "skip_first_period",
    "half_day_child_care",
    "decoy",
)

RACES = ("HispanicLatino", "Black", "White", "Asian", "TwoOrMore", "AmericanIndian", "PacificIslander")
RACE_WEIGHTS = (0.34, 0.24, 0.27, 0.08, 0.05, 0.01, 0.01)
GROUP_LOGIT = {
    "econ_disadvantaged": 0.45,
    "disability_idea": 0.35,
    "homeless": 0.70,
    "foster": 0.40,
    "english_learner": 0.08,
}

# code: description, status, counts_absent, is_tardy, is_excused, is_suspension, pattern
CODES: Mapping[str, tuple[str, str, float, bool, bool, bool, str]] = {
    "EI": ("Excused: illness", "ExcusedAbsence", 1, False, True, False, "health_physical"),
    "EM": ("Excused: medical appointment", "ExcusedAbsence", 1, False, True, False, "health_appointment"),
    "EF": ("Excused: family emergency", "ExcusedAbsence", 1, False, True, False, "family_care"),
    "ER": ("Excused: religious day", "ExcusedAbsence", 1, False, True, False, "religious"),
    "EX": ("Excused, no reason recorded", "ExcusedAbsence", 1, False, True, False, "no_reason"),
    "HE": ("Excused, half day: appointment", "ExcusedAbsence", 0.5, False, True, False, "health_appointment"),
    "UT": ("Unexcused: no way to get to school", "UnexcusedAbsence", 1, False, False, False, "transportation"),
    "UV": ("Unexcused: trip", "UnexcusedAbsence", 1, False, False, False, "vacation_travel"),
    "UC": ("Unexcused: caring for a child at home", "UnexcusedAbsence", 1, False, False, False, "child_care"),
    "US": ("Unexcused: stayed out", "UnexcusedAbsence", 1, False, False, False, "skipping"),
    "UX": ("Unexcused, no reason recorded", "UnexcusedAbsence", 1, False, False, False, "no_reason"),
    "UN": ("Not yet verified", "Unverified", 1, False, False, False, "no_reason"),
    "HU": ("Unexcused, half day", "UnexcusedAbsence", 0.5, False, False, False, "no_reason"),
    "SO": ("Out-of-school suspension", "UnexcusedAbsence", 1, False, False, True, "suspension"),
    "SI": ("In-school suspension", "Present", 0, False, False, True, "suspension"),
    "T": ("Tardy", "Tardy", 0, True, False, False, ""),
    "FT": ("Field trip", "Present", 0, False, True, False, "school_activity"),
    "CC": ("Missed a class period", "Present", 0, False, False, False, "skipping"),
}
CODE_NAMES = tuple(CODES)
UNKNOWN_CODES, UNKNOWN_WEIGHTS = ("EX", "UX", "UN"), (0.24, 0.64, 0.12)
KNOWN_WEIGHTS = {
    "elementary": {
        "EI": 37,
        "EM": 9,
        "EF": 7,
        "ER": 2,
        "HE": 5,
        "UT": 14,
        "UV": 13,
        "UC": 9,
        "US": 1,
        "HU": 2,
        "SO": 1,
    },
    "middle": {"EI": 34, "EM": 8, "EF": 6, "ER": 2, "HE": 5, "UT": 14, "UV": 9, "UC": 7, "US": 11, "HU": 2, "SO": 2},
    "high": {"EI": 29, "EM": 8, "EF": 6, "ER": 1, "HE": 4, "UT": 12, "UV": 6, "UC": 7, "US": 23, "HU": 2, "SO": 2},
}

# pattern: (weight in elementary, middle, high, code that records it or "")
BARRIERS: Mapping[str, tuple[float, float, float, str]] = {
    "health_physical": (24, 16, 12, "EI"),
    "health_appointment": (5, 4, 4, "EM"),
    "mental_health": (3, 8, 10, ""),
    "transportation": (14, 12, 12, "UT"),
    "child_care": (9, 6, 6, "UC"),
    "family_care": (9, 8, 8, "EF"),
    "housing": (6, 5, 5, ""),
    "food": (3, 3, 2, ""),
    "clothing_hygiene": (3, 3, 2, ""),
    "student_work": (0, 0, 8, ""),
    "safety_community": (3, 4, 4, ""),
    "bullying": (3, 8, 4, ""),
    "school_anxiety": (5, 6, 4, ""),
    "bored_no_purpose": (1, 5, 8, ""),
    "skipping": (0, 4, 8, "US"),
    "vacation_travel": (9, 5, 3, "UV"),
    "early_grades_optional": (3, 0, 0, ""),
}


@dataclass(frozen=True)
class Options:
    """Everything `simulate_district` was asked for."""

    n_students: int
    n_schools: int
    effect_days: float
    seed: int
    preset: str = "post"
    school_year: int = 2026
    mentored_share: float = 0.10
    effect_by_band: Mapping[str, float] = field(default_factory=dict)
    effect_profile: str = "constant"
    spillover: float = 0.0
    planted: tuple[str, ...] = ()
    alike: bool = False
    hidden_selection: float = 0.0
    late_referrals: float = 0.1
    history: bool = True
    records: bool = True
    dirty: bool = False
