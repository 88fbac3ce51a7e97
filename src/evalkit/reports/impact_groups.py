"""For whom, how much and by which service: groups with their interaction, dose, session days, change since last year.

Groups are few and fixed here, before any result. Their differences are tested per grouping (Cochran's Q on the groups'
estimates), corrected over groupings (Benjamini & Hochberg 1995), and shrunk towards each other (empirical Bayes with
the Paule-Mandel variance, Efron & Morris 1975).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from evalkit.checks.dosage import contacts_a_week
from evalkit.comparison import Comparison
from evalkit.config import AnalysisPlan
from evalkit.errors import UserError
from evalkit.estimators import Estimate, estimate_or_reason
from evalkit.estimators.multiple import benjamini_hochberg
from evalkit.panel import absences, enrolled_spans, school_days
from evalkit.pooling import pool_effects
from evalkit.programme import book_of, held_contacts
from evalkit.reports.impact_estimators import is_about_fewer, run_estimator

LEAST_PER_ARM = 30
"""Students on each side below which a group is too few to judge alone (standards 7.1)."""
LEAST_SESSIONS = 100
GROUPS = {
    "english_learner": ("English learners", "Not English learners"),
    "disability_idea": ("Special education", "No special education"),
    "econ_disadvantaged": ("Economic disadvantage: yes", "Economic disadvantage: no"),
}
GRADE_BANDS = {
    "Grades PK to 5": ("IT", "PR", "PK", "TK", "KG", "01", "02", "03", "04", "05"),
    "Grades 6 to 8": ("06", "07", "08"),
    "Grades 9 to 12": ("09", "10", "11", "12", "13"),
}
MENTORS = {"school_staff": "Mentor: school staff", "partner_staff": "Mentor: partner staff",
           "volunteer": "Mentor: volunteer", "college": "Mentor: college student", "peer": "Mentor: peer",
           "other": "Mentor: other"}
DOSES = (("Under 1 contact a week", -np.inf, 1.0), ("1 to under 3 a week", 1.0, 3.0), ("3 or more a week", 3.0, np.inf))
NUMBERS = ("value", "standard_error", "ci_low", "ci_high", "p_value")
COLUMNS = ["group", "label", "n", "n_comparison", *NUMBERS, "shrunk", "group_p", "group_q"]


def group_estimates(study: Any, comparison: Comparison, plan: AnalysisPlan) -> pd.DataFrame:
    """The planned estimate within groups of students. Grain: one row per group; a group too small has no value.

    Covariates, strata and clusters are the plan's. A matched set belongs to the group of its mentored student; its
    partners may be of another group, for the sets were made by the plan's measures alone. shrunk: the value
    pulled towards the other groups of its grouping. group_p, group_q: whether the groups of a grouping differ, before
    and after correction for the number of groupings. Units of the outcome, mentored minus comparison.
    """
    used = comparison.used
    rows = [{"group": group, "label": label, **_one_group(_sets_of(used, member), plan, comparison)}
            for group, label, member in _memberships(study, used)]
    frame = pd.DataFrame(rows, columns=COLUMNS[:-3])
    return _with_interaction(frame.astype(dict.fromkeys(NUMBERS, "float64")))


def _one_group(part: pd.DataFrame, plan: AnalysisPlan, comparison: Comparison) -> dict[str, Any]:
    """Counts and, where both arms are large enough, the estimate."""
    n_treated, n_comparison = int((part["treated"] == 1).sum()), int((part["treated"] == 0).sum())
    row: dict[str, Any] = {"n": n_treated, "n_comparison": n_comparison, **dict.fromkeys(NUMBERS)}
    if min(n_treated, n_comparison) < LEAST_PER_ARM:
        return row
    found = _estimate(part, plan, comparison)
    if found is not None and is_about_fewer(plan):
        row |= {"n": found.n_treated, "n_comparison": found.n_comparison}
        if min(found.n_treated, found.n_comparison) < LEAST_PER_ARM:
            return row
    return row if found is None or found.ci_low is None else row | {name: getattr(found, name) for name in NUMBERS}


def _estimate(part: pd.DataFrame, plan: AnalysisPlan, comparison: Comparison) -> Estimate | None:
    """None where these rows alone bear no estimate."""
    try:
        return run_estimator(comparison, plan, part, covariates=_usable(part, plan), standard_errors="CR2")
    except UserError:
        return None


def _with_interaction(frame: pd.DataFrame) -> pd.DataFrame:
    """Add shrunk values and, per grouping, the p and q of its groups' difference."""
    frame = frame.assign(shrunk=np.nan, group_p=np.nan)
    for _, part in frame[frame["value"].notna()].groupby("group", sort=False):
        if len(part) < 2:
            continue
        values, errors = part["value"].to_numpy(), part["standard_error"].to_numpy()
        found = pool_effects(list(values), list(errors), method="PM", knapp_hartung=False)
        pull = errors**2 / (errors**2 + found.tau2)
        frame.loc[part.index, "shrunk"] = pull * found.value + (1 - pull) * values
        frame.loc[part.index, "group_p"] = found.q_p_value
    families = frame.dropna(subset=["group_p"]).drop_duplicates("group").set_index("group")["group_p"]
    corrected = pd.Series(benjamini_hochberg(families.to_numpy()), index=families.index, dtype="float64")
    return frame.assign(group_q=frame["group"].map(corrected))[COLUMNS]


