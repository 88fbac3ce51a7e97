"""Two ways to ask the attendance rows the same questions: in an engine, or from rows taken once and cut at a date.

A monthly review looks back at every month-end of the year. Taking the rows once and asking them again as of an earlier
date gives the same day book as reading the study anew, in a small part of the time (a test compares the two).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import narwhals as nw
import numpy as np
import pandas as pd

from evalkit.engine import DEFAULT, Source, collect_small, open_session
from evalkit.panel import calendar as cal
from evalkit.panel import marks as step
from evalkit.panel.periods import add_periods, count_periods, every_period
from evalkit.rules import Rules

TAKEN_AT_MOST = 2_000_000
"""Rows of a table that are held in memory; above it the engine is asked each time."""
_KEYS = ["student_id", "school_id", "date"]
_BY_DAY = ("school_id", "date")


@dataclass(frozen=True)
class InEngine:
    """The rows of a year in an open engine."""

    rows: step.Rows
    codes: pd.DataFrame
    rules: Rules

    def counts(self) -> pd.DataFrame:
        """Per school: n rows, n_plain of them no more than present; daily rows decide where a school has both."""
        return pd.concat([_per_school(self._by_day), self.rows.period_counts], ignore_index=True).drop_duplicates(
            "school_id")

    @cached_property
    def _by_day(self) -> pd.DataFrame:
        return step.share_plain(self.rows, self.codes, by=_BY_DAY)

    def first_and_last(self) -> pd.DataFrame:
        """Every student_id x school_id with the dates of its first and last row."""
        return step.first_and_last(self.rows)

    def distinct_days(self) -> pd.DataFrame:
        """Every school_id x date with a row."""
        return step.distinct_days(self.rows)

    def marks(self, pieces: pd.DataFrame) -> pd.DataFrame:
        """The rows that say more than present, each beside the pieces of its student and school."""
        return step.collect_marks(step.interpret(self.rows, self.codes, self.rules), self._pieces(pieces))

    def rows_per_piece(self, pieces: pd.DataFrame, days: pd.DataFrame) -> pd.Series:
        """How many rows lie on counted days of each piece."""
        dates = None if self.rows.rolled is not None else self._by_day["date"].unique()
        return step.rows_per_piece(self.rows, pieces, days, dates)

    def days_seen(self, pieces: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
        """The distinct piece x day_row that have a row."""
        return step.days_seen(self.rows, self._pieces(pieces), self._days(days)).astype("int64")

    def _pieces(self, pieces: pd.DataFrame) -> nw.LazyFrame:
        return step.lazy_pieces(self.rows.session, pieces)

    def _days(self, days: pd.DataFrame) -> nw.LazyFrame:
        return step.lazy_days(self.rows.session, days)


@dataclass(frozen=True)
class AllKeys:
    """The keys of every row of a year, read when they are first asked for and shared by all moments."""

    opened: Callable[[], AbstractContextManager[step.Rows]]

    @cached_property
    def frame(self) -> pd.DataFrame:
        with self.opened() as rows:
            return collect_small(rows.keyed.with_columns(date=nw.col("date").cast(nw.Datetime("us"))), order=_KEYS)


@dataclass(frozen=True)
class Taken:
    """The rows of a year in memory: said (more than present, with their meaning; `who` is the place of its student and
    school in the index who), daily and periods (school_id x date: n, n_plain of daily and of period rows), up to
    `last`. every: the keys of every row, which only schools without enrolment, or with a row for every day, are asked
    for."""

    said: pd.DataFrame
    who: pd.MultiIndex
    daily: pd.DataFrame
    periods: pd.DataFrame
    last: pd.Timestamp
    every: AllKeys

    @cached_property
    def keys(self) -> pd.DataFrame:
        """Student, school and date of every row."""
        return _until(self.every.frame, self.last)

    def up_to(self, last: pd.Timestamp) -> Taken | None:
        """The same rows up to `last`; nothing where the way periods are rolled up was another one then."""
        parts = {name: _until(getattr(self, name), last) for name in ("said", "daily", "periods")}
        if not _same_roll_up(self.periods, parts["periods"]):
            return None
        return replace(self, **parts, last=last)

    def counts(self) -> pd.DataFrame:
        both = [_per_school(part) for part in (self.daily, self.periods)]
        return pd.concat(both, ignore_index=True).drop_duplicates("school_id")

    def first_and_last(self) -> pd.DataFrame:
        dates = self.keys.groupby(["student_id", "school_id"])["date"]
        return dates.agg(entry_date="min", exit_date="max").reset_index()

    def distinct_days(self) -> pd.DataFrame:
        return self.keys[["school_id", "date"]].drop_duplicates().sort_values(["school_id", "date"], ignore_index=True)

    def marks(self, pieces: pd.DataFrame) -> pd.DataFrame:
        who = self.who.get_indexer(pd.MultiIndex.from_frame(pieces[["student_id", "school_id"]]))
        theirs = pd.DataFrame({"who": who, "piece": pieces["piece"].to_numpy()})
        return self.said.merge(theirs[who >= 0], on="who")[step.MARK]

    def rows_per_piece(self, pieces: pd.DataFrame, days: pd.DataFrame) -> pd.Series:
        return self._placed(pieces, days).groupby("piece").size()

    def days_seen(self, pieces: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
        return self._placed(pieces, days).drop_duplicates(ignore_index=True)

    def _placed(self, pieces: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
        columns = ["student_id", "school_id", "piece", "calendar", "row_first", "row_end"]
        both = self.keys.merge(pieces[columns], on=["student_id", "school_id"])
        row = cal.day_rows(days, both["calendar"].to_numpy("int64"), cal.as_ordinal(both["date"]))
        inside = (row >= both["row_first"]) & (row < both["row_end"])
        return pd.DataFrame({"piece": both["piece"].to_numpy("int64"), "day_row": row})[inside.to_numpy()]


def take_rows(events: Source, periods: Source | None, codes: pd.DataFrame, rules: Rules, *, year: int,
              last: pd.Timestamp, engine: str = DEFAULT) -> Taken:
    """Read a year's rows once, in the engine, into memory."""
    first, end = cal.year_bounds(year)

    @contextmanager
    def opened() -> Iterator[step.Rows]:
        with open_session(engine, sources=[events] if periods is None else [events, periods]) as session:
            rows = step.open_rows(session, events, first=first, last=min(last, end))
            yield add_periods(rows, periods, codes, rules)

    with opened() as rows:
        said = step.said_rows(step.interpret(rows, codes, rules)).select("student_id", "school_id", *step.SAID)
        said = collect_small(said, order=_KEYS)
        daily = step.share_plain(rows, codes, by=_BY_DAY)
        rolled = pd.DataFrame() if rows.meant is None else count_periods(rows.meant, by=_BY_DAY)
    # each student and school is compared as text once here, and not at every look
    said["who"], who = pd.factorize(pd.MultiIndex.from_frame(said[["student_id", "school_id"]]))
    return Taken(said, who, daily, rolled, min(last, end), AllKeys(opened))


def _until(frame: pd.DataFrame, last: pd.Timestamp) -> pd.DataFrame:
    return frame[frame["date"] <= last] if len(frame) else frame


def _per_school(by_day: pd.DataFrame) -> pd.DataFrame:
    place, schools = pd.factorize(by_day["school_id"] if len(by_day) else pd.Series(dtype="str"), sort=True)
    sums = {name: np.bincount(place, weights=by_day[name] if len(by_day) else None, minlength=len(schools))
            for name in ("n", "n_plain")}
    return pd.DataFrame({"school_id": pd.Series(schools, dtype="str"), **sums}).astype(dict.fromkeys(sums, "int64"))


def _same_roll_up(whole: pd.DataFrame, part: pd.DataFrame) -> bool:
    """Whether each school with periods so far would have been taken the same way on that date."""
    if whole.empty:
        return True
    then, now = (every_period(_per_school(frame)) for frame in (part, whole))
    return bool((then == now.reindex(then.index)).all())
