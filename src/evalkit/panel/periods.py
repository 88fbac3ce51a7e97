"""Period attendance rolled up to days by a named rule (`[rules] period_rollup`), for school-days without a daily row.

A period's share missed is its minutes not present, or what its code says. Everything is counted in whole numbers:
a day is absent when twice what was missed is at least what was scheduled, never by a rounded share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import narwhals as nw
import pandas as pd

from evalkit.engine import Source, collect_small
from evalkit.errors import UserError
from evalkit.panel import marks as step
from evalkit.rules import UNITS_PER_DAY, Rules

READ = ("student_id", "school_id", "date", "period", "code_local", "minutes_scheduled", "minutes_present")
KEYS = ("student_id", "school_id", "date")
ROLLED_UP = "(periods)"
EVERY_PERIOD_SHARE = 0.5
"""A school's period file holds every period when at least half its rows say no more than present."""


def add_periods(rows: step.Rows, source: Source | None, codes: pd.DataFrame, rules: Rules, *,
                form: str = "auto") -> step.Rows:
    """The rows with a day made of periods for each student where the school has no daily row on that date.

    source: the table attendance_period or nothing. A file of missed periods only needs `[rules] periods_in_day`, or the
    rule homeroom; at a school that also sends daily rows it is left out without them, at any other it is refused.
    """
    if source is None or (isinstance(source, pd.DataFrame) and not source["date"].between(rows.first, rows.last).any()):
        return rows
    table = _meant(rows, source, codes, rules)
    counts, meant = count_periods(table), table
    counts["every_period"] = every_period(counts).to_numpy() if form == "auto" else form == "every_day"
    if rules.period_rollup == "homeroom":
        table = table.filter(nw.col("period") == rules.homeroom_period)
    usable = _usable_schools(rows, counts, rules)
    open_days = rows.dated.select("school_id", "date").unique()
    known = rows.session.open_table(usable[["school_id", "every_period"]])
    table = table.join(open_days, on=["school_id", "date"], how="anti").join(known, on="school_id", how="inner")
    return replace(rows, rolled=_days(table, rules), period_counts=counts, meant=meant)


