"""The heavy step, in Narwhals lazy: attendance rows become marks, one per student-day that is not plainly present.

A mark points at an enrolment piece and a numbered school day, so that everything after it is whole-number arithmetic.
Rows are read once, each dimension is joined once, and only marks (or counts) leave the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import pandas as pd

from evalkit.engine import Session, Source, collect_small
from evalkit.rules import UNITS_PER_DAY, Rules, to_units

ABSENT = ("ExcusedAbsence", "UnexcusedAbsence", "Unverified")
READ = ("student_id", "school_id", "date", "code_local", "status", "absent_days", "absent_days_units",
        "minutes_absent", "reason_code")
SAID = ["date", "absent_share", "minutes_absent", "is_out", "is_tardy", "is_excused", "suspension", "status",
        "code_row", "code_local", "reason_code"]
MARK = ["piece", *SAID]
MEANT = ["absent_share", "minutes_absent", "is_out", "is_tardy", "is_excused", "suspension", "own_status", "code_row",
         "code_local", "reason_code"]
_KEYS = ["student_id", "school_id", "date"]


@dataclass(frozen=True)
class Rows:
    """The attendance rows of one school year, opened in an engine. rolled: days made of periods, already with their
    meaning; period_counts: per school, how many period rows there are and how many plainly say present; meant: the
    period rows themselves, with their meaning."""

    session: Session
    table: nw.LazyFrame
    first: pd.Timestamp
    last: pd.Timestamp
    rolled: nw.LazyFrame | None = None
    period_counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    meant: nw.LazyFrame | None = None

    @property
    def dated(self) -> nw.LazyFrame:
        return within(self.table, self)

    @property
    def keyed(self) -> nw.LazyFrame:
        """Student, school and date of every row, made of periods or not."""
        keys = self.dated.select(_KEYS)
        return keys if self.rolled is None else nw.concat([keys, self.rolled.select(_KEYS)])


def within(table: nw.LazyFrame, rows: Rows) -> nw.LazyFrame:
    """The rows of the year, their date as a date."""
    inside = (nw.col("date") >= nw.lit(rows.first.date())) & (nw.col("date") <= nw.lit(rows.last.date()))
    return table.with_columns(nw.col("date").cast(nw.Date)).filter(inside)


def open_rows(session: Session, events: Source, *, first: pd.Timestamp, last: pd.Timestamp) -> Rows:
    """The event table, with every column the step reads (missing ones as nothing)."""
    table = session.open_table(events, columns=READ)
    there = table.collect_schema().names()
    if "absent_days_units" not in there:
        share = nw.col("absent_days") if "absent_days" in there else nw.lit(None, dtype=nw.Float64)
        scaled = (share.cast(nw.Float64) * UNITS_PER_DAY).round(0).cast(nw.Int64)
        table = table.with_columns(absent_days_units=_thirds(share.cast(nw.Float64), scaled))
    kinds: dict[str, Any] = {"code_local": nw.String, "status": nw.String, "minutes_absent": nw.Int64,
                             "reason_code": nw.String}
    blank = {name: nw.lit(None, dtype=kind) for name, kind in kinds.items() if name not in there}
    return Rows(session, table.with_columns(**blank) if blank else table, first, last)


def _thirds(share: nw.Expr, scaled: nw.Expr) -> nw.Expr:
    """0.33 and 0.67 of a day mean thirds."""
    one, two = (to_units(text) for text in ("0.33", "0.67"))
    third, thirds = (share - 0.33).abs() < 1e-9, (share - 0.67).abs() < 1e-9
    return nw.when(third).then(nw.lit(one)).otherwise(nw.when(thirds).then(nw.lit(two)).otherwise(scaled))


def plain_codes(codes: pd.DataFrame) -> list[str]:
    """Codes that by themselves say no more than present, in every district."""
    plain = (codes["code_units"].fillna(0).eq(0) & codes["code_status"].isin(["", "Present"]) & ~codes["code_out"]
             & ~codes["code_tardy"] & codes["suspension"].eq(""))
    return sorted(set(codes["code_local"][plain]) - set(codes["code_local"][~plain]))


def _says_present(codes: list[str]) -> nw.Expr:
    """A row that adds nothing to a plain code. Most rows of an every-day file go here, before any join."""
    return (nw.col("code_local").is_in(codes) & nw.col("status").fill_null("Present").is_in(["Present"])
            & (nw.col("absent_days_units").fill_null(0) == 0) & (nw.col("minutes_absent").fill_null(0) == 0))


def interpret(rows: Rows, codes: pd.DataFrame, rules: Rules) -> nw.LazyFrame:
    """Each row with its share absent (units of a day), and whether it is out, tardy, excused or a suspension.

    The event's own value wins over its code's; the rules on tardies and suspensions win over both. Rows that plainly
    say present are left out.
    """
    table = rows.dated.with_columns(nw.col("code_local").fill_null(""))
    table = with_meaning(table.filter(~_says_present(plain_codes(codes))), rows.session, codes, rules)
    if rows.rolled is None:
        return table
    table = table.with_columns(nw.col("code_row").cast(nw.Int64), nw.col("minutes_absent").cast(nw.Int64))
    return nw.concat([table.select(*_KEYS, *MEANT), rows.rolled])


def with_meaning(table: nw.LazyFrame, session: Session, codes: pd.DataFrame, rules: Rules) -> nw.LazyFrame:
    """Rows joined to their codes; `interpret` for rows of any kind."""
    keys = [key for key in ("school_id", "code_local") if key in codes]
    known = session.open_table(codes.drop(columns="pattern"))
    table = table.with_columns(nw.col("code_local").fill_null("")).join(known, on=keys, how="left").with_columns(
        own_status=nw.col("status").fill_null(""), suspension=nw.col("suspension").fill_null(""),
        status=nw.coalesce(nw.col("status"), nw.col("code_status"), nw.lit("")),
        code_out=nw.col("code_out").fill_null(False), code_tardy=nw.col("code_tardy").fill_null(False),
        code_excused=nw.col("code_excused").fill_null(False))
    status, absence = nw.col("status"), nw.col("status").is_in(ABSENT)
    table = table.with_columns(
        is_out=nw.col("code_out") | (status == "NotExpected"),
        is_tardy=(status == "Tardy") | (nw.col("code_tardy") & ~absence & (status != "NotExpected")),
        is_excused=(status == "ExcusedAbsence") | (nw.col("code_excused") & (status != "UnexcusedAbsence")))
    return table.with_columns(absent_share=_share(rules))


def _share(rules: Rules) -> nw.Expr:
    own, day, none = nw.col("absent_days_units"), nw.lit(UNITS_PER_DAY), nw.lit(0)
    by_status = nw.when(nw.col("status").is_in(ABSENT)).then(day).otherwise(none)
    by_code = nw.when(nw.col("own_status").is_in(["Present", "NotExpected"])).then(none).otherwise(
        nw.coalesce(nw.col("code_units"), by_status))
    stated = nw.coalesce(own, by_code)
    late = nw.max_horizontal(nw.coalesce(own, none), nw.lit(to_units(rules.tardy_counts)))
    share = nw.when(nw.col("is_tardy")).then(late).otherwise(stated)
    inside = day if rules.iss_counts else none
    share = nw.when(nw.col("suspension") == "in").then(inside).otherwise(share)
    if not rules.oss_counts:
        share = nw.when(nw.col("suspension") == "out").then(none).otherwise(share)
    share = nw.when(nw.col("is_out")).then(none).otherwise(share)
    return nw.min_horizontal(nw.max_horizontal(share, none), day).cast(nw.Int64)


def is_remarkable() -> nw.Expr:
    """True for a row that says more than "present"."""
    return ((nw.col("absent_share") > 0) | nw.col("is_out") | nw.col("is_tardy") | (nw.col("suspension") != "")
            | (nw.col("minutes_absent").fill_null(0) > 0))


def on_pieces(table: nw.LazyFrame, pieces: nw.LazyFrame) -> nw.LazyFrame:
    """Rows beside each enrolment piece of their student; `is_here` marks those of the piece's school.

    The join is on one text key: on two it took four times as long (11.4M rows, DuckDB). A filter on `is_here` would be
    made part of that join again, so whoever collects the rows looks at it afterwards.
    """
    on_piece = table.join(pieces, on="student_id", how="inner")
    return on_piece.with_columns(is_here=nw.col("school_id") == nw.col("piece_school"))


def place(table: nw.LazyFrame, pieces: nw.LazyFrame, days: nw.LazyFrame) -> nw.LazyFrame:
    """Rows on their piece and school day, rows on no school day gone; `is_here` looks at the piece's dates too."""
    placed = on_pieces(table, pieces).join(days, on=["calendar", "date"], how="inner")
    inside = (nw.col("date") >= nw.col("first_date")) & (nw.col("date") <= nw.col("last_date"))
    return placed.with_columns(is_here=nw.col("is_here") & inside)


