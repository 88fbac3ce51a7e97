"""Training and support of mentors: which topics they have had, who was observed, and peers below the grade rule."""

from __future__ import annotations

import pandas as pd

from evalkit.programme.spans import active_assignments, year_days
from evalkit.selection.propose import PEER_GRADES

CORE_TOPICS = ("orientation", "confidentiality", "referral", "resources")
"""What mentors are trained in before they start (seed 001 2d); further topics are listed as they are logged."""
OBSERVED_TWICE = 2


def training_log(study) -> pd.DataFrame:
    """Who came to which training this year. Grain: meeting_id x mentor_id; date, topic ("not given" when blank)."""
    table = study.table("team_meeting")
    table = table[table["kind"].eq("training").fillna(False) & table["date"].notna()]
    days = year_days(study)
    first = days["date"].min() - pd.Timedelta(days=92) if len(days) else pd.Timestamp(study.school_year - 1, 7, 1)
    table = table[(table["date"] >= first) & (table["date"] <= study.as_of)]
    rows = table.assign(mentor_id=table["mentor_ids"].fillna("").astype("str").str.split(";")).explode("mentor_id")
    rows["mentor_id"] = rows["mentor_id"].astype("str").str.strip()
    rows["topic"] = rows["topic"].fillna("not given").astype("str").str.strip()
    return rows.loc[rows["mentor_id"].ne(""), ["meeting_id", "date", "topic", "mentor_id"]].reset_index(drop=True)


def training_coverage(study) -> pd.DataFrame:
    """Mentors with a student today who have had each topic this year. Grain: topic, the four of the seed first.

    n: of them trained in it; of: mentors with a student today; last_on: the topic's newest session (missing: none).
    """
    log = training_log(study)
    active = set(active_assignments(study)["mentor_id"])
    topics = [*CORE_TOPICS, *sorted(set(log["topic"]) - set(CORE_TOPICS))]
    reached = log[log["mentor_id"].isin(active)].groupby("topic")["mentor_id"].nunique()
    newest = log.groupby("topic")["date"].max()
    table = pd.DataFrame({"topic": topics})
    table["n"] = table["topic"].map(reached).fillna(0).astype("int64")
    return table.assign(of=len(active), last_on=pd.to_datetime(table["topic"].map(newest)))


def training_by_mentor(study) -> pd.DataFrame:
    """Every mentor with a student today and the newest date of each topic (missing: not yet). Grain: mentor_id."""
    log = training_log(study)
    active = sorted(set(active_assignments(study)["mentor_id"]))
    newest = log.groupby(["mentor_id", "topic"])["date"].max().unstack()
    topics = [*CORE_TOPICS, *sorted(set(newest.columns) - set(CORE_TOPICS))]
    return newest.reindex(index=active, columns=topics).rename_axis("mentor_id").reset_index()


def observed_mentors(study) -> pd.DataFrame:
    """Fidelity observations this year of mentors with a student today. Grain: mentor_id, in order.

    n_observed, mean_score (0-1, missing when never), last_on. Small numbers of visits: no mentor is ranked by them.
    """
    table = study.table("observation")
    first = pd.Timestamp(study.school_year - 1, 7, 1)
    table = table[table["date"].between(first, study.as_of)]
    found = table.groupby("mentor_id").agg(n_observed=("date", "size"), mean_score=("score", "mean"),
                                           last_on=("date", "max"))
    active = sorted(set(active_assignments(study)["mentor_id"]))
    rows = found.reindex(active).rename_axis("mentor_id").reset_index()
    return rows.assign(n_observed=rows["n_observed"].fillna(0).astype("int64"))


def peers_below_grade(study) -> pd.DataFrame:
    """Pairings in force of a trained peer with a student below grade 6. Grain: student_id x mentor_id; grade_level.

    Trained peers support freshmen and older, not young children (seed 000): each such pairing is to be looked at again.
    """
    pairs = active_assignments(study)[["student_id", "mentor_id", "begin_date"]]
    kinds = study.table("mentor").drop_duplicates("mentor_id").set_index("mentor_id")["mentor_type"]
    grades = study.table("student").drop_duplicates("student_id").set_index("student_id")["grade_level"]
    pairs = pairs.assign(grade_level=pairs["student_id"].map(grades))
    is_peer = pairs["mentor_id"].map(kinds).eq("peer").fillna(False)
    low = pairs["grade_level"].notna() & ~pairs["grade_level"].isin(PEER_GRADES)
    return pairs[is_peer & low].reset_index(drop=True)
