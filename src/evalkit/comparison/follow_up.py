"""What happened after the landmark: each set's common window, own enrolled and absent days in it, who is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalkit import measures
from evalkit.comparison.risk_sets import World
from evalkit.comparison.starts import NEVER, as_dates, measure
from evalkit.panel import DayBook
from evalkit.panel.calendar import as_ordinal

LEAST_AFTER = 20
"""Enrolled school days in the follow-up below which a student counts as lost."""
TOO_SHORT = "fewer than 20 enrolled school days of follow-up"
WITHOUT_SET = "every partner had fewer than 20 enrolled school days of follow-up"


def set_ends(world: World, members: pd.DataFrame, *, together: bool = True) -> np.ndarray:
    """Last day of each member's window: the plan's end, or the day before a partner of its set gets a mentor.

    members: set, treated, started. together: sets are pairs (one with a few), which share a window; else each row ends
    the day before its own start. Ordinals; NEVER = as far as the data go.
    """
    planned = NEVER
    if world.plan.follow_up_end:
        planned = int(as_ordinal([pd.Timestamp(world.plan.follow_up_end)])[0])
    own = np.where(members["treated"] == 1, NEVER, members["started"].to_numpy("int64") - 1)
    if together:
        own = pd.Series(own).groupby(members["set"].to_numpy()).transform("min").to_numpy("int64")
    return np.minimum(own, planned)


def measure_follow_up(world: World, members: pd.DataFrame, *, together: bool = True) -> pd.DataFrame:
    """Add the window's end and the outcome columns: enrolled/absent units and days, absence_rate, is_chronic."""
    ends = set_ends(world, members, together=together)
    out = []
    for mine, book in world.books_of(members["treated"]):
        rows, last = members[mine], ends[mine]
        if book is not world.book:
            last = _same_number(world, rows, last)
        spent = measure(world.study, book, rows["student_id"], rows["own_landmark"], np.minimum(last, NEVER))
        out.append(rows.assign(
            follow_up_end=as_dates(np.minimum(last, _last_counted(book, rows))).to_numpy(),
            n_days=spent["n_days"].fillna(0).to_numpy("int64"),
            enrolled_units=spent["enrolled_units"].fillna(0).to_numpy("int64"),
            absent_units=spent["absent_units"].fillna(0).to_numpy("int64"),
            enrolled_days=spent["enrolled_days"].to_numpy(float), absent_days=spent["absent_days"].to_numpy(float),
            absence_rate=spent["absence_rate"].to_numpy(float),
            is_chronic=measures.is_chronic(spent, rules=world.study.rules).to_numpy()))
    return pd.concat(out).sort_index().astype({"is_chronic": "boolean"})


def _last_counted(book: DayBook, rows: pd.DataFrame) -> np.ndarray:
    """The last day that counts at each row's school (complete_through or as_of)."""
    days = book.days[book.days["counted"]]
    last = pd.Series(as_ordinal(days["date"]), index=days["school_id"]).groupby(level=0).max()
    return rows["school_id"].map(last).fillna(NEVER).to_numpy("int64")


def _same_number(world: World, rows: pd.DataFrame, last: np.ndarray) -> np.ndarray:
    """Last year's window ends on the same school day number as this year's (whose data may stop early)."""
    days = world.book.days
    counted = days[days["counted"]].groupby("school_id")["day_number"].max()
    reach = rows["school_id"].map(counted).fillna(0).to_numpy("int64")
    own_calendar = days.drop_duplicates("school_id").set_index("school_id")["calendar"]
    this_year = rows["school_id"].map(own_calendar).fillna(0).to_numpy("int64")
    number = np.minimum(reach, world.calendars.number_on(this_year, np.minimum(last, 900_000)))
    return np.minimum(world.pool_calendars.date_of_number(rows["calendar"].to_numpy("int64"), number),
                      np.where(rows["started"] < NEVER, rows["started"] - 1, NEVER))


def drop_short(members: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Keep who has 20 enrolled days; a treated takes its set along, a set without partners goes.

    Gives the kept rows with weight 1 for the treated and 1/k for each of k partners left, and a reason by lost row.
    """
    enough = members["n_days"] >= LEAST_AFTER
    reason = pd.Series("", index=members.index, dtype="str").mask(~enough, TOO_SHORT)
    treated = members["treated"] == 1
    gone = members.loc[treated & ~enough, "set"]
    partners = members[~treated & enough & ~members["set"].isin(gone)].groupby("set").size()
    alone = treated & enough & ~members["set"].isin(partners.index)
    reason = reason.mask(alone, WITHOUT_SET)
    reason = reason.mask(~treated & enough & members["set"].isin(gone), "its treated student " + "had " + TOO_SHORT)
    kept = members[reason == ""]
    count = kept["set"].map(partners).to_numpy(float)
    return kept.assign(weight=np.where(kept["treated"] == 1, 1.0, 1.0 / count)), reason


def attrition(members: pd.DataFrame, kept: pd.DataFrame) -> Mapping[str, Any]:
    """Who was chosen and is not in the result, by arm, in students, so that it adds up with the flow.

    n: chosen. lost: too few days of follow-up of their own. with_set: enough days, but their set fell apart.
    """
    found = {}
    for name, arm in (("treated", 1), ("comparison", 0)):
        mine = members[members["treated"] == arm]
        gone = mine[~mine["student_id"].isin(kept.loc[kept["treated"] == arm, "student_id"])]
        lost = gone.loc[gone["n_days"] < LEAST_AFTER, "student_id"].nunique()
        found[name] = {"n": mine["student_id"].nunique(), "lost": int(lost),
                       "with_set": int(gone["student_id"].nunique() - lost)}
    return found
