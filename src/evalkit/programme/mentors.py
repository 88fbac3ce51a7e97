"""The mentors themselves: caseloads against caps, who logs, closures, and the way from applying to closing."""

from __future__ import annotations

import pandas as pd

from evalkit.programme.dosage import answered_absences, wilson
from evalkit.programme.spans import active_assignments, assignments, held_contacts, kept, year_days
from evalkit.selection import CAPS

SMALL_CASELOAD = 10
EARLY_REASONS = ("student_left", "mentor_left", "family_declined", "student_declined", "other")
FRESH_DAYS = 60


def caseloads(study, start=None, end=None, *, caps: dict[str, int] | None = None) -> pd.DataFrame:
    """Active students against the cap, and calls after absences with a Wilson interval. Grain: mentor_id.

    Sorted by school and mentor, never by a result. `is_small` marks a mentor whose absences are too few to say
    anything (under 10): such a row is student data.
    """
    key = f"caseloads {start} {end} {sorted((caps or {}).items())}"
    return kept(study, key, lambda: _caseloads(study, start, end, caps)).copy()


def _caseloads(study, start, end, caps: dict[str, int] | None) -> pd.DataFrame:
    mentors = study.table("mentor")
    active = active_assignments(study).groupby("mentor_id")["student_id"].nunique()
    table = mentors[["mentor_id", "school_id", "mentor_type", "capacity"]].copy()
    table["n_students"] = table["mentor_id"].map(active).fillna(0).astype("int64")
    default = table["mentor_type"].map(CAPS | (caps or {})).fillna(CAPS["other"])
    table["cap"] = table["capacity"].astype("float64").fillna(default).astype("int64")
    table["is_over_cap"] = table["n_students"] > table["cap"]
    table["n_open"] = (table["cap"] - table["n_students"]).clip(lower=0)
    table.loc[_gone(mentors, study.as_of) | _to_come(mentors, study.as_of), "n_open"] = 0
    held = held_contacts(study, start, end)
    table["n_contacts"] = table["mentor_id"].map(held.groupby("mentor_id").size()).fillna(0).astype("int64")
    minutes = held.groupby("mentor_id")["minutes"].sum()
    table["minutes"] = table["mentor_id"].map(minutes).astype("float64").fillna(0.0)
    last = held_contacts(study).groupby("mentor_id")["date"].max()
    table["last_contact_on"] = last.reindex(table["mentor_id"]).to_numpy()  # an empty one cannot be mapped
    return _with_answers(study, table, start, end).sort_values(["school_id", "mentor_id"]).reset_index(drop=True)


def _with_answers(study, table: pd.DataFrame, start, end) -> pd.DataFrame:
    calls = answered_absences(study, start, end)
    found = calls.groupby("mentor_id")["answered"].agg(n_absences="size", n_answered="sum") if len(calls) else None
    for column in ("n_absences", "n_answered"):
        table[column] = table["mentor_id"].map(found[column]).fillna(0).astype("int64") if found is not None else 0
    ends = [
        wilson(n, of) if of else (None, None) for n, of in zip(table["n_answered"], table["n_absences"], strict=True)
    ]
    table["share"] = table["n_answered"] / table["n_absences"].where(table["n_absences"] > 0)
    table["ci_low"], table["ci_high"] = [low for low, _ in ends], [high for _, high in ends]
    table["is_small"] = table["n_absences"] < SMALL_CASELOAD
    return table


def _gone(mentors: pd.DataFrame, as_of) -> pd.Series:
    return mentors["end_date"].notna() & (mentors["end_date"] < as_of)


def _to_come(mentors: pd.DataFrame, as_of) -> pd.Series:
    """Mentors who start later, or had not applied yet: they have no open place on `as_of`."""
    return (mentors["start_date"] > as_of) | (mentors["applied_date"] > as_of)


def mentors_without_logs(study, start=None, end=None) -> pd.DataFrame:
    """Mentors with an active student and no log row in the window, with n_students. Grain: mentor_id."""
    active = active_assignments(study).groupby("mentor_id")["student_id"].nunique().rename("n_students").reset_index()
    logged = held_contacts(study, start, end, attempts=True)["mentor_id"]
    return active[~active["mentor_id"].isin(logged)].reset_index(drop=True)


def closures(study) -> pd.DataFrame:
    """Pairings ended by as_of: reason, weeks they lasted, and whether they closed early.

    Early: before the year's last school day, for a reason other than goal met, year end or school end.
    Grain: student_id x mentor_id x begin_date.
    """
    table = assignments(study)
    ended = table[table["end_date"].notna() & (table["end_date"] <= study.as_of)].copy()
    ended["reason"] = ended["end_reason"].fillna("not given")
    ended["weeks"] = (ended["end_date"] - ended["begin_date"]).dt.days / 7
    days = year_days(study)
    last = days["date"].max() if len(days) else pd.NaT
    ended["is_early"] = ended["reason"].isin((*EARLY_REASONS, "not given")) & ~(ended["end_date"] >= last)
    return ended.reset_index(drop=True)


def mentor_funnel(study) -> pd.DataFrame:
    """How many mentors applied, were screened, trained, matched, are active, and have closed. Grain: stage."""
    mentors, as_of = study.table("mentor"), study.as_of
    matched = assignments(study)["mentor_id"]
    active = active_assignments(study)["mentor_id"]
    reached = {
        stage: int((mentors[f"{stage}_date"] <= as_of).sum()) if mentors[f"{stage}_date"].notna().any() else None
        for stage in ("applied", "screened", "trained")
    }
    reached |= {"matched": matched.nunique(), "active": active.nunique(), "closed": int(_gone(mentors, as_of).sum())}
    return pd.DataFrame({"stage": list(reached), "n": pd.array(list(reached.values()), dtype="Int64")})


def contact_freshness(identity: pd.DataFrame, students: pd.Series, on) -> dict[str, int]:
    """Family contact details of `students`: fresh (checked in the last 60 days), stale, unknown.

    Takes the identity table as an argument: only a team report may read it.
    """
    known = identity.set_index("student_id")["last_verified_date"].reindex(pd.unique(students))
    age = (pd.Timestamp(on) - known).dt.days
    return {
        "fresh": int((age <= FRESH_DAYS).sum()),
        "stale": int((age > FRESH_DAYS).sum()),
        "unknown": int(age.isna().sum()),
    }
