"""What the review's workbook and notes say besides: contact details, long runs, training, visits, peers, schools."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.panel import spells
from evalkit.programme import active_assignments, book_of, contact_freshness
from evalkit.programme.mentors import FRESH_DAYS
from evalkit.programme.training import (
    CORE_TOPICS,
    OBSERVED_TWICE,
    observed_mentors,
    peers_below_grade,
    training_by_mentor,
    training_coverage,
    training_log,
)
from evalkit.reports.gate import Gate
from evalkit.wording import listed, plural

RUN, LONG_RUN = 3, 10


def long_runs(study) -> pd.DataFrame:
    """Every run of 3 days or more missed whole this year, newest first. Grain: student_id x first_date.

    n_days, last_date, is_current (up to the last school day), is_10_or_more.
    """
    columns = ["student_id", "first_date", "last_date", "n_days", "is_current", "is_10_or_more"]
    if "daily" not in study.can:
        return pd.DataFrame(columns=columns)
    rows = spells(study, book=book_of(study))
    rows = rows[rows["n_days"] >= RUN]
    rows = rows.assign(is_10_or_more=rows["n_days"] >= LONG_RUN)
    return rows.sort_values(["last_date", "n_days", "student_id"], ascending=[False, False, True])[columns].reset_index(
        drop=True)


def run_words(run: int) -> str:
    """The mark of a run of ten days or more."""
    return "10+ days: " if run >= LONG_RUN else ""


def freshness(study) -> dict[str, int] | None:
    """Contact details of mentored students' families: fresh, stale, unknown; None without names. Team copies only."""
    students = active_assignments(study)["student_id"]
    if "identity" not in study.can or students.empty:
        return None
    return contact_freshness(study.table("identity").drop_duplicates("student_id"), students, study.as_of)


def contacts_to_check(study) -> pd.DataFrame:
    """Mentored students whose family's contact was not checked for 60 days, longest ago first. Grain: student_id."""
    pairs = active_assignments(study).drop_duplicates("student_id", keep="last")[["student_id", "mentor_id"]]
    known = study.table("identity").drop_duplicates("student_id").set_index("student_id")["last_verified_date"]
    rows = pairs.assign(last_checked_on=pairs["student_id"].map(known))
    age = (study.as_of - rows["last_checked_on"]).dt.days
    rows = rows[age.isna() | (age > FRESH_DAYS)]
    return rows.sort_values(["last_checked_on", "student_id"], na_position="first", ignore_index=True)


def sentences(study, gate: Gate) -> list[str]:
    """For the note under what mentors did, team only: contact details, training, visits, peers."""
    if not gate.is_team or "assignment" not in study.can:
        return []
    return [text for text in (_contact_words(study), _training_words(study), _visit_words(study), _peer_words(study))
            if text]


def _contact_words(study) -> str:
    found = freshness(study)
    if found is None:
        return ""
    old, of = found["stale"] + found["unknown"], sum(found.values())
    if not old:
        return f"The contact of all {of} mentored families was checked in the last {FRESH_DAYS} days."
    return (f"Contact details of {old} of {of} mentored families were not checked for {FRESH_DAYS} days: "
            "tables/contacts_to_check.")


def _training_words(study) -> str:
    if training_log(study).empty:
        return ""
    rows = training_coverage(study)
    core = rows[rows["topic"].isin(CORE_TOPICS)]
    had = listed(f"{row.topic} {row.n}" for row in core.itertuples())
    return f"Training, of {plural(int(core['of'].iloc[0]), 'mentor')}: {had}."


def _visit_words(study) -> str:
    if "observation" not in study.can:
        return ""
    seen = observed_mentors(study)
    n = int((seen["n_observed"] >= OBSERVED_TWICE).sum())
    return f"Visited twice this year: {n} of {plural(len(seen), 'mentor')}."


def _peer_words(study) -> str:
    n = len(peers_below_grade(study))
    said = f"**Look again:** {plural(n, 'trained peer')} with a student below grade 6 (tables/peers_below_grade)."
    return said if n else ""


def tables(study) -> dict[str, pd.DataFrame]:
    """For the team's workbook: runs, contacts to check, training and visits by mentor, peers below the grade rule."""
    found = {"runs": long_runs(study)}
    if "assignment" in study.can:
        found |= {"peers_below_grade": peers_below_grade(study)}
        if "identity" in study.can:
            found["contacts_to_check"] = contacts_to_check(study)
        if not training_log(study).empty:
            found["training"] = training_by_mentor(study)
        if "observation" in study.can:
            found["observations"] = observed_mentors(study)
    return {name: table for name, table in found.items() if len(table)}


def numbers(study) -> dict[str, Any]:
    """results.json `programme`, team only: the same counts."""
    runs = long_runs(study)
    found: dict[str, Any] = {"runs_3_or_more": len(runs), "runs_10_or_more": int(runs["is_10_or_more"].sum())}
    if (fresh := freshness(study)) is not None:
        found["contact_freshness"] = fresh
    if "assignment" in study.can:
        found["peers_below_grade"] = len(peers_below_grade(study))
        found["training"] = [{"topic": row.topic, "n": row.n, "of": row.of} for row in
                             training_coverage(study).itertuples()] if not training_log(study).empty else []
    return found


def past_20(rows: pd.DataFrame) -> str:
    """Which schools are past 20 %, as a sentence. rows: school, n, n_chronic, all of them shown."""
    over = rows.loc[5 * rows["n_chronic"] >= rows["n"], "school"].tolist()
    if len(over) > 2 and len(over) == len(rows):
        return "Every school is at 20% or more."
    under = [name for name in rows["school"] if name not in over]
    if len(over) > 2 and len(under) == 1:
        return f"20% or more: every school but {under[0]}."
    return f"20% or more: {listed(over)}." if over else "No school is at 20%."


def schools_note(rows: pd.DataFrame) -> str:
    """The note under the schools' figure. rows: as for `past_20`."""
    return ("Schools stand in the order of their ids. They are not ranked: intervals overlap. "
            f"A student of two schools counts at both. {past_20(rows)}")
