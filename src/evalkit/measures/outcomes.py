"""Outcomes of attendance that a plan may name: one row each, with all that pages, checks and files say of it.

Each is one number a student over the follow-up window, from its start to the end of its set's window, counted day by
day under the study's own rules. Measures that are no number of a student are refused, with what to name instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.measures.bands import CHRONIC_BANDS, band, is_chronic
from evalkit.measures.windows import MOMENTUM_DAYS, PULSE_DAYS, change_at_end, last_days_missed, longest_run
from evalkit.panel import DayBook, open_days

DOMAIN = "attendance"
SHARE, FLAG, DAYS, CHANGE = "share", "flag", "days", "change"
Count = Callable[[Any, pd.DataFrame, DayBook], Any]
"""(study, rows of `window_panel`, day book) -> one value a row."""


@dataclass(frozen=True)
class Outcome:
    """kind: share (0-1), flag (yes or no), days, change (of a share). better: -1 where less of it is better, else 1.

    label: at the head of a row. head: at the head of a sentence, in the plural. meaning: what a column of it holds.
    count: how it is counted in windows. who: of a flag, what those with it did. in_school: days more in school for one
    unit of it (-1 for days missed), 0 where it cannot be told in such days. adds_up: days that add up, so that a rate
    per day enrolled (Poisson) has a meaning. always: everybody who was followed has it. edge: a band's lower edge (its
    place and value) that the words name. seen_in: the column of the panel in which somebody must have some, for days
    that are only known where codes carry the `mark`.
    """

    name: str
    kind: str
    better: int
    label: str
    head: str
    meaning: str
    count: Count
    who: str = ""
    in_school: int = 0
    adds_up: bool = False
    always: bool = True
    edge: tuple[int, float] | None = None
    seen_in: str = ""
    mark: str = ""

    @property
    def unit(self) -> str:
        """The unit of an estimate of it: share (0-1) or days."""
        return "days" if self.kind == DAYS else "share"

    def in_a_sentence(self) -> str:
        """Its label inside a sentence."""
        return self.label[:1].lower() + self.label[1:]


def _days(name: str) -> Count:
    """Units of the panel as days of the study's usual length."""
    return lambda study, rows, book: rows[name].astype("float64") / book.day_units


def _in_bands(*wanted: str) -> Count:
    def count(study: Any, rows: pd.DataFrame, book: DayBook) -> pd.Series:
        found = band(rows, rules=study.rules)
        return found.isin(wanted).astype("boolean").mask(found.isna())
    return count


def _column(name: str) -> Count:
    return lambda study, rows, book: rows[name].astype("float64")


