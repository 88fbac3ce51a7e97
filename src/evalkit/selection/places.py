"""Where days are missed: schools past the 20 % line, school by zip, moves to a new school level, year by year."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd

from evalkit.measures import is_chronic, prior_rates
from evalkit.selection.lists import with_pooled_zip
from evalkit.vocabulary import grade_order

SCHOOL_LINE = 0.20
"""A school where 20 % or more miss 10 % of days: everybody's teaching is affected (seed 004)."""
MOVES = ("KG", "06", "09")


def judged(scored: pd.DataFrame, rules: Any, *, prior: bool = False) -> pd.DataFrame:
    """The rows that can be judged, with is_chronic (bool) on this year's days or, prior, on last year's."""
    names = ("prior_enrolled_units", "prior_absent_units") if prior else ("enrolled_units", "absent_units")
    days = pd.DataFrame({"enrolled_units": scored[names[0]].astype("Int64"),
                         "absent_units": scored[names[1]].astype("Int64")})
    flags = is_chronic(days, rules=rules)
    return scored.assign(is_chronic=flags)[flags.notna()].astype({"is_chronic": "bool"})


def school_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Students chronically absent by school, and whether the school is past 20 %. Grain: school_id, and "all" last.

    rows: `judged`. n_students, n_chronic, share, is_20. Decided on counts: 5 n_chronic >= n_students.
    """
    by = rows.groupby("school_id")["is_chronic"].agg(n_students="size", n_chronic="sum").reset_index()
    whole = {"school_id": "all", "n_students": by["n_students"].sum(), "n_chronic": by["n_chronic"].sum()}
    table = pd.concat([by, pd.DataFrame([whole])], ignore_index=True)
    table = table.astype({"n_students": "int64", "n_chronic": "int64"})
    share = table["n_chronic"] / table["n_students"].where(table["n_students"] > 0)
    return table.assign(share=share, is_20=5 * table["n_chronic"] >= table["n_students"])


def hot_spots(rows: pd.DataFrame) -> pd.DataFrame:
    """Students chronically absent by school and zip, rare zips pooled; most students over first.
    Grain: school_id x zip; n_students, n_chronic, share, beyond (n_chronic less what the whole share would give).

    rows: `judged`. Students without a zip stand under "not given". Source: seed 003, Kent (R67).
    """
    zips = with_pooled_zip(rows).fillna("not given")
    table = rows.assign(zip=zips).groupby(["school_id", "zip"])["is_chronic"].agg(n_students="size", n_chronic="sum")
    table = table.reset_index().astype({"n_chronic": "int64"})
    whole = rows["is_chronic"].mean() if len(rows) else 0.0
    table = table.assign(share=table["n_chronic"] / table["n_students"],
                         beyond=table["n_chronic"] - whole * table["n_students"])
    return table.sort_values(["beyond", "school_id", "zip"], ascending=[False, True, True], ignore_index=True)


def grade_moves(scored: pd.DataFrame, rules: Any, *, transition: tuple[str, ...] = MOVES) -> pd.DataFrame:
    """The same students last year and this year, by the grade they moved into. Grain: grade_level, in order.

    n_students (days of both years can be judged), n_before, n_now (chronically absent), before, now (shares), is_move
    (the grade is one of `transition`: a new school level). Students who repeat or skip count where they are now.
    """
    both = judged(judged(scored, rules, prior=True).rename(columns={"is_chronic": "was"}), rules)
    table = both.groupby("grade_level").agg(n_students=("is_chronic", "size"), n_before=("was", "sum"),
                                            n_now=("is_chronic", "sum")).reset_index()
    order = grade_order()
    table = table.sort_values("grade_level", key=lambda codes: codes.map(order), ignore_index=True)
    table = table.astype({"n_before": "int64", "n_now": "int64"})
    return table.assign(before=table["n_before"] / table["n_students"], now=table["n_now"] / table["n_students"],
                        is_move=table["grade_level"].isin(transition))


def previous_grade(grade: str) -> str:
    """The grade before one ("05" before "06"); "" before the first."""
    ahead = ["PR", "PK", "KG", *(f"{number:02d}" for number in range(1, 13))]
    return {b: a for a, b in pairwise(ahead)}.get(grade, "")


def year_by_year(study: Any, year: pd.DataFrame) -> pd.DataFrame:
    """Every school year the study knows, oldest first. Grain: school_year (END year); n_students, n_chronic, share.

    year: student_panel of the reported year, up to as_of (not yet a whole year: is_so_far). Years before are counted
    whole, from prior_year or the study's own rows, and only of students the study holds.
    """
    found = []
    for back in range(12, 0, -1):
        rows = prior_rates(study, school_year=study.school_year - back)
        if len(rows):
            flags = rows["is_chronic"].dropna()
            found.append({"school_year": study.school_year - back, "n_students": len(flags),
                          "n_chronic": int(flags.sum()), "is_so_far": False})
    flags = is_chronic(year, rules=study.rules).dropna()
    found.append({"school_year": study.school_year, "n_students": len(flags), "n_chronic": int(flags.sum()),
                  "is_so_far": True})
    table = pd.DataFrame(found)
    return table.assign(share=table["n_chronic"] / table["n_students"].where(table["n_students"] > 0))


def outcome_flags(study: Any) -> pd.DataFrame:
    """Behavior and course signs this year beside attendance. Grain: student_id; n_course, n_behavior (sums of values).

    From `outcome`: a measure whose name begins with course counts as a course sign, with behavior, suspension or
    referral as a behavior sign; one or more is a sign. Columns are there for what the study records only.
    """
    table = study.table("outcome")
    first = pd.Timestamp(study.school_year - 1, 7, 1)
    table = table[table["date"].isna() | table["date"].between(first, study.as_of)]
    name = table["measure"].fillna("").astype("str").str.lower()
    kinds = {"n_course": name.str.startswith("course"),
             "n_behavior": name.str.startswith(("behavior", "behaviour", "suspension", "referral"))}
    found = {column: table[mask].groupby("student_id")["value"].sum() for column, mask in kinds.items() if mask.any()}
    return pd.DataFrame(found).fillna(0).rename_axis("student_id").reset_index()


def sign_counts(scored: pd.DataFrame, warned: pd.DataFrame, flags: pd.DataFrame) -> pd.DataFrame:
    """Students on the roll by the signs they show. Grain: one row per combination; attendance, course, behavior
    (bools; only columns that are known), n_students; most signs first."""
    table = scored[["student_id"]].assign(attendance=scored["student_id"].isin(warned["student_id"]))
    for column in flags.columns.drop("student_id"):
        seen = flags.loc[flags[column] >= 1, "student_id"]
        table[column.removeprefix("n_")] = table["student_id"].isin(seen)
    names = [name for name in table.columns if name != "student_id"]
    counts = table.groupby(names).size().rename("n_students").reset_index()
    counts["n_signs"] = counts[names].sum(axis=1)
    return counts.sort_values(["n_signs", *names], ascending=[False, *([False] * len(names))], ignore_index=True)


__all__ = ["SCHOOL_LINE", "grade_moves", "hot_spots", "judged", "outcome_flags", "previous_grade",
           "school_table", "sign_counts", "year_by_year"]
