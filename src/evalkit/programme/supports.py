"""Every support a student has, mentors among them: by approach, tier and domain, and where supports overlap."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from evalkit.programme.spans import assignments
from evalkit.vocabulary import DOMAINS, need_domains

APPROACHES = ("prevention", "problem_solving", "mitigation")
TIERS = ("tier1", "tier2", "tier3")
MENTORING = {"approach": "problem_solving", "support_tier": "tier2", "domain": "social_emotional_behavioral"}
"""What a mentor is where the records do not say: a Tier 2 support (standards 2.4), someone to solve problems with."""
COLUMNS = ["student_id", "support", "approach", "support_tier", "domain", "n_sessions", "n_attended", "first_on",
           "last_on"]


def supports(study) -> pd.DataFrame:
    """What each student has had this year. Grain: student_id x support (an intervention code).

    support: intervention_code, "not given" when blank; a pairing without a code is MENTOR. n_sessions, n_attended:
    scheduled and attended sessions (missing for mentors, whose contacts are counted elsewhere). first_on, last_on: the
    span in which the student had it, up to as_of.
    """
    parts = [part for part in (_services(study), _mentors(study)) if len(part)]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})
    both = pd.concat(parts, ignore_index=True)
    return both.sort_values(["student_id", "support"], ignore_index=True)[COLUMNS]


def _services(study) -> pd.DataFrame:
    rows = study.table("service")
    first = pd.Timestamp(study.school_year - 1, 7, 1)
    rows = rows[rows["student_id"].notna() & rows["scheduled_date"].between(first, study.as_of)]
    rows = rows.assign(support=rows["intervention_code"].fillna("not given").astype("str"),
                       came=rows["attended"].eq(True).fillna(False).astype("int64"))
    rows = rows.sort_values(["scheduled_date", "service_id"], kind="stable")
    table = rows.groupby(["student_id", "support"], as_index=False).agg(
        approach=("approach", "last"), support_tier=("support_tier", "last"), domain=("domain", "last"),
        n_sessions=("service_id", "size"), n_attended=("came", "sum"), first_on=("scheduled_date", "min"),
        last_on=("scheduled_date", "max"))
    return table.astype({"n_sessions": "Int64", "n_attended": "Int64"})


def _mentors(study) -> pd.DataFrame:
    rows = assignments(study)
    rows = rows.assign(support=rows["intervention_code"].fillna("MENTOR").astype("str"),
                       ended=rows["end_date"].fillna(study.as_of).clip(upper=study.as_of))
    table = rows.groupby(["student_id", "support"], as_index=False).agg(
        first_on=("begin_date", "min"), last_on=("ended", "max"))
    blank = pd.array([pd.NA] * len(table), dtype="Int64")
    return table.assign(**MENTORING, n_sessions=blank, n_attended=blank)


def portfolio(rows: pd.DataFrame) -> pd.DataFrame:
    """Students by approach, tier and support, in that order. Grain: approach x support_tier x support.

    rows: `supports`. n_students, n_sessions, n_attended. What carries no tag stands under "not tagged".
    """
    tagged = rows.assign(approach=rows["approach"].fillna("not tagged"),
                         support_tier=rows["support_tier"].fillna("not tagged"))
    table = tagged.groupby(["approach", "support_tier", "support"], as_index=False).agg(
        n_students=("student_id", "nunique"), n_sessions=("n_sessions", lambda n: n.sum(min_count=1)),
        n_attended=("n_attended", lambda n: n.sum(min_count=1)))
    order = {name: place for place, name in enumerate((*APPROACHES, *TIERS))}
    keys = [table["approach"].map(order).fillna(99), table["support_tier"].map(order).fillna(99), table["support"]]
    return table.assign(a=keys[0], b=keys[1]).sort_values(["a", "b", "support"], ignore_index=True).drop(
        columns=["a", "b"])


def by_number(rows: pd.DataFrame) -> pd.DataFrame:
    """How many supports students have had this year. Grain: n_supports (1, 2, 3 ...); n_students."""
    counts = rows.groupby("student_id")["support"].nunique().value_counts().sort_index()
    return counts.rename_axis("n_supports").rename("n_students").reset_index()


def overlaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Two supports at one time: students whose spans of both share a day. Grain: first x second, most students first.

    rows: `supports`. A student who has both one after the other is not counted.
    """
    names = ["first", "second", "n_students"]
    found: dict[tuple[str, str], int] = {}
    for _, mine in rows.groupby("student_id"):
        for a, b in combinations(mine.sort_values("support").itertuples(), 2):
            if max(a.first_on, b.first_on) <= min(a.last_on, b.last_on):
                found[(a.support, b.support)] = found.get((a.support, b.support), 0) + 1
    table = pd.DataFrame([(*pair, n) for pair, n in found.items()], columns=names)
    return table.sort_values(["n_students", "first", "second"], ascending=[False, True, True], ignore_index=True)


