"""Checks of period attendance: on school days, inside the enrollment, and enough known to make days of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.config import Config
from evalkit.errors import UserError
from evalkit.sources.canonical import shown
from evalkit.sources.codes import code_rows
from evalkit.sources.event_checks import inside_spans, on_school_days
from evalkit.sources.rows import TableRows, Tables, usable

EVERY_PERIOD_SHARE = 0.5
RULES = {
    "half_of_minutes": "a day counts as absent when at least half of its scheduled time was missed",
    "half_day_bands": "under a quarter missed is a day present, up to three quarters half a day, above it a whole day",
    "homeroom": "the homeroom period stands for the day",
}


def check_periods(tables: Tables, config: Config, *, strict_calendar: bool) -> list[str]:
    """Rows that cannot be are set aside; refused where a school has nothing but periods that make no days."""
    rows = tables["attendance_period"]
    if strict_calendar:
        on_school_days(tables, config, "attendance_period")
    else:
        rows.set_aside(rows.frame["date"].dt.weekday >= 5, "date: on a Saturday or Sunday")
    spans = usable(tables, "enrollment")
    if len(spans):
        rows.set_aside(~inside_spans(rows.frame, spans), "date: outside the student's enrollment at that school")
    others = ("attendance_event", "attendance_total")
    daily = {school for name in others for school in usable(tables, name)["school_id"]}
    alone = rows.usable & ~rows.frame["school_id"].isin(daily).to_numpy()
    if not alone.any():
        return []
    rules = config.rules
    place = code_rows(rows.frame[alone], usable(tables, "code_table"), usable(tables, "school"))
    _codes_have_meaning(rows, alone, place)
    if rules.period_rollup == "homeroom":
        _must_have_homeroom(rows, alone, rules.homeroom_period)
    elif not rules.periods_in_day:
        _must_hold_every_period(rows, alone, place, usable(tables, "code_table"))
    n = len(rows.frame.loc[alone, ["student_id", "school_id", "date"]].drop_duplicates())
    return [f"Student-days made of periods, at schools that sent no daily rows: {n:,}. {RULES[rules.period_rollup]}."]


def _codes_have_meaning(rows: TableRows, alone: np.ndarray, place: np.ndarray) -> None:
    frame = rows.frame[alone]
    untold = (place < 0) & frame["minutes_present"].isna().to_numpy() & frame["code_local"].fillna("").ne("").to_numpy()
    if not untold.any():
        return
    hit = np.zeros(len(rows.row), bool)
    hit[np.flatnonzero(alone)[untold]] = True
    file, row = rows.first_row(hit)
    counts = frame.loc[untold, "code_local"].value_counts()
    raise UserError(
        f"{len(counts)} codes of period attendance are not in the code table.",
        file=file, row=row, column="code_local",
        culprits=[f"{shown(str(code))}: {n} rows" for code, n in counts.items()][:12],
        remedy="Add a row for each to code_table, or lines under [codes] in study.toml.",
    )


def _must_have_homeroom(rows: TableRows, alone: np.ndarray, name: str) -> None:
    names = rows.frame.loc[alone, "period"]
    if not names.eq(name).any():
        raise UserError(
            "The file has no period of the name that homeroom_period gives.",
            file=rows.first_row(alone)[0], column="period",
            remedy=f"Choose one of the file's periods: {', '.join(map(shown, sorted(names.dropna().unique())[:12]))}.",
        )


def _must_hold_every_period(rows: TableRows, alone: np.ndarray, place: np.ndarray, codes: pd.DataFrame) -> None:
    """Refuse a file of missed periods only, school by school: how many periods a day has is not known from it."""
    frame = rows.frame[alone]
    counts = codes["counts_absent"].fillna(0).to_numpy() if len(codes) else np.zeros(1)
    is_tardy = codes["is_tardy"].fillna(False).to_numpy(bool) if len(codes) else np.zeros(1, bool)
    by_code = (place >= 0) & (counts[np.maximum(place, 0)] == 0) & ~is_tardy[np.maximum(place, 0)]
    timed = frame[["minutes_present", "minutes_scheduled"]].notna().all(axis=1).to_numpy()
    whole = (frame["minutes_present"] >= frame["minutes_scheduled"]).fillna(False).to_numpy(bool)
    is_plain = pd.Series(np.where(timed, whole, by_code), index=frame.index)
    plain = is_plain.groupby(frame["school_id"]).agg(["sum", "size"])
    thin = plain[plain["sum"] < EVERY_PERIOD_SHARE * plain["size"]]
    if len(thin):
        raise UserError(
            "The file seems to leave out periods that were attended, so it is not known how many periods a day has.",
            file=rows.first_row(alone)[0], column="period",
            culprits=[f"a school: {int(n)} of {size} rows say present; under half is taken for a list of missed periods"
                      for n, size in zip(thin["sum"], thin["size"], strict=True)],
            remedy="Say it in study.toml: [rules] periods_in_day = 7. Or export every period, present ones too.",
        )