def _memberships(study: Any, used: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series]]:
    """(grouping, label, mask over the rows) for every planned grouping the rows can bear."""
    if "grade_level" in used:
        for label, grades in GRADE_BANDS.items():
            if (mask := used["grade_level"].astype(str).isin(grades)).any():
                yield "grade", label, mask
    for column, (yes, no) in GROUPS.items():
        if column in used and used[column].notna().any():
            flag = used[column].astype("boolean")
            yield column, yes, flag.fillna(False).astype(bool)
            yield column, no, (~flag).fillna(False).astype(bool)
    if "prior_absence_rate" in used and used["prior_absence_rate"].notna().any():
        rate = pd.to_numeric(used["prior_absence_rate"], errors="coerce")
        yield "prior", "Missed under 20% last year", rate < 0.20
        yield "prior", "Missed 20% or more last year", rate >= 0.20
    yield from _by_mentor(study, used)


def _by_mentor(study: Any, used: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series]]:
    """By the kind of a student's first mentor, known before any result."""
    mentors, given = study.table("mentor"), study.table("assignment")
    if mentors.empty or given.empty or mentors["mentor_type"].isna().all():
        return
    first = given.sort_values(["begin_date", "mentor_id"], kind="stable").drop_duplicates("student_id")
    kind = mentors.drop_duplicates("mentor_id").set_index("mentor_id")["mentor_type"]
    own = used["student_id"].map(first.set_index("student_id")["mentor_id"].map(kind))
    for code in sorted(own[used["treated"] == 1].dropna().unique()):
        yield "mentor", MENTORS.get(code, f"Mentor: {str(code).replace('_', ' ')}"), own == code


def _sets_of(used: pd.DataFrame, member: pd.Series) -> pd.DataFrame:
    """The whole sets whose mentored student is a member; without sets, the members themselves."""
    if used["subclass"].isna().any():
        return used[member]
    focal = used.loc[member & (used["treated"] == 1), "subclass"]
    return used[used["subclass"].isin(focal)]


def _usable(part: pd.DataFrame, plan: AnalysisPlan) -> tuple[str, ...]:
    """The plan's covariates that differ inside the group; a missing value has its indicator, as in the planned run."""
    return tuple(name for name in plan.covariates if name in part and part[name].nunique(dropna=False) > 1
                 and part[name].notna().any())


def dose_estimates(study: Any, comparison: Comparison, plan: AnalysisPlan) -> pd.DataFrame:
    """The planned estimate by contacts a week the mentored student had. Grain: one row per dose; exploratory.

    Contacts follow need and presence, so this is no proof that more of them does more. Empty without a contact log.
    """
    used = comparison.used
    held = held_contacts(study)
    columns = ["label", "n", "n_comparison", *NUMBERS]
    if held.empty or not {"landmark", "follow_up_end", "enrolled_days"} <= set(used):
        return pd.DataFrame(columns=columns)
    treated = used[used["treated"] == 1]
    dose = contacts_a_week(treated, held)
    rows = []
    for label, low, high in DOSES:
        member = pd.Series(False, index=used.index)
        member.loc[treated.index] = ((dose >= low) & (dose < high)).to_numpy()
        part = _sets_of(used, member)
        if member.any():
            rows.append({"label": label, **_one_group(part, plan, comparison)})
    return pd.DataFrame(rows, columns=columns)


