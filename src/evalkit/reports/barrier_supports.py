"""What already exists: supports by approach and tier, where they overlap, needs by domain, and the inventory."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.patterns.findings import pattern_words
from evalkit.patterns.help import STALE_DAYS, open_barriers
from evalkit.programme.supports import (
    by_domain,
    by_number,
    overlapping_students,
    overlaps,
    portfolio,
    support_dose,
    supports,
)
from evalkit.render.blocks import Callout, Column, Row, Table
from evalkit.reports.barrier_facts import open_to
from evalkit.reports.gate import Gate
from evalkit.wording import date_words, listed

APPROACH = {"prevention": "Prevention", "problem_solving": "Problem solving", "mitigation": "Mitigation",
            "not tagged": "Not tagged"}
TIER = {"tier1": "Tier 1, everyone", "tier2": "Tier 2, some", "tier3": "Tier 3, few", "not tagged": "Not tagged"}
DOMAIN = {"academic": "Academic", "social_emotional_behavioral": "Social, emotional, behavioral",
          "physical_health": "Physical health", "family": "Family", "not tagged": "Not tagged"}



def support_words(code: str) -> str:
    """An intervention code as a person says it: SUCCESS-MENTOR is Success mentor."""
    return str(code).replace("-", " ").replace("_", " ").capitalize()


def support_blocks(study: Any, gate: Gate) -> list[Any]:
    """The portfolio, overlaps, needs and supports by domain, and what exists."""
    rows = supports(study)
    needs = [_domain_table(study, rows, gate)] if len(rows) or "barrier" in study.can else []
    if rows.empty:
        text = "Rows of service (intervention_code, approach, support_tier, domain) or assignment would switch this on."
        off = Callout(gate.fixed("Supports are not on record"), (gate.fixed(text),), tone="caution")
        return [off, *needs, _inventory(study, gate)]
    beside = [block for block in (_number_table(rows, gate), _overlap_table(rows, gate)) if block is not None]
    top = Row(((_portfolio_table(rows, gate), *needs), tuple(beside)), (7, 5))
    dose = _dose_table(study, gate)
    return [top, *([dose] if dose is not None else []), _inventory(study, gate)]


def support_tables(study: Any, gate: Gate) -> dict[str, pd.DataFrame]:
    """For the team's workbook: students with two supports or more."""
    rows = overlapping_students(supports(study)) if gate.is_team else pd.DataFrame()
    return {"overlapping_supports": rows} if len(rows) else {}


def _portfolio_table(rows: pd.DataFrame, gate: Gate) -> Table:
    table = portfolio(rows)
    frame = table.assign(approach=table["approach"].map(APPROACH), tier=table["support_tier"].map(TIER),
                         support=[support_words(code) for code in table["support"]])
    frame = frame[["approach", "tier", "support", "n_students"]]
    released = gate.table("portfolio", frame, keys=("approach", "tier", "support"), counts=("n_students",))
    columns = (Column("approach", "Approach"), Column("tier", "Tier"), Column("support", "Support"),
               Column("n_students", "Students", "integer"))
    note = ("A support can serve several tiers; each carries both tags. Mentors are a Tier 2 support; their contacts "
            "are in the monthly review.")
    title, measure = gate.fixed("Our supports, by approach and tier"), gate.fixed("Students served this school year")
    return Table(title, measure, released, columns, key="portfolio", most_rows=12,
                 note=gate.fixed(note if gate.is_team else f"{note} {released.rule}"))


def _dose_table(study: Any, gate: Gate) -> Table | None:
    """How much of each service students get: times a week, minutes, group size, in the school day."""
    rows = support_dose(study)
    if rows.empty:
        return None
    figures = ["n_sessions", "a_week", "minutes", "group_size", "in_day", "came"]
    frame = rows.assign(support=[support_words(code) for code in rows["support"]])
    if not gate.is_team:
        frame[["in_day", "came"]] = frame[["in_day", "came"]].round(2)
    table = gate.table("support_dose", frame, keys=("support",), counts=("n_students",),
                       plain=dict.fromkeys(figures, "n_students"))
    columns = (Column("support", "Service"), Column("n_sessions", "Sessions", "integer"),
               Column("a_week", "A week", "decimal1", "each student"), Column("minutes", "Minutes", "integer", "mean"),
               Column("group_size", "Students", "integer", "in a group"), Column("in_day", "In school day", "percent"),
               Column("came", "Attended", "percent"))
    note = "What it goes along with on its own days stands in the impact study's method appendix."
    title, measure = gate.fixed("How much of each service"), gate.fixed("Sessions scheduled this year up to now")
    return Table(title, measure, table, columns, key="support_dose", note=gate.fixed(note))


def _about(gate: Gate) -> tuple[str, ...]:
    """Outside the team to the nearest ten: students times their supports add up to the portfolio, which is exact."""
    return () if gate.is_team else ("n_students",)


def _number_table(rows: pd.DataFrame, gate: Gate) -> Table:
    frame = by_number(rows).assign(words=lambda f: [f"{n} support{'' if n == 1 else 's'}" for n in f["n_supports"]])
    table = gate.table("supports_per_student", frame[["words", "n_students"]], keys=("words",), counts=("n_students",),
                       about=_about(gate))
    title, measure = gate.fixed("How many supports a student has"), gate.fixed("Students with at least one, this year")
    return Table(title, measure, table,
                 (Column("words", "Supports"), Column("n_students", "Students", "integer")), key="supports_per_student",
                 note=gate.fixed("" if gate.is_team else table.rule))