_ROWS = (
    Outcome("absence_rate", SHARE, -1, "Share of days missed", "Shares of days missed", "Days absent of days enrolled",
            _column("absence_rate"), in_school=-1, adds_up=True),
    Outcome("is_chronic", FLAG, -1, "Missing 10% or more", "Shares who missed 10% or more",
            "Missed 10% or more of the days enrolled", lambda study, rows, book: is_chronic(rows, rules=study.rules),
            who="missed 10% or more", always=False),
    Outcome("absent_days", DAYS, -1, "Days missed", "Days missed", "Days absent", _column("absent_days"), in_school=-1,
            adds_up=True),
    Outcome("ada", SHARE, 1, "Share of days in school", "Shares of days in school",
            "Days present of days enrolled (each student's own attendance rate)",
            lambda study, rows, book: 1 - rows["absence_rate"].astype("float64"), in_school=1),
    Outcome("is_severe", FLAG, -1, "Missing 20% or more", "Shares who missed 20% or more",
            "Missed 20% or more of the days enrolled", _in_bands(*CHRONIC_BANDS[1:]), who="missed 20% or more",
            always=False, edge=(2, 0.20)),
    Outcome("is_satisfactory", FLAG, 1, "Missing under 5%", "Shares who missed under 5%",
            "Missed under 5% of the days enrolled", _in_bands("satisfactory"), who="missed under 5%", always=False,
            edge=(0, 0.05)),
    Outcome("streaks", DAYS, -1, "Longest run of days missed", "Longest runs of days missed",
            "Most whole school days absent one after another",
            lambda study, rows, book: longest_run(study, rows, book=book).astype("float64")),
    Outcome("recent_window", DAYS, -1, f"Days missed in the last {PULSE_DAYS} school days",
            f"Days missed in the last {PULSE_DAYS} school days",
            f"Days absent in the school's last {PULSE_DAYS} school days of the window, for those enrolled at its end",
            lambda study, rows, book: last_days_missed(study, rows, book=book), always=False),
    Outcome("momentum", CHANGE, -1, f"Change in the share of days missed, last {MOMENTUM_DAYS} school days",
            f"Changes in the share of days missed (the last {MOMENTUM_DAYS} school days less the {MOMENTUM_DAYS} "
            "before)",
            f"Share of days absent in the school's last {MOMENTUM_DAYS} school days of the window less that of the "
            f"{MOMENTUM_DAYS} before", lambda study, rows, book: change_at_end(study, rows, book=book), always=False),
    Outcome("tardy_days", DAYS, -1, "Days tardy", "Days tardy", "Days with a tardy", _column("tardy_days"),
            adds_up=True, seen_in="tardy_days", mark="tardy"),
    Outcome("excused_days", DAYS, -1, "Excused days missed", "Excused days missed", "Days absent marked excused",
            _days("excused_units"), adds_up=True, seen_in="excused_units", mark="as an excused absence"),
    Outcome("unexcused_days", DAYS, -1, "Days missed without an excuse", "Days missed without an excuse",
            "Days absent not marked excused",
            lambda study, rows, book: (rows["absent_units"] - rows["excused_units"]).astype("float64") / book.day_units,
            adds_up=True, seen_in="excused_units", mark="as an excused absence"),
    Outcome("suspended_days", DAYS, -1, "Days missed by suspension", "Days missed by suspension",
            "Days absent for a suspension, as the study's rules count them", _days("suspended_units"), adds_up=True,
            seen_in="suspended_units", mark="as an absence by suspension"),
)
OUTCOMES: Mapping[str, Outcome] = {row.name: row for row in _ROWS}
"""Outcomes of attendance by name; a plan may also name a measure of the table outcome."""

NO_OUTCOME: Mapping[str, tuple[str, str]] = {
    "band": ("is one of five classes, no number", "is_chronic, is_severe or is_satisfactory"),
    "early_warning": ("counts from the school's first day, so days before the start would be in it", "is_chronic"),
    "first_crossing": ("is a date, counted from the first day of school, that most students do not have",
                       "is_chronic"),
    "days_left": ("counts days missed before the start and days still to come", "absent_days"),
    "persistence": ("is about whole years in a row", "is_chronic"),
    "pre_post_rates": ("sets a student beside itself, and students chosen in a hard year improve anyway",
                       "absence_rate, with prior_absence_rate among the covariates"),
    "band_flows": ("is a table of how many students moved, no number of a student", "is_chronic or is_satisfactory"),
    "same_day_last_year": ("is about a group of students in two years", "absence_rate"),
    "breakdown": ("is a table of how many students, no number of a student", "is_chronic or is_severe"),
}
"""Measures that are no outcome of a plan: (why, what to name instead)."""


def outcome_row(name: str) -> Outcome | None:
    """What is known of an outcome; None for a measure of the table outcome or a column of somebody's own frame."""
    return OUTCOMES.get(name)


def count_outcome(study: Any, name: str, rows: pd.DataFrame, *, book: DayBook | None = None) -> pd.Series:
    """One outcome of attendance in each student's own window: one value a row, missing where it cannot be had.

    rows: what `window_panel` gives for windows of student_id, start and end. Shares are 0-1, flags yes or no.
    """
    row = OUTCOMES[name]
    values = pd.Series(np.asarray(row.count(study, rows, book or open_days(study))), index=rows.index, name=name)
    return values.astype("boolean" if row.kind == FLAG else "float64")