def strategy_estimates(study: Any) -> tuple[pd.DataFrame, str]:
    """Each service: absence on days with a scheduled session against the same student's other days.

    Grain: one row per intervention_code with at least 30 students and 100 sessions; values are shares of a day, fewer
    is negative. Also the sentence why there is none. (Lee, Loeb & Robinson 2024: the session-day design.)
    """
    columns = ["strategy", "n", "n_sessions", *NUMBERS]
    sessions = study.table("service")
    if sessions.empty or "daily" not in study.can:
        return pd.DataFrame(columns=columns), "The table service would switch on a result for each service."
    days = _student_days(study, set(sessions["student_id"].dropna()))
    rows = [row for code, part in sessions.groupby("intervention_code", sort=True)
            if (row := _strategy(str(code), part, days)) is not None]
    why = "" if rows else (f"No service has {LEAST_PER_ARM} students and {LEAST_SESSIONS} sessions on school days, so "
                           "none can be judged alone.")
    return pd.DataFrame(rows, columns=columns), why


def _student_days(study: Any, students: set[Any]) -> pd.DataFrame:
    """Enrolled school days of some students. Grain: student_id x school_id x date, with absence as a share of a day."""
    book = book_of(study)
    spans = enrolled_spans(study, book=book)
    spans = spans[spans["student_id"].isin(students)]
    calendar = [key for key in ("school_id", "calendar_code") if key in spans]
    dates = school_days(study, book=book)
    days = spans.merge(dates.loc[dates["counted"], [*calendar, "date", "day_number", "units"]], on=calendar)
    days = days[(days["day_number"] >= days["first_day_number"]) & (days["day_number"] <= days["last_day_number"])]
    gone = absences(study, book=book)
    days = days.drop_duplicates(["student_id", "date"]).merge(
        gone[["student_id", "date", "absent_units"]].drop_duplicates(["student_id", "date"]), how="left",
        on=["student_id", "date"])
    share = days["absent_units"].fillna(0).astype("float64") / days["units"].astype("float64")
    return days[["student_id", "school_id", "date"]].assign(absence_rate=share)


def _strategy(code: str, sessions: pd.DataFrame, days: pd.DataFrame) -> dict[str, Any] | None:
    on = sessions[["student_id", "scheduled_date"]].dropna().drop_duplicates()
    on = on.rename(columns={"scheduled_date": "date"})
    panel = days[days["student_id"].isin(on["student_id"])].merge(on.assign(scheduled=1), how="left",
                                                                  on=["student_id", "date"])
    panel = panel.assign(scheduled=panel["scheduled"].fillna(0).astype(int))
    n_sessions = int(panel["scheduled"].sum())
    n = panel.loc[panel["scheduled"] == 1, "student_id"].nunique()
    if n < LEAST_PER_ARM or n_sessions < LEAST_SESSIONS:
        return None
    found = estimate_or_reason(panel, None, estimator="session_day", outcome="absence_rate", exploratory=True)
    if found.ci_low is None:
        return None
    return {"strategy": code, "n": n, "n_sessions": n_sessions, **{name: getattr(found, name) for name in NUMBERS}}


def change_since_last_year(comparison: Comparison, plan: AnalysisPlan) -> pd.DataFrame:
    """Absence rate last year and in the follow-up, mentored beside similar students. Grain: one row per arm.

    Only students with both, with the weights of the comparison; empty where the outcome is no absence rate. Never
    printed for the mentored alone: students chosen in a hard year do better the next year anyway.
    """
    used = comparison.used
    columns = ["arm", "n", "before", "after", "change"]
    if plan.outcome != "absence_rate" or plan.estimator == "discontinuity" or "prior_absence_rate" not in used:
        return pd.DataFrame(columns=columns)
    both = used[used["prior_absence_rate"].notna() & used["absence_rate"].notna()]
    rows = []
    for arm, label in ((1, "Mentored students"), (0, "Similar students")):
        part = both[both["treated"] == arm]
        if part.empty:
            return pd.DataFrame(columns=columns)
        before, after = (float(np.average(part[name].astype(float), weights=part["weight"]))
                         for name in ("prior_absence_rate", "absence_rate"))
        rows.append({"arm": label, "n": part["student_id"].nunique(), "before": before, "after": after,
                     "change": after - before})
    return pd.DataFrame(rows, columns=columns)

