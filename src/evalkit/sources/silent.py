"""Days nobody sent: school days without a single row at a school that usually has several a day."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evalkit.sources.codes import end_year_of

USUAL, IN_A_ROW, ALONE = 2.0, 3, 7.0
"""Rows a day that a school must usually have; silent days in a row that are then too many for chance; rows a day from
which a single silent day is (with 7 a day, chance leaves one day in a thousand without any)."""
_DATED = ("attendance_event", "attendance_period")


def silent_days(known: Mapping[str, pd.DataFrame], through: Mapping[str, pd.Timestamp], year: int) -> pd.DataFrame:
    """School days inside what was sent that hold no row. Grain: school_id; n_days, first, last, usual (rows a day).

    Where only absences are exported such a day counts as one on which everybody came, so it must be said. Days of the
    school year up to each school's last complete day; a school without calendar or dated rows has none.
    """
    calendar, dated = known.get("calendar"), [known[name] for name in _DATED if name in known]
    if calendar is None or not dated:
        return pd.DataFrame(columns=["school_id", "n_days", "first", "last", "usual"])
    rows = pd.concat([frame[["school_id", "date"]] for frame in dated], ignore_index=True)
    rows = rows[end_year_of(rows["date"]) == year]
    sent = rows.groupby(["school_id", "date"]).size()
    days = calendar[calendar["is_instructional"].fillna(False).astype(bool)][["school_id", "date"]].drop_duplicates()
    days = days[end_year_of(days["date"]) == year]
    found = [_of_school(school, mine["date"].sort_values(), sent, through.get(school, pd.NaT))
             for school, mine in days.groupby("school_id")]
    return pd.DataFrame([row for row in found if row], columns=["school_id", "n_days", "first", "last", "usual"])


def _of_school(school: str, dates: pd.Series, sent: pd.Series, last: pd.Timestamp) -> dict[str, object] | None:
    if pd.isna(last) or school not in sent.index.get_level_values(0):
        return None
    dates = dates[dates <= last]
    mine = sent.loc[school].reindex(dates, fill_value=0).to_numpy()
    silent = mine == 0
    if not silent.any() or silent.all():
        return None
    usual = float(mine[~silent].mean())
    long_enough = np.repeat(*_run_lengths(silent)) >= IN_A_ROW
    gone = silent & ((long_enough & (usual >= USUAL)) | (usual >= ALONE))
    if not gone.any():
        return None
    found = dates[gone]
    return {"school_id": school, "n_days": int(gone.sum()), "first": found.iloc[0], "last": found.iloc[-1],
            "usual": usual}


def _run_lengths(marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Length of each run of equal values, twice: what to repeat, and how often."""
    edges = np.flatnonzero(np.diff(marks.astype(int))) + 1
    lengths = np.diff(np.concatenate([[0], edges, [len(marks)]]))
    return lengths, lengths


def silent_remarks(silent: pd.DataFrame, names: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each school, what it does to the numbers, and what to do."""
    return tuple(
        f"{names.get(row.school_id, 'A school')} sent no row on {row.n_days} school days between "
        f"{row.first:%Y-%m-%d} and {row.last:%Y-%m-%d} (usually {row.usual:.0f} a day). Everybody counts as present on "
        "them: send these days, or mark them in the calendar as days without school."
        for row in silent.itertuples())
