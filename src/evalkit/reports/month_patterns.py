"""Page 3 of the review: weekdays, known reasons and schools in short. Counts of days, and shares of days enrolled."""

from __future__ import annotations

import pandas as pd

from evalkit.panel import absences, enrolled_spans
from evalkit.programme import book_of
from evalkit.reports.month_windows import Window, reached_days
from evalkit.rules import UNITS_PER_DAY
from evalkit.vocabulary import categories, reason
from evalkit.wording import say, string_table

UNKNOWN = ("no_reason", "unknown")


def enrolled_by_day(study) -> pd.DataFrame:
    """Students enrolled on each reached school day. Grain: school_id x calendar_code x date. Columns: n, units."""
    days, spans = reached_days(study), enrolled_spans(study, book=book_of(study))
    keys = [key for key in ("school_id", "calendar_code") if key in spans.columns and key in days.columns]
    steps = pd.concat(
        [
            spans[[*keys, "first_day_number"]].rename(columns={"first_day_number": "day_number"}).assign(step=1),
            spans[[*keys, "last_day_number"]]
            .rename(columns={"last_day_number": "day_number"})
            .assign(step=-1, day_number=lambda s: s["day_number"] + 1),
        ]
    )
    moves = steps.groupby([*keys, "day_number"])["step"].sum().reset_index()
    grid = days.merge(moves, on=[*keys, "day_number"], how="outer").sort_values([*keys, "day_number"])
    grid["n"] = grid["step"].fillna(0).groupby([grid[key] for key in keys]).cumsum()
    return grid[grid["date"].notna()].assign(n=lambda g: g["n"].astype("int64"))[
        [*keys, "date", "day_number", "units", "n"]
    ]


def by_weekday(study) -> pd.DataFrame:
    """Days missed out of days enrolled by weekday, the year to as_of. Grain: weekday (0 is Monday)."""
    enrolled = enrolled_by_day(study)
    if enrolled.empty:
        return pd.DataFrame(columns=["weekday", "absent_days", "enrolled_days", "share", "n_students"])
    out_of = (enrolled["n"] * enrolled["units"]).groupby(enrolled["date"].dt.dayofweek).sum() / UNITS_PER_DAY
    rows = absences(study, book=book_of(study))
    missed = rows.groupby(rows["date"].dt.dayofweek)["absent_units"].sum() / UNITS_PER_DAY
    people = rows[rows["absent_units"] > 0].groupby(rows["date"].dt.dayofweek)["student_id"].nunique()
    table = pd.DataFrame({"enrolled_days": out_of, "absent_days": missed, "n_students": people}).dropna(
        subset=["enrolled_days"]
    )
    table = table.fillna(0).rename_axis("weekday").reset_index()
    return table.assign(share=table["absent_days"] / table["enrolled_days"])


def counts_by_weekday(study) -> pd.DataFrame:
    """Days missed and students by weekday, the year to as_of. Grain: weekday (0 is Monday)."""
    rows = absences(study, book=book_of(study))
    rows = rows[rows["absent_units"] > 0].assign(weekday=lambda r: r["date"].dt.dayofweek)
    table = (
        rows.groupby("weekday").agg(units=("absent_units", "sum"), n_students=("student_id", "nunique")).reset_index()
    )
    return table.assign(absent_days=table["units"] / UNITS_PER_DAY).drop(columns="units")


def by_month(study) -> pd.DataFrame:
    """Days missed out of days enrolled by month, the year to as_of. Grain: month."""
    enrolled = enrolled_by_day(study)
    if enrolled.empty:
        return pd.DataFrame(columns=["month", "absent_days", "enrolled_days", "share"])
    out_of = (enrolled["n"] * enrolled["units"]).groupby(enrolled["date"].dt.strftime("%Y-%m")).sum() / UNITS_PER_DAY
    rows = absences(study, book=book_of(study))
    missed = rows.groupby(rows["date"].dt.strftime("%Y-%m"))["absent_units"].sum() / UNITS_PER_DAY
    table = pd.DataFrame({"enrolled_days": out_of, "absent_days": missed}).fillna(0).rename_axis("month").reset_index()
    return table.assign(share=table["absent_days"] / table["enrolled_days"].where(table["enrolled_days"] > 0))


def window_absences(study, start, end) -> pd.DataFrame:
    rows = absences(study, book=book_of(study))
    return rows[(rows["date"] >= start) & (rows["date"] <= end) & (rows["absent_units"] > 0)]


def reasons_known(study, start, end) -> tuple[int, int]:
    """Absences in the window with a known reason, and all of them."""
    rows = window_absences(study, start, end)
    return int((rows["pattern"].notna() & ~rows["pattern"].isin(UNKNOWN)).sum()), len(rows)


def known_reasons(study, window: Window) -> pd.DataFrame:
    """Known reasons of the window's absences, largest first. Grain: pattern. n absences of n_students; share
    of known."""
    rows = window_absences(study, window.start, window.end)
    rows = rows[rows["pattern"].notna() & ~rows["pattern"].isin(UNKNOWN)]
    table = rows.groupby("pattern").agg(n=("student_id", "size"), n_students=("student_id", "nunique")).reset_index()
    table["label"] = [reason_label(pattern) for pattern in table["pattern"]]
    table["share"] = table["n"] / max(1, len(rows))
    return table.sort_values(["n", "pattern"], ascending=[False, True]).reset_index(drop=True)


def reason_label(pattern: str) -> str:
    found = reason(pattern)
    return found.label_en if found else pattern.replace("_", " ").capitalize()


def theme_words(theme: object) -> str:
    """A theme as a person would say it, with a capital: a part of the mentor's work or a reason by its name."""
    code = str(theme)
    if code in string_table()["element"]:
        return say(f"element.{code}")
    return reason_label(code)


def category_labels() -> dict[str, str]:
    return {item.category: item.label_en for item in categories()}