def overlapping_students(rows: pd.DataFrame) -> pd.DataFrame:
    """Students with two supports or more this year and which. Grain: student_id; n_supports, supports (";")."""
    table = rows.groupby("student_id")["support"].agg(n_supports="nunique", supports=lambda s: ";".join(sorted(set(s))))
    table = table[table["n_supports"] > 1].reset_index()
    return table.sort_values(["n_supports", "student_id"], ascending=[False, True], ignore_index=True)


def by_domain(rows: pd.DataFrame, needs: pd.DataFrame) -> pd.DataFrame:
    """Needs and supports by the four domains of City Connects (seed 004). Grain: domain.

    rows: `supports`; needs: open barriers (student_id, pattern). n_needs: students with an open need; n_students:
    students with a support; n_supports: how many supports. What carries no domain stands under "not tagged".
    """
    wanted = needs.assign(domain=needs["pattern"].map(need_domains()).fillna("not tagged"))
    wanted = wanted.groupby("domain")["student_id"].nunique().rename("n_needs")
    tagged = rows.assign(domain=rows["domain"].fillna("not tagged"))
    table = tagged.groupby("domain").agg(n_students=("student_id", "nunique"), n_supports=("support", "nunique"))
    both = pd.concat([wanted, table], axis=1)
    names = [*DOMAINS, *sorted(name for name in both.index if name not in DOMAINS)]
    return both.reindex(names).fillna(0).astype("int64").rename_axis("domain").reset_index()


def support_dose(study) -> pd.DataFrame:
    """How much of each service students get. Grain: support, in order; services only, mentors are counted elsewhere.

    n_students, n_sessions, a_week (sessions scheduled per student and week, from a student's first to last session, a
    week at least), minutes (mean of attended sessions), group_size (median), in_day (share of sessions in the school
    day, of those where it is known), came (share attended). Source: seed 004 (ratio, 3 to 5 times a week, in the day).
    """
    columns = ["support", "n_students", "n_sessions", "a_week", "minutes", "group_size", "in_day", "came"]
    rows = study.table("service")
    first = pd.Timestamp(study.school_year - 1, 7, 1)
    rows = rows[rows["student_id"].notna() & rows["scheduled_date"].between(first, study.as_of)]
    found = []
    for support, part in rows.groupby(rows["intervention_code"].fillna("not given").astype("str"), sort=True):
        came = part[part["attended"].eq(True).fillna(False)]
        each = part.groupby("student_id")["scheduled_date"].agg(["size", "min", "max"])
        weeks = ((each["max"] - each["min"]).dt.days / 7).clip(lower=1)
        found.append([support, len(each), len(part), float(each["size"].sum() / weeks.sum()),
                      came["minutes"].astype("float64").mean(), part["group_size"].astype("float64").median(),
                      part["in_school_day"].astype("float64").mean(), len(came) / len(part)])
    return pd.DataFrame(found, columns=columns)