def lazy_pieces(session: Session, pieces: pd.DataFrame) -> nw.LazyFrame:
    """Pieces as a small lazy table that rows are joined to."""
    columns = ["student_id", "school_id", "piece", "calendar", "first_date", "last_date"]
    spans = session.open_table(pieces[columns].rename(columns={"school_id": "piece_school"}))
    return spans.with_columns(nw.col("first_date").cast(nw.Date), nw.col("last_date").cast(nw.Date))


def lazy_days(session: Session, days: pd.DataFrame) -> nw.LazyFrame:
    """Counted school days as a small lazy table that rows are joined to."""
    numbered = session.open_table(days.loc[days["counted"], ["calendar", "date", "day_row"]])
    return numbered.with_columns(nw.col("date").cast(nw.Date))


def said_rows(table: nw.LazyFrame) -> nw.LazyFrame:
    """The remarkable rows. status and code_local are the row's own, only where the code (code_row) does not say them.
    Grain still that of the rows: a student-day can come twice."""
    return table.filter(is_remarkable()).with_columns(
        date=nw.col("date").cast(nw.Datetime("us")), status=_only(nw.col("own_status") != "", "own_status"),
        code_local=_only(nw.col("code_row").is_null(), "code_local"))


def collect_marks(table: nw.LazyFrame, spans: nw.LazyFrame) -> pd.DataFrame:
    """The remarkable rows beside the pieces of their student and school, in no order (some may lie outside a piece)."""
    found = collect_small(on_pieces(said_rows(table), spans).select(*MARK, "is_here"))
    here = found.pop("is_here").to_numpy(bool)
    return found if here.all() else found[here].reset_index(drop=True)