def _meant(rows: step.Rows, source: Source, codes: pd.DataFrame, rules: Rules) -> nw.LazyFrame:
    """Each period row of the year with the units of it that were missed (of UNITS_PER_DAY a period)."""
    table = rows.session.open_table(source, columns=READ)
    there = table.collect_schema().names()
    kinds: dict[str, type[nw.String] | type[nw.Int64]] = {
        "period": nw.String, "code_local": nw.String, "minutes_scheduled": nw.Int64, "minutes_present": nw.Int64}
    table = table.with_columns(
        **{name: nw.lit(None, dtype=kind) for name, kind in kinds.items() if name not in there},
        status=nw.lit(None, dtype=nw.String), absent_days_units=nw.lit(None, dtype=nw.Int64),
        minutes_absent=nw.lit(None, dtype=nw.Int64), reason_code=nw.lit(None, dtype=nw.String))
    table = table.with_columns(says_nothing=nw.col("code_local").is_null() & nw.col("minutes_present").is_null())
    table = step.with_meaning(step.within(table, rows), rows.session, codes, rules)
    minutes, present = nw.col("minutes_scheduled"), nw.col("minutes_present")
    ruled = (nw.col("suspension") != "") | nw.col("is_out")
    timed = ~ruled & (minutes > 0) & ~present.is_null()
    missed = nw.max_horizontal(minutes - present, nw.lit(0))
    by_code = nw.when(nw.col("says_nothing")).then(nw.lit(UNITS_PER_DAY)).otherwise(nw.col("absent_share"))
    share = nw.when(timed).then(missed * UNITS_PER_DAY // nw.max_horizontal(minutes, nw.lit(1))).otherwise(by_code)
    exact = nw.when(timed).then(missed * UNITS_PER_DAY).otherwise(minutes.fill_null(0) * by_code)
    return table.with_columns(missed_share=share.cast(nw.Int64), missed_minutes=exact.cast(nw.Int64),
                              has_minutes=(minutes > 0).fill_null(False))


def count_periods(table: nw.LazyFrame, *, by: Sequence[str] = ("school_id",)) -> pd.DataFrame:
    """Per school (or school and date): n period rows with their meaning, n_plain of them no more than present."""
    plain = ((nw.col("missed_share") == 0) & ~nw.col("is_tardy") & ~nw.col("is_out") & (nw.col("suspension") == ""))
    return step.count_plain(table.with_columns(plain=plain.cast(nw.Int64)), by)


def every_period(counts: pd.DataFrame) -> pd.Series:
    """Whether each school's period rows hold every period, not only those missed (by school_id)."""
    return (counts["n_plain"] >= EVERY_PERIOD_SHARE * counts["n"]).set_axis(counts["school_id"])


def _usable_schools(rows: step.Rows, counts: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The schools whose periods can be rolled up; refused where a school has nothing else."""
    if rules.period_rollup == "homeroom" or rules.periods_in_day:
        return counts
    thin = counts[~counts["every_period"]]
    if len(thin):
        daily = collect_small(rows.dated.select("school_id").unique())["school_id"]
        if not thin["school_id"].isin(daily).all():
            raise UserError(
                "The table attendance_period seems to leave out periods that were attended (under half of a school's "
                "rows say present), so a day's number of periods is not known.",
                column="period", remedy="Say it in study.toml: [rules] periods_in_day = 7. Or take one period for the "
                'day: period_rollup = "homeroom" and homeroom_period = "HR".')
    return counts[counts["every_period"]]


def _days(table: nw.LazyFrame, rules: Rules) -> nw.LazyFrame:
    """Periods added up to student x school x date, in the columns of an attendance row with its meaning."""
    inside = (~nw.col("is_out")).cast(nw.Int64)
    missed = (nw.col("missed_share") > 0).cast(nw.Int64)
    table = table.with_columns(
        inside=inside, tardy=nw.col("is_tardy").cast(nw.Int64), missed=missed,
        unexcused=missed * (~nw.col("is_excused")).cast(nw.Int64), timed=nw.col("has_minutes").cast(nw.Int64),
        minutes_in=nw.col("minutes_scheduled").fill_null(0) * inside, full=nw.col("every_period").cast(nw.Int64))
    sums = ("missed_share", "missed_minutes", "inside", "tardy", "missed", "unexcused", "timed", "minutes_in")
    days = table.group_by(*KEYS).agg(*(nw.col(name).sum().cast(nw.Int64) for name in sums), n=nw.len().cast(nw.Int64),
                                     full=nw.col("full").max(), suspension=nw.col("suspension").max())
    return _as_rows(_ruled(days, rules))


def _ruled(days: nw.LazyFrame, rules: Rules) -> nw.LazyFrame:
    """What was scheduled and missed, in minutes where every period has them, else in periods; and the rule's share."""
    in_minutes = (nw.col("full") == 1) & (nw.col("timed") == nw.col("n"))
    given = nw.col("inside") * UNITS_PER_DAY
    if rules.period_rollup != "homeroom" and rules.periods_in_day:
        whole = nw.max_horizontal(nw.lit(rules.periods_in_day) - (nw.col("n") - nw.col("inside")), nw.lit(0))
        given = nw.when(nw.col("full") == 1).then(given).otherwise(whole * UNITS_PER_DAY)
    days = days.with_columns(
        total=nw.when(in_minutes).then(nw.col("minutes_in") * UNITS_PER_DAY).otherwise(given),
        lost=nw.when(in_minutes).then(nw.col("missed_minutes")).otherwise(nw.col("missed_share")),
        minutes_absent=nw.when(in_minutes).then(nw.col("missed_minutes") // UNITS_PER_DAY).otherwise(
            nw.lit(None, dtype=nw.Int64)))
    return days.with_columns(is_out=nw.col("total") <= 0, absent_share=_share(rules))


def _share(rules: Rules) -> nw.Expr:
    lost, total, day = nw.col("lost"), nw.col("total"), UNITS_PER_DAY
    if rules.period_rollup == "half_day_bands":
        part = nw.when(lost * 4 <= total * 3).then(nw.lit(day // 2)).otherwise(nw.lit(day))
        share = nw.when(lost * 4 < total).then(nw.lit(0)).otherwise(part)
    else:
        share = nw.when(lost * 2 >= total).then(nw.lit(day)).otherwise(nw.lit(0))
    return nw.when((total <= 0) | (lost <= 0)).then(nw.lit(0)).otherwise(share).cast(nw.Int64)


def _as_rows(days: nw.LazyFrame) -> nw.LazyFrame:
    """The columns that a daily row has once its code is looked up."""
    absent, late = nw.col("absent_share") > 0, nw.col("tardy") > 0
    excused = absent & (nw.col("unexcused") == 0)
    said = nw.when(excused).then(nw.lit("ExcusedAbsence")).otherwise(nw.lit("UnexcusedAbsence"))
    calm = nw.when(late).then(nw.lit("Tardy")).otherwise(nw.lit("Present"))
    status = nw.when(absent).then(said).otherwise(calm)
    return days.with_columns(
        own_status=nw.when(nw.col("is_out")).then(nw.lit("NotExpected")).otherwise(status),
        is_tardy=~absent & late & ~nw.col("is_out"), is_excused=excused, code_row=nw.lit(None, dtype=nw.Int64),
        code_local=nw.lit(ROLLED_UP), reason_code=nw.lit(None, dtype=nw.String),
        suspension=nw.when(absent | (nw.col("suspension") == "in")).then(nw.col("suspension")).otherwise(nw.lit("")),
    ).select(*KEYS, *step.MEANT)