def _overlap_table(rows: pd.DataFrame, gate: Gate) -> Table | None:
    found = overlaps(rows)
    if found.empty:
        return None
    frame = found.assign(pair=[f"{support_words(a)} + {support_words(b)}"
                               for a, b in zip(found["first"], found["second"], strict=True)])[["pair", "n_students"]]
    if not gate.is_team:
        frame = frame[frame["n_students"] >= gate.rules.min_cell].reset_index(drop=True)
        if frame.empty:
            return None
    table = gate.table("overlaps", frame, keys=("pair",), counts=("n_students",), about=_about(gate))
    note = ("One lead person for each student, so that supports do not pull apart. A result of one support is a result "
            "of both.")
    return Table(gate.fixed("Two supports at one time"), gate.fixed("Students whose spans of both share a day"), table,
                 (Column("pair", "Both"), Column("n_students", "Students", "integer")), key="overlaps", most_rows=6,
                 note=gate.fixed(note))


def _domain_table(study: Any, rows: pd.DataFrame, gate: Gate) -> Table:
    needs = open_barriers(open_to(study.table("barrier"), gate.is_team))[["student_id", "pattern"]]
    frame = by_domain(rows, needs)
    frame = frame.assign(domain=frame["domain"].map(DOMAIN))[["domain", "n_needs", "n_students", "n_supports"]]
    frame = frame.rename(columns={"n_supports": "supports"})  # kinds of support, no count of students
    table = gate.table("domains", frame, keys=("domain", "supports"), counts=("n_needs", "n_students"))
    columns = (Column("domain", "Domain"), Column("n_needs", "Open need", "integer", "students"),
               Column("n_students", "Have a support", "integer", "students"),
               Column("supports", "Supports", "integer"))
    note = "A student can stand in several rows. Which need belongs where is in vocabulary/need_domains.csv."
    measure = gate.fixed("Barriers open now, and students served this year")
    return Table(gate.fixed("Needs and supports by domain"), measure, table, columns, key="domains",
                 note=gate.fixed(note if gate.is_team else f"{note} {table.rule}"))


def inventory(study: Any, *, is_team: bool) -> pd.DataFrame:
    """What the community has today. Grain: kind x name; serves, languages, places, checked.

    Active resources; organizations that give mentors (outside the team only those that said yes to be named); supports.
    """
    rows = [*_resources(study), *_organizations(study, is_team=is_team), *_codes(study)]
    return pd.DataFrame(rows, columns=["kind", "name", "serves", "languages", "places", "checked"])


def _resources(study: Any) -> list[dict[str, str]]:
    table = study.table("resource")
    table = table[table["active"].eq(True).fillna(True).astype(bool)].sort_values("resource_id")
    return [{"kind": "Resource", "name": str(row.name_ if isinstance(row.name_, str) else "Not named"),
             "serves": listed(pattern_words(f"reason={p.strip()}").lower() for p in str(row.patterns).split(";"))
             if isinstance(row.patterns, str) else "",
             "languages": listed(str(row.languages).split(";")) if isinstance(row.languages, str) else "",
             "places": f"{int(row.capacity)}" if pd.notna(row.capacity) else "not given",
             "checked": _checked(row.checked_date, study.as_of)}
            for row in table.rename(columns={"name": "name_"}).itertuples()]


def _checked(day: Any, as_of: pd.Timestamp) -> str:
    if pd.isna(day):
        return "never: call"
    if day > as_of:
        return "checked since"
    old = (as_of - day).days > STALE_DAYS
    return f"{date_words(day)}{': call again' if old else ''}"


def _organizations(study: Any, *, is_team: bool) -> list[dict[str, str]]:
    table, mentors = study.table("organization"), study.table("mentor")
    table = table[table["name"].notna() & (table["thank_consent"].eq("yes").fillna(False) | is_team)]
    here = mentors[~(mentors["end_date"] < study.as_of).fillna(False)]
    counts = here.groupby("organization_id")["mentor_id"].nunique()
    return [{"kind": "Partner", "name": str(row.name_), "serves": "mentors", "languages": "",
             "places": f"{int(counts.get(row.organization_id, 0))} mentors", "checked": ""}
            for row in table.rename(columns={"name": "name_"}).sort_values("organization_id").itertuples()]


def _codes(study: Any) -> list[dict[str, str]]:
    rows = supports(study)
    table = portfolio(rows)
    return [{"kind": "Support", "name": support_words(row.support),
             "serves": f"{APPROACH[row.approach].lower()}, {TIER[row.support_tier].split(',')[0].lower()}",
             "languages": "", "places": "", "checked": ""} for row in table.itertuples()]


def _inventory(study: Any, gate: Gate) -> Table | Callout:
    rows = inventory(study, is_team=gate.is_team)
    title = gate.fixed("What already exists")
    if rows.empty:
        text = "The tables resource, organization and service would list what there is."
        return Callout(title, (gate.fixed(text),), tone="caution")
    table = gate.table("inventory", rows, keys=tuple(rows.columns))
    columns = (Column("kind", "Kind"), Column("name", "Name"), Column("serves", "For"),
               Column("languages", "Languages"),
               Column("places", "Places", "number_text"), Column("checked", "Last checked"))
    return Table(title, gate.fixed("Take stock before looking for more. Not checked for 180 days: call again."), table,
                 columns, key="inventory", most_rows=12)


__all__ = ["inventory", "support_blocks", "support_tables", "support_words"]