def _only(condition: nw.Expr, column: str) -> nw.Expr:
    """A text where it says more than its code does: texts are the dearest thing to carry."""
    return nw.when(condition).then(nw.col(column)).otherwise(nw.lit(None, dtype=nw.String))


def rows_per_piece(rows: Rows, pieces: pd.DataFrame, days: pd.DataFrame, dates: Any = None) -> pd.Series:
    """How many rows lie on a counted school day of each piece (by piece; none where there is none): fewer than its
    school days means days without any record. dates: all dates that have rows, where they are known.

    Nearly every date is a school day in all calendars, and nearly every student has one piece in a school: there a
    count by student and school says it, and only the rest is laid on its calendar row by row (11.4M rows: 0.8 instead
    of 1.7 CPU seconds).
    """
    counted = days.loc[days["counted"], ["calendar", "date"]]
    everywhere = counted.groupby("date")["calendar"].nunique().eq(days["calendar"].nunique())
    shared = everywhere.index[everywhere]
    is_shared = nw.col("date").is_in([date.date() for date in shared])
    only_shared = dates is not None and len(dates) > 0 and pd.Index(dates).isin(shared).all()
    keyed = rows.keyed if only_shared else rows.keyed.filter(is_shared)
    found = _alone_in_school(keyed, rows.session, pieces) if len(shared) else _nothing()
    settled = pieces["piece"].isin(found.index)
    parts = [found]
    if not only_shared and not everywhere.all() and len(found):
        parts.append(_placed(rows, rows.keyed.filter(~is_shared), pieces[settled], days))
    if not settled.all():
        parts.append(_placed(rows, rows.keyed, pieces[~settled], days))
    return pd.concat(parts).groupby(level=0).sum()


