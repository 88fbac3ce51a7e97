"""What happened after the landmark: each set's common window, own enrolled and absent days in it, who is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit import measures
from evalkit.comparison.planned_outcome import WITHOUT_EARLIER, WITHOUT_VALUE
from evalkit.comparison.problem import weights_of_subclasses
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
    """Add the window's end and the outcome columns: enrolled/absent units and days, absence_rate, is_chronic, and the
    plan's own outcome of attendance, where it is another."""
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
            is_chronic=measures.is_chronic(spent, rules=world.study.rules).to_numpy(),
            **_planned(world, spent, book)))
    return pd.concat(out).sort_index().astype({"is_chronic": "boolean"})


_ALWAYS = ("absence_rate", "absent_days", "is_chronic")


def _planned(world: World, spent: pd.DataFrame, book: DayBook) -> dict[str, Any]:
    """The plan's own outcome of attendance in each window, where it is none of those that always stand there."""
    outcome = world.plan.outcome
    if outcome in _ALWAYS or measures.outcome_row(outcome) is None:
        return {}
    return {outcome: measures.count_outcome(world.study, outcome, spent, book=book).array}


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


def followed(members: pd.DataFrame) -> np.ndarray:
    """Who has 20 enrolled school days of follow-up."""
    return (members["n_days"] >= LEAST_AFTER).to_numpy(bool)


@dataclass(frozen=True)
class Loss:
    """Why somebody is left out: for lack of something of their own, of their partners', of their treated student's."""

    own: str
    partners: str
    focal: str


SHORT = Loss(TOO_SHORT, WITHOUT_SET, "its treated student had " + TOO_SHORT)
NO_EARLIER = Loss(WITHOUT_EARLIER, "every partner had " + WITHOUT_EARLIER,
                  "its treated student had " + WITHOUT_EARLIER)
NO_VALUE = Loss(WITHOUT_VALUE, "every partner had " + WITHOUT_VALUE, "its treated student had " + WITHOUT_VALUE)


def drop_from_sets(members: pd.DataFrame, enough: np.ndarray, why: Loss) -> tuple[pd.DataFrame, pd.Series]:
    """Keep who has enough; a treated takes its set along, a set without partners goes.

    Gives the kept rows with weight 1 for the treated and 1/k for each of k partners left, and a reason by lost row.
    """
    reason = pd.Series("", index=members.index, dtype="str").mask(~enough, why.own)
    treated = members["treated"] == 1
    gone = members.loc[treated & ~enough, "set"]
    partners = members[~treated & enough & ~members["set"].isin(gone)].groupby("set").size()
    alone = treated & enough & ~members["set"].isin(partners.index)
    reason = reason.mask(alone, why.partners)
    reason = reason.mask(~treated & enough & members["set"].isin(gone), why.focal)
    kept = members[reason == ""]
    count = kept["set"].map(partners).to_numpy(float)
    return kept.assign(weight=np.where(kept["treated"] == 1, 1.0, 1.0 / count)), reason


def drop_rows(members: pd.DataFrame, enough: np.ndarray, why: Loss) -> tuple[pd.DataFrame, pd.Series]:
    """As `drop_from_sets`, for methods that weight groups or everybody: groups of one arm go, weights count anew."""
    reason = pd.Series("", index=members.index, dtype="str").mask(~enough, why.own)
    kept = members[reason == ""]
    if (members["set"] < 0).all():
        return kept.assign(weight=kept["base_weight"]), reason
    both = kept.groupby("set")["treated"].transform("nunique") == 2
    reason.loc[kept.index[~both]] = "nobody of the other group of its set is left"
    kept = kept[both]
    codes = np.unique(kept["set"], return_inverse=True)[1]
    return kept.assign(weight=weights_of_subclasses(codes, kept["treated"].to_numpy(), "ATT")), reason


def attrition(members: pd.DataFrame, kept: pd.DataFrame, *, needs: Sequence[str] = ()) -> Mapping[str, Any]:
    """Who was chosen and is not in the result, by arm, in students, so that it adds up with the flow.

    n: chosen. lost: too few days of follow-up of their own, or no value of a column the estimate needs. with_set: both,
    but their set fell apart.
    """
    unseen = members[[name for name in needs if name in members]].isna().any(axis=1)
    found = {}
    for name, arm in (("treated", 1), ("comparison", 0)):
        mine = members[members["treated"] == arm]
        gone = mine[~mine["student_id"].isin(kept.loc[kept["treated"] == arm, "student_id"])]
        lost = gone.loc[(gone["n_days"] < LEAST_AFTER) | unseen[gone.index], "student_id"].nunique()
        found[name] = {"n": mine["student_id"].nunique(), "lost": int(lost),
                       "with_set": int(gone["student_id"].nunique() - lost)}
    return found
