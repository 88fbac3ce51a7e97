"""Who has someone at school: answers of students, adults named on record, and families' estimates of days missed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.programme.spans import active_assignments, book_of
from evalkit.vocabulary import plain

ITEMS = ("trusted_adult", "friend_at_school", "belonging")
YES = {plain(word) for word in ("yes", "y", "true", "1", "1.0", "agree", "strongly agree", "si", "sí", "de acuerdo",
                                "muy de acuerdo", "often", "always")}
NO = {plain(word) for word in ("no", "n", "false", "0", "0.0", "disagree", "strongly disagree", "en desacuerdo",
                               "muy en desacuerdo", "never", "rarely")}


def answers(study) -> pd.DataFrame:
    """Students' answers on trusted adult, friend and belonging, this year up to as_of. Grain: student_id x item x
    asked_on. is_yes: agree, yes, 1; disagree, no, 0 are no; any other answer is left out."""
    rows = study.table("survey")
    first = pd.Timestamp(study.school_year - 1, 7, 1)
    asked = rows["item"].isin(ITEMS) & rows["asked_on"].between(first, study.as_of)
    asked &= rows["respondent"].isna() | rows["respondent"].eq("student").fillna(False)
    rows = rows[asked & rows["value"].notna()]
    said = rows["value"].astype("str").map(plain)
    rows = rows.assign(is_yes=said.isin(YES))[(said.isin(YES) | said.isin(NO)).to_numpy()]
    rows = rows.sort_values(["student_id", "item", "asked_on"], kind="stable")
    return rows.drop_duplicates(["student_id", "item", "asked_on"], keep="last")[
        ["student_id", "item", "asked_on", "is_yes"]].reset_index(drop=True)


def newest_answers(study) -> pd.DataFrame:
    """Each student's newest answer to each item. Grain: student_id x item; asked_on, is_yes."""
    return answers(study).drop_duplicates(["student_id", "item"], keep="last").reset_index(drop=True)


def connection(study) -> pd.DataFrame:
    """Students with each connection among those who answered, by whether they have a mentor now. Grain: item x group
    (with a mentor, no mentor, all); n, n_yes."""
    rows = newest_answers(study)
    matched = rows["student_id"].isin(active_assignments(study)["student_id"])
    parts = [rows.assign(group=np.where(matched, "with a mentor", "no mentor")), rows.assign(group="all")]
    both = pd.concat(parts, ignore_index=True)
    table = both.groupby(["item", "group"], as_index=False).agg(n=("is_yes", "size"), n_yes=("is_yes", "sum"))
    place = {name: k for k, name in enumerate((*ITEMS, "with a mentor", "no mentor", "all"))}
    keys = table["item"].map(place), table["group"].map(place)
    return table.assign(a=keys[0], b=keys[1]).sort_values(["a", "b"], ignore_index=True)[
        ["item", "group", "n", "n_yes"]].astype({"n_yes": "int64"})


def named_adults(study, students: pd.Series) -> pd.DataFrame:
    """Whether an adult is on record for each of `students`. Grain: student_id.

    has_mentor (a mentor today, trained peers aside), is_nominated (a relationship named in `nomination`), says_so
    (newest answer on trusted_adult is yes), has_adult: any of them.
    """
    kinds = study.table("mentor").drop_duplicates("mentor_id").set_index("mentor_id")["mentor_type"]
    pairs = active_assignments(study)
    adults = pairs[~pairs["mentor_id"].map(kinds).eq("peer").fillna(False)]["student_id"]
    newest = newest_answers(study)
    yes = newest.loc[(newest["item"] == "trusted_adult") & newest["is_yes"], "student_id"]
    table = pd.DataFrame({"student_id": pd.unique(students)})
    for name, found in (("has_mentor", adults), ("is_nominated", study.table("nomination")["student_id"]),
                        ("says_so", yes)):
        table[name] = table["student_id"].isin(found)
    return table.assign(has_adult=table[["has_mentor", "is_nominated", "says_so"]].any(axis=1))


