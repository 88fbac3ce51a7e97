"""The mentored beside similar students, month by month, for the review and the celebration. The one place that asks.

Each look is a landmark comparison of the study cut at that month's end; the verdict uses a confidence sequence that
stays valid although a team looks every month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit.comparison import landmark_comparison
from evalkit.errors import UserError
from evalkit.estimators import estimate
from evalkit.estimators.sequence import MIN_DAYS, monthly_verdict
from evalkit.programme import assignments, kept, year_days
from evalkit.reports.impact_estimators import level_plan
from evalkit.study import open_study
from evalkit.wording import month_words

DAYS = 180
NOT_COMPARED = "Students with a mentor are not compared with similar students here."


@dataclass(frozen=True)
class Look:
    """One month's answer in days more in school per 180-day year; low and high are 95 % bounds that hold
    at every look together, each on its own side."""

    on: str
    label: str
    value: float | None
    low: float | None
    high: float | None
    n_treated: int
    n_comparison: int
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "as_of": self.on,
            "verdict": self.verdict,
            "gain_days": self.value,
            "ci_low": self.low,
            "ci_high": self.high,
            "n_treated": self.n_treated,
            "n_comparison": self.n_comparison,
        }


@dataclass(frozen=True)
class Impact:
    """Looks of the year to as_of, the newest last. off: why there is none, and what would switch it on."""

    looks: tuple[Look, ...] = ()
    off: str = ""
    details: Mapping[str, Any] | None = None

    @property
    def now(self) -> Look | None:
        return self.looks[-1] if self.looks else None

    def to_dict(self) -> dict[str, Any]:
        if self.now is None:
            return {"verdict": None, "reason": self.off}
        return {**self.now.to_dict(), "unit": "days per 180-day year", "looks": [look.to_dict() for look in self.looks]}


def impact_to_date(study) -> Impact:
    """The year's looks at the mentored against similar students; off, with a sentence, where the study cannot bear it.

    Each look redoes the study's first planned comparison (outcome: share of days missed) as of that month's end, so it
    says what that month's review said.
    """
    off = _off(study)
    return Impact(off=off) if off else kept(study, "impact", lambda: _impact(study))


def _off(study) -> str:
    if "assignment" not in study.can:
        return f"{NOT_COMPARED} The table assignment would switch this on."
    if "daily" not in study.can or "rates" not in study.can:
        return f"{NOT_COMPARED} The tables enrollment, calendar and attendance_event would switch this on."
    if "estimated_calendar" in study.can:
        return f"{NOT_COMPARED} The school days are inferred; the table calendar would switch this on."
    if "unmentored" not in study.can:
        return f"{NOT_COMPARED} Every student in the study has a mentor: the whole roster would switch this on."
    return ""


def _impact(study) -> Impact:
    days = year_days(study)
    first = assignments(study)["begin_date"].min()
    dates = [day for day in look_dates(study, days) if day >= first]
    answers = [_answer(study, days, first, day) for day in dates]
    if not answers:
        return Impact(off=f"{NOT_COMPARED} No match has begun yet.")
    rows = pd.DataFrame(
        [
            {
                key: answer.get(key)
                for key in ("estimate", "standard_error", "df", "n_treated", "n_comparison", "follow_up_days")
            }
            for answer in answers
        ]
    )
    looks = tuple(_look(rows.iloc[: place + 1], day) for place, day in enumerate(dates))
    return Impact(looks, off=answers[-1].get("off", ""), details=answers[-1].get("details"))


def _answer(study, days: pd.DataFrame, first: pd.Timestamp, day: pd.Timestamp) -> dict[str, Any]:
    """One look: the planned comparison as of `day`; without an estimate where it is too early or cannot be made."""
    early = {"estimate": None, "n_treated": 0, "n_comparison": 0, "follow_up_days": 0}
    passed = days[(days["date"] >= first) & (days["date"] <= day)].groupby("school_id").size()
    if passed.empty or passed.max() < MIN_DAYS:
        return early
    plan = level_plan(study, study.config.analyses[0])
    then = study if day == study.as_of else study.at(day)
    try:
        comparison = landmark_comparison(then, plan)
        found = estimate(
            None,
            comparison,
            estimator="regression_adjusted",
            outcome="absence_rate",
            clustered_by=plan.clustered_by or None,
            standard_errors="CR2",
        )
    except UserError:
        return early | {"off": f"{NOT_COMPARED} The comparison could not be made; the impact study says why."}
    used = comparison.students[comparison.students["weight"] > 0]
    arms = {
        "treated": used.loc[used["treated"] == 1, "student_id"],
        "comparison": used.loc[used["treated"] == 0, "student_id"],
    }
    return {
        "estimate": found.value,
        "standard_error": found.standard_error,
        "df": found.df,
        "n_treated": found.n_treated,
        "n_comparison": found.n_comparison,
        "follow_up_days": float(used.loc[used["treated"] == 1, "n_days"].median()),
        "details": {"students": arms},
    }


def _look(looks: pd.DataFrame, day: pd.Timestamp) -> Look:
    """The newest of `looks` in days gained, with the bounds that hold at all of them together."""
    last = looks.iloc[-1]
    said = monthly_verdict(looks.reset_index(drop=True), better="lower")
    gain = None if pd.isna(last["estimate"]) or said.ci_low is None else -DAYS * float(last["estimate"])
    low, high = (None if bound is None else -DAYS * bound for bound in (said.ci_high, said.ci_low))
    return Look(
        f"{day:%Y-%m-%d}",
        month_words(day),
        gain,
        low,
        high,
        int(last["n_treated"]),
        int(last["n_comparison"]),
        said.name,
    )


def district_look(study) -> Look | None:
    """All schools' newest look, for a school's page that is too few to judge alone."""
    if not study.school:
        return None
    return impact_to_date(open_study(study.folder, as_of=study.as_of)).now


def look_dates(study, days: pd.DataFrame) -> list[pd.Timestamp]:
    """The last school day of each month up to as_of."""
    reached = days[days["date"] <= study.as_of]
    return list(reached.groupby(reached["date"].dt.strftime("%Y-%m"))["date"].max())
