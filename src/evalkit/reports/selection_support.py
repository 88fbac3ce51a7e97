"""Training and support of mentors on the selection's last page: topics, who has had them, visits to watch and help."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.programme.training import OBSERVED_TWICE, observed_mentors, training_by_mentor, training_coverage
from evalkit.render.blocks import Callout, Column, Table
from evalkit.reports.gate import Gate
from evalkit.wording import date_words, number

NAMES = {"orientation": "Orientation", "confidentiality": "Keeping trust (confidentiality)", "referral": "How to refer",
         "resources": "Resources near us"}


def has_training(study) -> bool:
    """Whether any training session is logged."""
    return bool(study.table("team_meeting")["kind"].eq("training").fillna(False).any())


def training_table(study, gate: Gate) -> Table | Callout:
    """Each topic and how many mentors have had it; visits by an observer. Counts of mentors, never a ranking."""
    title = gate.fixed("Training and support of mentors")
    if "assignment" not in study.can or not (has_training(study) or "observation" in study.can):
        text = ("Rows of team_meeting with kind = training (date, topic, mentor_ids) would show who has had which "
                "topic; the table observation, who was visited.")
        return Callout(title, (gate.fixed(text),), tone="caution")
    rows = _topics(study) + _visits(study, gate)
    frame = pd.DataFrame(rows).rename(columns={"n": "n_mentors", "of": "n_with_student"})
    frame = frame.astype({"n_mentors": "Int64", "n_with_student": "Int64"})
    has_peers = study.table("mentor")["mentor_type"].eq("peer").fillna(False).any()
    counts = ("n_mentors", "n_with_student") if has_peers else ()  # trained peers are students, other mentors are not
    keys = ("what", "last") if has_peers else ("what", "last", "n_mentors", "n_with_student")
    table = gate.table("training", frame, keys=keys, counts=counts,
                       within={"n_mentors": "n_with_student"} if has_peers else {})
    columns = (Column("what", "Topic or visit"), Column("n_mentors", "Mentors", "integer", "have had it"),
               Column("n_with_student", "Of", "integer", "with a student now"), Column("last", "Newest"))
    note = "Who has had what is in tables/training_by_mentor." if gate.is_team else table.rule if has_peers else ""
    measure = gate.fixed("This school year. New mentors need the first four before they start.")
    return Table(title, measure, table, columns, note=gate.fixed(note), key="training")


def _topics(study) -> list[dict[str, Any]]:
    if not has_training(study):
        return []
    return [{"what": NAMES.get(row.topic, str(row.topic).replace("_", " ").capitalize()), "n": row.n, "of": row.of,
             "last": date_words(row.last_on, year=False) if pd.notna(row.last_on) else "not yet"}
            for row in training_coverage(study).itertuples()]


def _visits(study, gate: Gate) -> list[dict[str, Any]]:
    if "observation" not in study.can:
        return []
    seen = observed_mentors(study)
    newest = date_words(seen["last_on"].max(), year=False) if seen["last_on"].notna().any() else "not yet"
    score = seen["mean_score"].mean()
    said = "Visited twice or more"
    if gate.is_team and pd.notna(score):
        said += f" (mean score {number(100 * score)} of 100)"
    return [{"what": said, "n": int((seen["n_observed"] >= OBSERVED_TWICE).sum()), "of": len(seen), "last": newest}]


def training_tables(study, gate: Gate) -> dict[str, pd.DataFrame]:
    """For the team's workbook: each mentor's training dates and visits. Mentors stand by id, never by a score."""
    if not gate.is_team or "assignment" not in study.can:
        return {}
    found: dict[str, pd.DataFrame] = {}
    if has_training(study):
        found["training_by_mentor"] = training_by_mentor(study)
    if "observation" in study.can:
        found["observations"] = observed_mentors(study)
    return found
