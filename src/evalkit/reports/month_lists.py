"""The lists of a review: who to celebrate, watch, decide on, reach out to first. Each list is a frame and its rule.

Grain of every list: student_id. Lists are for the team only; nothing here is ever released.
"""

from __future__ import annotations

import pandas as pd

from evalkit.measures import BANDS, band, early_warning, first_crossing, is_chronic, prior_rates, recent_window
from evalkit.panel import spells, student_panel, window_panel
from evalkit.programme import active_assignments, book_of, escalations, family_introductions, matched_weeks
from evalkit.reports.month_windows import Window
from evalkit.rules import UNITS_PER_DAY
from evalkit.selection import hardly_attend

POINTS = 3
PULSE_DAYS, PULSE_MISSED, RUN = 10, 3, 3
MOMENTUM_DAYS = 20
DECIDE_WEEKS, DOSE = 8, 3
BASELINE_DAYS = 15

RULES = {
    "celebrate": "Share of days missed fell by 3 points or more, last 20 school days against the 20 before, or "
    "moved to a "
    "better band. At least 20 enrolled days in both.",
    "watch": "Missed 3 or more of the last 10 school days, or 3 or more in a row up to the last day.",
    "decide": "Matched 8 weeks or more, 3 or more contacts a week, still missing 10% or more since the match, and "
    "no less "
    "than before it.",
    "reach_out_first": "Missed half of the year or more (from 10 enrolled days on), or not seen in the last 10 "
    "school days.",
    "no_family_contact": "Matched, and the family not yet met 10 school days after the match began.",
    "escalations": "A mentor asked the team for help since the last review (on a contact that was not cancelled).",
    "newly_flagged": "First early-warning sign since the last review.",
    "crossed_10": "First reached 10% of days missed since the last review (from the 20th enrolled day on).",
}
LISTS = tuple(RULES)


def on_roll(study) -> pd.DataFrame:
    """Students enrolled on their school's latest day, with their last 10 school days. Grain: student_id."""
    return recent_window(study, days=PULSE_DAYS, book=book_of(study))


def gains(study) -> pd.DataFrame:
    """Last 20 school days beside the 20 before, 20 enrolled days in both. Grain: student_id.

    is_improved is the rule of standards 7.3: the share fell by 3 points or more, or the band is a better one.
    """
    book = book_of(study)
    columns = ["student_id", "enrolled_units", "absent_units", "n_days"]
    now = recent_window(study, days=MOMENTUM_DAYS, book=book)[columns]
    before = recent_window(study, days=MOMENTUM_DAYS, skip=MOMENTUM_DAYS, book=book)[columns]
    both = now.merge(before, on="student_id", suffixes=("", "_before"))
    both = both[(both["n_days"] >= MOMENTUM_DAYS) & (both["n_days_before"] >= MOMENTUM_DAYS)].reset_index(drop=True)
    return both.assign(is_improved=improved(both, study.rules))


def improved(both: pd.DataFrame, rules) -> pd.Series:
    """The rule of standards 7.3 on two periods (enrolled_units, absent_units and the same with _before), in
    integers."""
    values = both[["absent_units", "enrolled_units", "absent_units_before", "enrolled_units_before"]].astype(object)
    fell = [100 * (a0 * e - a * e0) >= POINTS * e * e0 for a, e, a0, e0 in values.itertuples(index=False)]
    order = {name: place for place, name in enumerate(BANDS)}
    now = band(both[["enrolled_units", "absent_units"]], rules=rules).map(order)
    before = both[["enrolled_units_before", "absent_units_before"]].set_axis(["enrolled_units", "absent_units"], axis=1)
    return pd.Series(fell, index=both.index, dtype=bool) | (now < band(before, rules=rules).map(order))


