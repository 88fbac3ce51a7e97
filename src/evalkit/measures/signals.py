"""Who needs attention this month: early warning, first crossing, days left, streaks, pulse and momentum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import panel
from evalkit.measures.bands import fraction_of, reaches
from evalkit.panel import DayBook
from evalkit.rules import Rules

SCHOOL_MONTH = 20
WINDOWS = {"W2": (10, 2), "M1": (20, 2), "M2": (40, 4)}
"""Flag: (school days from the school's first, days absent that raise it)."""


def early_warning(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """Early-warning flags of the year so far: grain student_id x flag (the flags of `rules.early_warning`).

    W2: 2 days missed in the school's first 10 school days; M1: 2 in the first 20; M2: 4 in the first 40, each dated
    on the day the count was reached. 2m: at least 2m days missed by the end of school month m (school days
    20(m-1)+1..20m of the student's school), dated on the first such month's last day; `school_month` is m.
    Columns: student_id, flag, flagged_on, school_month, absent_days (at that day), school_id.
    Source: Attendance Works, three tiers of intervention; requirement R21.
    """
    book = book or panel.open_days(study)
    wanted = study.rules.early_warning
    found = [_flags(rows, book, wanted) for rows in panel.daily_chunks(book)]
    raised = pd.concat(found, ignore_index=True)
    days, pieces = book.days.iloc[raised["day_row"]], book.pieces.iloc[raised["piece"]]
    order = {flag: place for place, flag in enumerate(("W2", "M1", "M2", "2m"))}
    frame = pd.DataFrame({
        "student_id": pieces["student_id"].to_numpy(), "flag": raised["flag"].astype("str").to_numpy(),
        "flagged_on": days["date"].to_numpy(), "school_month": -(-days["day_number"].to_numpy() // SCHOOL_MONTH),
        "absent_days": raised["absent"].to_numpy("float64") / book.day_units,
        "school_id": pieces["school_id"].to_numpy()})
    frame = frame.astype({"student_id": "str", "flag": "str", "school_id": "str"})
    return frame.sort_values(["student_id", "flag"], key=lambda c: c.map(order) if c.name == "flag" else c,
                             kind="stable", ignore_index=True)


def _flags(rows: pd.DataFrame, book: DayBook, wanted: tuple[str, ...]) -> pd.DataFrame:
    number = book.days["day_number"].to_numpy()[rows["day_row"]]
    parts = [rows.iloc[:0].assign(absent=0, flag="")]
    for flag, (last, days) in WINDOWS.items():
        if flag in wanted:
            parts.append(_first(_running(rows[number <= last]), days * book.day_units, flag))
    if "2m" in wanted:
        ends, month = _month_ends(_running(rows), number, book)
        parts.append(_first(ends, 2 * book.day_units * month, "2m"))
    return pd.concat(parts, ignore_index=True)


def _month_ends(running: pd.DataFrame, number: np.ndarray, book: DayBook) -> tuple[pd.DataFrame, np.ndarray]:
    """Each student's count at the end of each school month, dated on its last day, also where the student was not
    expected on that very day; and the number of the month. A month still running has no end yet."""
    month = -(-number // SCHOOL_MONTH)
    piece, row = running["piece"].to_numpy("int64"), running["day_row"].to_numpy("int64")
    is_last = np.ones(len(running), dtype=bool)
    is_last[:-1] = (piece[1:] != piece[:-1]) | (month[1:] != month[:-1])
    end = row + SCHOOL_MONTH * month - number
    is_over = is_last & (end < book.pieces["row_end"].to_numpy("int64")[piece])
    return running[is_over].assign(day_row=end[is_over]), month[is_over]


def _running(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(absent=rows.groupby("student", sort=False)["absent_units"].cumsum())


def _first(rows: pd.DataFrame, needed: Any, flag: str) -> pd.DataFrame:
    """Each student's first row with at least so many units absent."""
    hit = rows[(rows["absent"] >= np.asarray(needed)).to_numpy()]
    return hit.drop_duplicates("student").assign(flag=flag)


def first_crossing(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """The first date a student's days missed reached the chronic threshold: grain student_id, only who crossed.

    Looked at from the student's 20th enrolled day (`crossing_min_days`), so an early cluster is dated on that day.
    Columns: student_id, crossed_on, enrolled_day, absent_days and enrolled_days at that date, school_id, is_now
    (still at or over it at the last counted day). Empty where enrolment is not known. Source: requirement R86.
    """
    book = book or panel.open_days(study)
    hit = pd.concat([_crossings(rows, study.rules) for rows in panel.daily_chunks(book)], ignore_index=True)
    hit = hit if book.has_rates else hit.iloc[:0]
    pieces = book.pieces.iloc[hit["piece"]]
    return pd.DataFrame({
        "student_id": pieces["student_id"].to_numpy(), "crossed_on": book.days["date"].to_numpy()[hit["day_row"]],
        "enrolled_day": hit["enrolled_day"].to_numpy(), "absent_days": hit["absent"].to_numpy() / book.day_units,
        "enrolled_days": hit["enrolled"].to_numpy() / book.day_units, "school_id": pieces["school_id"].to_numpy(),
        "is_now": hit["is_now"].to_numpy(bool)})


def _crossings(rows: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Each student's first row at or over the threshold, counted from the first day that is looked at."""
    groups = rows.groupby("student", sort=False)
    rows = rows.assign(absent=groups["absent_units"].cumsum(), enrolled=groups["units"].cumsum())
    over = reaches(rows["absent"], rows["enrolled"], rules.threshold, inclusive=rules.inclusive)
    over &= rows["enrolled_day"].to_numpy() >= max(1, rules.crossing_min_days)
    last = rows["student"].ne(rows["student"].shift(-1)).to_numpy()
    first = rows[over].drop_duplicates("student")
    return first.assign(is_now=first["student"].isin(rows["student"].to_numpy()[last & over]))


def days_left(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """How many more days a student can miss and still end the year under the chronic threshold: grain student_id.

    Expected days E = enrolled so far + school days left at the present school to its last planned school day (only
    while the span is open). days_left = the largest k with 10 (absent + k) < E; below 0 the student
    cannot come under 10 % this year (can_stay_below is False: show a progress target instead). remaining_days: school
    days still to come. With `inclusive = false` exactly 10 % is still under. Empty where
    enrolment is not known. Source: standards 2.4, requirement R86.
    """
    book = book or panel.open_days(study)
    sums = panel.student_panel(study, book=book)[["student_id", "school_id", "enrolled_units", "absent_units"]]
    sums = sums if book.has_rates else sums.iloc[:0]
    ahead = _ahead(book)
    frame = sums.merge(ahead, on="student_id", how="left").fillna({"remaining_units": 0, "remaining_days": 0})
    edge = fraction_of(study.rules.threshold)
    expected = (frame["enrolled_units"] + frame["remaining_units"]).astype("Int64").fillna(0).to_numpy("int64")
    slack = expected * edge.numerator - frame["absent_units"].to_numpy("int64") * edge.denominator
    room = (slack - (1 if study.rules.inclusive else 0)) // (edge.denominator * book.day_units)
    return pd.DataFrame({"student_id": frame["student_id"], "school_id": frame["school_id"],
                         "absent_days": frame["absent_units"] / book.day_units,
                         "expected_days": expected / book.day_units,
                         "remaining_days": frame["remaining_days"].astype("int64"), "days_left": room,
                         "can_stay_below": room >= 0})


def _ahead(book: DayBook) -> pd.DataFrame:
    """Units and school days after the last counted day, of students whose span is still open."""
    pieces = book.pieces
    is_last = pieces["student"].ne(pieces["student"].shift(-1))
    rows = pieces[is_last & pieces["is_open"] & ~pieces["is_out"]]
    begin, end = rows["row_end"].to_numpy("int64"), rows["row_planned"].to_numpy("int64")
    cum = book.cum_units
    return pd.DataFrame({"student_id": rows["student_id"], "remaining_units": cum[end] - cum[begin],
                         "remaining_days": end - begin})


def streaks(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """Runs of whole school days missed: grain student_id, students with at least one whole day missed.

    current_streak (the run that reaches the last counted day, else 0), longest_streak, longest_from, and the flags
    has_3_plus, has_10_plus of the current run. Consecutive means the student's own school days. Source: R85.
    """
    runs = panel.spells(study, book=book)
    longest = runs.sort_values(["student_id", "n_days", "first_date"], ascending=[True, False, True], kind="stable")
    longest = longest.drop_duplicates("student_id").set_index("student_id")
    current = runs[runs["is_current"]].set_index("student_id")["n_days"]
    now = current.reindex(longest.index).fillna(0).to_numpy("int64")
    return pd.DataFrame({"student_id": longest.index.astype("str"), "current_streak": now,
                         "longest_streak": longest["n_days"].to_numpy(),
                         "longest_from": longest["first_date"].to_numpy(),
                         "has_3_plus": now >= 3, "has_10_plus": now >= 10})


def recent_window(study: Any, *, days: int = 10, skip: int = 0, book: DayBook | None = None) -> pd.DataFrame:
    """Days missed in the school's last `days` counted school days (after leaving out the last `skip`).

    Grain student_id, students enrolled at the end with any enrolled day in the window: school_id, enrolled_units,
    absent_units, n_days, absent_days, absence_rate. For the last 10 days this is the pulse: 0-2 is on target.
    """
    book = book or panel.open_days(study)
    last = book.pieces[book.pieces["row_end"] > book.pieces["row_first"]].drop_duplicates("student", keep="last")
    counted = book.days[book.days["counted"]].groupby("calendar")["day_row"].agg(["min", "max"])
    low, high = (last["calendar"].map(counted[name]).to_numpy("int64") for name in ("min", "max"))
    here = last["row_end"].to_numpy("int64") - 1 == high
    end, begin = high - skip, np.maximum(low, high - skip - days + 1)
    dates, fits = book.days["date"].to_numpy(), here & (end >= low)
    windows = pd.DataFrame({"student_id": last["student_id"].to_numpy()[fits],
                            "school_id": last["school_id"].to_numpy()[fits],
                            "start": dates[begin[fits]], "end": dates[end[fits]]})
    frame = panel.window_panel(study, windows, book=book)
    return frame[(frame["n_days"] > 0).fillna(True).astype(bool)].reset_index(drop=True)


def momentum(study: Any, *, days: int = 20, book: DayBook | None = None) -> pd.DataFrame:
    """The last `days` school days against the `days` before: grain student_id, students with both.

    absent_before, absent_now (days), rate_before, rate_now (0-1), change = rate_now - rate_before (below 0: gained),
    is_gaining, is_losing (exact whole-number comparison). Source: requirement R106.
    """
    book = book or panel.open_days(study)
    now = recent_window(study, days=days, book=book)
    before = recent_window(study, days=days, skip=days, book=book)
    both = now.merge(before, on="student_id", suffixes=("_now", "_before"))
    both = both[(both["enrolled_units_now"] > 0) & (both["enrolled_units_before"] > 0)]
    left = both["absent_units_now"].to_numpy("int64") * both["enrolled_units_before"].to_numpy("int64")
    right = both["absent_units_before"].to_numpy("int64") * both["enrolled_units_now"].to_numpy("int64")
    return pd.DataFrame({
        "student_id": both["student_id"], "school_id": both["school_id_now"],
        "absent_before": both["absent_days_before"],
        "absent_now": both["absent_days_now"], "rate_before": both["absence_rate_before"],
        "rate_now": both["absence_rate_now"], "change": both["absence_rate_now"] - both["absence_rate_before"],
        "is_gaining": left < right, "is_losing": left > right}).reset_index(drop=True)
