"""The numbers behind the selection pages, worked out once per run: lists, breakdowns, scores, proposals, places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit.errors import UsageError, must_be_one_of
from evalkit.measures import breakdown
from evalkit.panel import student_panel
from evalkit.programme import active_assignments, book_of, caseloads, kept
from evalkit.selection import (
    Pairing,
    Weights,
    candidates,
    prior_year_list,
    propose_assignments,
    summer_list,
    warning_list,
    with_pooled_zip,
)

GROUPS = {
    "grade_level": "grade",
    "sex": "sex",
    "race_ethnicity": "race or ethnicity",
    "english_learner": "English learner",
    "disability_idea": "special education",
    "econ_disadvantaged": "economic disadvantage",
    "zip": "zip code",
}


@dataclass(frozen=True)
class Selection:
    """scored: everyone on the roll. tables: group -> breakdown in the DATT's columns. capacity: grain school_id."""

    scored: pd.DataFrame
    prior: pd.DataFrame
    warned: pd.DataFrame
    summer: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    basis: str
    pairing: Pairing
    capacity: pd.DataFrame

    def route(self, name: str) -> pd.DataFrame:
        return self.scored[self.scored["route"] == name].reset_index(drop=True)


def _parts(params) -> dict[str, str]:
    """The score's settings: "need=45 ... grades=KG,06,09" as name -> text; an unknown name is refused."""
    known = ("need", "transition", "persistence", "adult", "grade_rate", "grades")
    found = dict(part.partition("=")[::2] for part in params.score.split())
    for name in found:
        must_be_one_of("A part of score", name, known)
    return found


def weights_of(params) -> Weights:
    """The report's weights, as the score takes them; what is not named keeps its default."""
    try:
        return Weights(**{name: float(text) for name, text in _parts(params).items() if name != "grades"})
    except ValueError:
        raise UsageError("score holds a weight that is not a number.",
                         remedy='Write it as "need=45 transition=15 grades=KG,06,09".') from None


def grades_of(params) -> tuple[str, ...]:
    """The transition grades asked for."""
    text = _parts(params).get("grades", "KG,06,09")
    return tuple(grade for grade in text.split(",") if grade)


def selection_of(study, params) -> Selection:
    """Everything, made once for a study and the same parameters."""
    key = f"selection {params.score} {params.floor} {params.audience}"
    return kept(study, key, lambda: _make(study, params))


def _make(study, params) -> Selection:
    book = book_of(study)
    has_mentors = {"mentor", "assignment"} <= study.can or "mentor" in study.can
    matched = active_assignments(study)["student_id"]
    scored = candidates(
        study, matched=matched, weights=weights_of(params), transition=grades_of(params), floor=params.floor, book=book
    )
    year = student_panel(study, book=book)
    tables, basis = _breakdowns(study, scored)
    loads = _open_places(study) if has_mentors else _no_mentors()
    pairing = propose_assignments(_to_match(study, scored, params), loads, study.table("nomination"))
    return Selection(
        scored=scored,
        prior=prior_year_list(study, scored["student_id"]),
        warned=warning_list(study, scored["student_id"], book=book),
        summer=summer_list(scored, year, transition=grades_of(params), rules=study.rules),
        tables=tables,
        basis=basis,
        pairing=pairing,
        capacity=_capacity(study, scored, loads),
    )


def _to_match(study, scored: pd.DataFrame, params) -> pd.DataFrame:
    """Students to match, with the home language in a team copy only (identity is read nowhere else)."""
    rows = scored[scored["route"] == "match"]
    spoken: dict[str, Any] = {}
    if params.audience == "team":
        identity = study.table("identity").drop_duplicates("student_id")
        spoken = dict(zip(identity["student_id"], identity["home_language"], strict=True))
    return rows.assign(home_language=[spoken.get(student) for student in rows["student_id"]])


def _open_places(study) -> pd.DataFrame:
    loads = caseloads(study)
    extra = study.table("mentor").drop_duplicates("mentor_id").set_index("mentor_id")["languages"]
    return loads.assign(languages=loads["mentor_id"].map(extra))


def _no_mentors() -> pd.DataFrame:
    columns = ("mentor_id", "school_id", "mentor_type", "languages", "n_open", "n_students", "cap")
    return pd.DataFrame({name: pd.Series(dtype="float64" if name.startswith("n_") else "str") for name in columns})


def _breakdowns(study, scored: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], str]:
    """Bands by group on this year's days, or on last year's before 20 of this year's days have passed."""
    known = scored["need_from"].eq("this year").mean() >= 0.5 if len(scored) else False
    names = ("enrolled_units", "absent_units") if known else ("prior_enrolled_units", "prior_absent_units")
    frame = scored.assign(
        enrolled_units=scored[names[0]].astype("Int64"),
        absent_units=scored[names[1]].astype("Int64"),
        zip=with_pooled_zip(scored),
    )
    for name in ("english_learner", "disability_idea", "econ_disadvantaged"):
        frame[name] = frame[name].map({True: "yes", False: "no"})
    tables = {name: breakdown(frame, name, rules=study.rules) for name in GROUPS if frame[name].notna().any()}
    return tables, "this year" if known else "last year"


def _capacity(study, scored: pd.DataFrame, loads: pd.DataFrame) -> pd.DataFrame:
    """Students to match against open places, a row per school in order of its id. gap above 0: places are short."""
    to_match = scored[scored["route"] == "match"].groupby("school_id").size()
    matched = scored[scored["route"] == "has_mentor"].groupby("school_id").size()
    places = loads.groupby("school_id")["n_open"].sum()
    schools = sorted({*scored["school_id"].dropna(), *loads["school_id"].dropna()})
    table = pd.DataFrame({"school_id": schools})
    for name, found in (("n_to_match", to_match), ("n_matched", matched), ("n_open", places)):
        table[name] = table["school_id"].map(found).fillna(0).astype("int64")
    table["gap"] = (table["n_to_match"] - table["n_open"]).clip(lower=0)
    return table.assign(school=[study.school_name(school) for school in table["school_id"]])