def celebrate(study, year: pd.DataFrame) -> pd.DataFrame:
    """Improved students, those who had missed most before first."""
    better = gains(study).query("is_improved")
    better = better.assign(gain=better["absent_units_before"] - better["absent_units"])
    found = better.merge(
        year[["student_id", "absent_units", "enrolled_units"]], on="student_id", suffixes=("", "_year")
    )
    matched = found["student_id"].isin(active_assignments(study)["student_id"])
    return (
        found.assign(is_matched=matched)
        .sort_values(["is_matched", "gain", "student_id"], ascending=[False, False, True])
        .drop(columns="is_improved")
        .reset_index(drop=True)
    )


def pulse(study, current: pd.DataFrame) -> pd.DataFrame:
    """Last 10 school days and the run of days missed up to the last one. Grain: student_id."""
    runs = spells(study, book=book_of(study))
    runs = runs[runs["is_current"]].rename(columns={"n_days": "run", "first_date": "run_from", "last_date": "run_to"})
    both = current.merge(runs[["student_id", "run", "run_from", "run_to"]], on="student_id", how="left")
    return both.assign(run=both["run"].fillna(0).astype("int64"))


def watch(study, current: pd.DataFrame) -> pd.DataFrame:
    """Three or more of the last ten school days, or three or more in a row now."""
    seen = pulse(study, current)
    found = seen[(seen["absent_units"] >= PULSE_MISSED * UNITS_PER_DAY) | (seen["run"] >= RUN)]
    return found.sort_values(["run", "absent_units", "student_id"], ascending=[False, False, True]).reset_index(
        drop=True
    )


def reach_out_first(study) -> pd.DataFrame:
    """Students who hardly attend: half of the year or more missed, or none of the last ten school days attended."""
    found = hardly_attend(study, book=book_of(study))
    return found.sort_values(["absent_units", "student_id"], ascending=[False, True]).reset_index(drop=True)


def decide(study, current: pd.DataFrame, year: pd.DataFrame) -> pd.DataFrame:
    """Steady mentoring for eight weeks and no gain yet: another kind of help is due."""
    if not {"assignment", "contact"} <= study.can:
        return _none("mentor_id", "weeks", "contacts_a_week")
    pairs = active_assignments(study).sort_values("begin_date").drop_duplicates("student_id")
    pairs = pairs[pairs["begin_date"] <= study.as_of - pd.Timedelta(weeks=DECIDE_WEEKS)]
    pairs = pairs[pairs["student_id"].isin(current["student_id"])]
    weeks = matched_weeks(study).merge(pairs[["student_id", "begin_date"]], on="student_id")
    weeks = weeks[weeks["week"] + pd.Timedelta(days=6) >= weeks["begin_date"]]
    dose = weeks.groupby("student_id")["n_contacts"].mean().rename("contacts_a_week").reset_index()
    found = pairs[["student_id", "mentor_id", "begin_date"]].merge(
        dose[dose["contacts_a_week"] >= DOSE], on="student_id"
    )
    found = _since_match(study, found)
    return (
        found[found["is_stuck"]]
        .sort_values(["absent_since", "student_id"], ascending=[False, True])
        .reset_index(drop=True)
    )