def _alone_in_school(keyed: nw.LazyFrame, session: Session, pieces: pd.DataFrame) -> pd.Series:
    """The rows of each piece that is its student's only one in the school, where all of them lie within its dates."""
    by_school = keyed.group_by("student_id", "school_id").agg(
        n=nw.len(), first=nw.col("date").min(), last=nw.col("date").max())
    within = (nw.col("first") >= nw.col("first_date")) & (nw.col("last") <= nw.col("last_date"))
    beside = on_pieces(by_school, lazy_pieces(session, pieces)).with_columns(whole=nw.col("is_here") & within)
    found = collect_small(beside.select("piece", "n", "whole"), order=["piece"])
    several = pieces["piece"].to_numpy()[pieces.duplicated(["student_id", "school_id"], keep=False).to_numpy()]
    found = found[found["whole"].to_numpy(bool) & ~found["piece"].isin(several).to_numpy(bool)]
    return found.set_index(found["piece"].astype("int64"))["n"].astype("int64")


def _placed(rows: Rows, keyed: nw.LazyFrame, pieces: pd.DataFrame, days: pd.DataFrame) -> pd.Series:
    """The rows of each piece, every one laid on its calendar."""
    placed = place(keyed, lazy_pieces(rows.session, pieces), lazy_days(rows.session, days))
    here = placed.select("piece", here=nw.when("is_here").then(nw.lit(1)))
    counts = collect_small(here.group_by("piece").agg(n=nw.col("here").count()), order=["piece"])
    return counts.set_index(counts["piece"].astype("int64"))["n"].astype("int64")


def _nothing() -> pd.Series:
    return pd.Series(dtype="int64", index=pd.Index([], dtype="int64", name="piece"), name="n")


def days_seen(rows: Rows, spans: nw.LazyFrame, days: nw.LazyFrame) -> pd.DataFrame:
    """The distinct piece x day that have a row, for the pieces in `spans`."""
    placed = place(rows.keyed, spans, days).filter(nw.col("is_here"))
    return collect_small(placed.select("piece", "day_row").unique(), order=["piece", "day_row"])


def share_plain(rows: Rows, codes: pd.DataFrame, *, by: Sequence[str] = ("school_id",)) -> pd.DataFrame:
    """Per school (or school and date): n rows, n_plain of them no more than present. Most rows plain means an every-day
    file."""
    table = rows.dated.with_columns(nw.col("code_local").fill_null(""))
    return count_plain(table.with_columns(plain=_says_present(plain_codes(codes)).cast(nw.Int64)), by)


def count_plain(table: nw.LazyFrame, by: Sequence[str]) -> pd.DataFrame:
    """n and n_plain of a table with a column `plain` of 0 and 1, dates as pandas keeps them."""
    table = table.select(*by, "plain")
    if "date" in by:
        table = table.with_columns(date=nw.col("date").cast(nw.Datetime("us")))
    return collect_small(table.group_by(*by).agg(n=nw.len(), n_plain=nw.col("plain").sum()), order=by)


def distinct_days(rows: Rows) -> pd.DataFrame:
    """Every school_id x date with a row."""
    found = collect_small(rows.keyed.select("school_id", "date").unique(), order=["school_id", "date"])
    return found.assign(date=pd.to_datetime(found["date"]))


def first_and_last(rows: Rows) -> pd.DataFrame:
    """Every student_id x school_id with its first and last row: stands in for spans where the study has none."""
    spans = rows.keyed.group_by("student_id", "school_id").agg(entry_date=nw.col("date").min(),
                                                              exit_date=nw.col("date").max())
    found = collect_small(spans, order=["student_id", "school_id"])
    return found.assign(entry_date=pd.to_datetime(found["entry_date"]), exit_date=pd.to_datetime(found["exit_date"]))