def without_friend(study, students: pd.Series) -> pd.DataFrame:
    """Students of `students` whose newest answer says they have no friend at school yet. Grain: student_id; asked_on,
    has_mentor, has_adult. A list for peer mentoring (seed 004), for the team only."""
    newest = newest_answers(study)
    rows = newest[(newest["item"] == "friend_at_school") & ~newest["is_yes"] & newest["student_id"].isin(students)]
    known = named_adults(study, rows["student_id"])
    found = rows[["student_id", "asked_on"]].merge(known[["student_id", "has_mentor", "has_adult"]], on="student_id")
    return found.sort_values(["has_adult", "student_id"], ignore_index=True)


def absence_by_answer(study) -> pd.DataFrame:
    """Days missed after an answer, by what was answered. Grain: item; a description of who differs, never an effect.

    For each student and item the first answer of the year: share of days missed from the day after it to as_of, at
    least 20 enrolled days. n_yes, n_no, rate_yes, rate_no, difference (yes minus no, shares) with ci_low, ci_high
    (Welch's interval). Items with under 2 students on a side are left out.
    """
    from evalkit.panel import window_panel

    columns = ["item", "n_yes", "n_no", "rate_yes", "rate_no", "difference", "ci_low", "ci_high"]
    first = answers(study).drop_duplicates(["student_id", "item"], keep="first")
    if first.empty or not {"daily", "rates"} <= study.can:
        return pd.DataFrame(columns=columns)
    asked = first.assign(start=first["asked_on"] + pd.Timedelta(days=1), end=study.as_of)
    panel = window_panel(study, asked[["student_id", "item", "is_yes", "start", "end"]], book=book_of(study))
    panel = panel[(panel["n_days"] >= LEAST_DAYS) & panel["absence_rate"].notna()]
    rows = [_two_groups(item, panel[panel["item"] == item]) for item in ITEMS]
    return pd.DataFrame([row for row in rows if row], columns=columns)


LEAST_DAYS = 20


def _two_groups(item: str, part: pd.DataFrame) -> dict[str, object]:
    """Mean share of both groups and Welch's 95 % interval of the difference."""
    from scipy import special

    yes, no = (part.loc[part["is_yes"] == flag, "absence_rate"].to_numpy(float) for flag in (True, False))
    if min(len(yes), len(no)) < 2:
        return {}
    parts = np.array([yes.var(ddof=1) / len(yes), no.var(ddof=1) / len(no)])
    total = parts.sum()
    difference = float(yes.mean() - no.mean())
    df = total**2 / (parts[0] ** 2 / (len(yes) - 1) + parts[1] ** 2 / (len(no) - 1)) if total else 1.0
    half = float(special.stdtrit(df, 0.975) * np.sqrt(total))
    return {"item": item, "n_yes": len(yes), "n_no": len(no), "rate_yes": float(yes.mean()),
            "rate_no": float(no.mean()), "difference": difference, "ci_low": difference - half,
            "ci_high": difference + half}


def family_estimates(study) -> pd.DataFrame:
    """What families thought their child had missed beside the days on record. Grain: student_id (newest answer).

    asked_on, guess (days), missed (days on record from the year's start to that day). Seed 004: families
    underestimate by half.
    """
    from evalkit.panel import window_panel

    columns = ["student_id", "asked_on", "guess", "missed"]
    rows = study.table("survey")
    first = pd.Timestamp(study.school_year - 1, 7, 1)
    asked = rows["item"].eq("estimated_days_missed").fillna(False) & rows["asked_on"].between(first, study.as_of)
    asked &= rows["respondent"].isna() | rows["respondent"].eq("family").fillna(False)
    rows = rows[asked].assign(guess=lambda r: pd.to_numeric(r["value"], errors="coerce"))
    rows = rows[rows["guess"].notna() & rows["guess"].ge(0)].sort_values(["student_id", "asked_on"], kind="stable")
    rows = rows.drop_duplicates("student_id", keep="last")
    if rows.empty or "daily" not in study.can:
        return pd.DataFrame(columns=columns)
    windows = rows[["student_id", "asked_on", "guess"]].assign(start=first, end=rows["asked_on"])
    panel = window_panel(study, windows, book=book_of(study))
    here = panel["enrolled_units"].isna() | panel["enrolled_units"].gt(0).fillna(False)
    found = panel[here].rename(columns={"absent_days": "missed"})
    return found[columns].reset_index(drop=True)