def _since_match(study, pairs: pd.DataFrame) -> pd.DataFrame:
    """Add days missed before and since the match; stuck means 10 % or more since, and no smaller share than before."""
    book = book_of(study)
    since = window_panel(study, pairs[["student_id"]].assign(start=pairs["begin_date"], end=study.as_of), book=book)
    day_before = pairs["begin_date"] - pd.Timedelta(days=1)
    before = window_panel(study, pairs[["student_id"]].assign(start=_year_start(study), end=day_before), book=book)
    keep = ["student_id", "enrolled_units", "absent_units"]
    both = pairs.merge(since[keep], on="student_id").merge(
        before[keep], on="student_id", how="left", suffixes=("_since", "_before")
    )
    both = both.rename(
        columns={
            "absent_units_since": "absent_since",
            "enrolled_units_since": "enrolled_since",
            "absent_units_before": "absent_before",
            "enrolled_units_before": "enrolled_before",
        }
    )
    both = _with_prior(study, both.fillna({"absent_before": 0, "enrolled_before": 0}))
    now = both["absent_since"].astype(float) / both["enrolled_since"].astype(float).where(both["enrolled_since"] > 0)
    then = both["absent_before"].astype(float) / both["enrolled_before"].astype(float).where(
        both["enrolled_before"] > 0
    )
    since = both[["enrolled_since", "absent_since"]].set_axis(["enrolled_units", "absent_units"], axis=1)
    line = is_chronic(since, rules=study.rules).eq(True).fillna(False)
    weeks = ((study.as_of - both["begin_date"]).dt.days // 7).astype("int64")
    return both.assign(is_stuck=line & (both["enrolled_since"] > 0) & ~(now < then), weeks=weeks)


def _year_start(study) -> pd.Timestamp:
    return pd.Timestamp(study.school_year - 1, 7, 1)


def _with_prior(study, both: pd.DataFrame) -> pd.DataFrame:
    """Where under 15 days lie before the match, last year's days stand in for them."""
    prior = prior_rates(study).set_index("student_id")
    short = both["enrolled_before"] < BASELINE_DAYS * UNITS_PER_DAY
    for column, source in (("enrolled_before", "enrolled_units"), ("absent_before", "absent_units")):
        last_year = both["student_id"].map(prior[source]).astype("float64").fillna(0)
        both[column] = both[column].astype("float64").mask(short, last_year)
    return both


def no_family_contact(study, current: pd.DataFrame) -> pd.DataFrame:
    """Active pairings past their tenth school day whose family has not been met."""
    if not {"assignment", "contact"} <= study.can:
        return _none("mentor_id", "begin_date")
    met = family_introductions(study)
    active = met["end_date"].isna() | (met["end_date"] >= study.as_of)
    due = met[(met["state"] == "missing") & active & met["student_id"].isin(current["student_id"])]
    return due.sort_values(["begin_date", "student_id"]).drop_duplicates("student_id")[
        ["student_id", "mentor_id", "begin_date"]
    ]


def asked_for_help(study, window: Window) -> pd.DataFrame:
    """Students for whom a mentor asked the team since the last review, also on a weekend in between."""
    since = window.before + pd.Timedelta(days=1) if window.before is not None else _year_start(study)
    rows = escalations(study, since, window.end)
    rows = rows.sort_values("date").drop_duplicates("student_id", keep="last")
    return rows[["student_id", "mentor_id", "date"]].reset_index(drop=True)


def newly_flagged(study, window: Window) -> pd.DataFrame:
    """Students whose first early-warning sign (W2, M1, M2, 2m) fell after the last review."""
    flags = early_warning(study, book=book_of(study))
    first = flags.sort_values(["flagged_on", "flag"]).drop_duplicates("student_id") if len(flags) else flags
    return _since(first, "flagged_on", window)


def crossed_10(study, window: Window) -> pd.DataFrame:
    """Students who first reached 10 % of days missed after the last review."""
    return _since(first_crossing(study, book=book_of(study)), "crossed_on", window)


def _since(frame: pd.DataFrame, column: str, window: Window) -> pd.DataFrame:
    frame = frame[frame[column].notna()]
    after = frame[column] > window.before if window.before is not None else pd.Series(True, index=frame.index)
    return frame[after & (frame[column] <= window.end)].sort_values([column, "student_id"]).reset_index(drop=True)


def _none(*columns: str) -> pd.DataFrame:
    return pd.DataFrame({"student_id": pd.Series(dtype="str"), **{c: pd.Series(dtype=object) for c in columns}})


def review_lists(study, window: Window) -> dict[str, pd.DataFrame]:
    """Every list of the review, by name. With totals only, the lists that need dated absences are empty."""
    if "daily" not in study.can:
        return {name: _none() for name in LISTS}
    current, year = on_roll(study), student_panel(study, book=book_of(study))
    return {
        "celebrate": celebrate(study, year),
        "watch": watch(study, current),
        "decide": decide(study, current, year),
        "reach_out_first": reach_out_first(study),
        "no_family_contact": no_family_contact(study, current),
        "escalations": asked_for_help(study, window),
        "newly_flagged": newly_flagged(study, window),
        "crossed_10": crossed_10(study, window),
    }
