"""The numbers behind the barrier pages, searched once for a study and shared by its sections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from evalkit.patterns.cells import is_cell
from evalkit.patterns.findings import choose_findings
from evalkit.patterns.reasons import coverage, is_known, shares_of_groups, student_reasons, with_reasons
from evalkit.patterns.search import KINDS, find_patterns, n_searched

NOT_FOR_PARTNERS = ("zip5=", "household_id=", "bus_route=")


@dataclass(frozen=True)
class BarrierFacts:
    """table: everything searched (empty where days enrolled are not known). findings: at most three of it."""

    table: pd.DataFrame
    findings: pd.DataFrame
    absences: pd.DataFrame
    n_searched: int
    kinds: tuple[str, ...]

    @property
    def n_missed(self) -> int:
        return int((self.absences["absent_units"] > 0).sum()) if len(self.absences) else 0

    @property
    def share_known(self) -> float:
        missed = self.absences[self.absences["absent_units"] > 0]
        return float(is_known(missed["pattern"]).mean()) if len(missed) else 0.0


class _Same:
    """A study as a key that is equal only to itself."""

    def __init__(self, study: Any) -> None:
        self.study = study

    def __hash__(self) -> int:
        return id(self.study)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.study is self.study


def barrier_facts(study: Any, audience: str) -> BarrierFacts:
    """The facts for one audience: small areas, routes, households, class periods and subgroups stay with the team."""
    facts = _searched(_Same(study))
    if audience == "team" or facts.table.empty:
        return facts
    open_ = ~facts.table["group"].str.startswith(NOT_FOR_PARTNERS) & ~facts.table["pattern"].str.startswith("period=")
    from evalkit.vocabulary import reasons

    private = [f"reason={item.pattern}" for item in reasons() if item.sensitive]
    open_ &= ~facts.table["pattern"].isin(private)
    table = facts.table[open_ & ~is_cell(facts.table["group"])].reset_index(drop=True)
    return BarrierFacts(table, choose_findings(table), facts.absences, facts.n_searched, facts.kinds)


@lru_cache(maxsize=2)
def _searched(key: _Same) -> BarrierFacts:
    from evalkit.panel import absences

    study = key.study
    rows = with_reasons(absences(study)) if "daily" in study.can else pd.DataFrame()
    if not {"daily", "rates"} <= study.can:
        empty = pd.DataFrame(columns=["kind", "group", "pattern"])
        return BarrierFacts(empty, empty, rows, 0, ())
    enough = "reasons" in study.can
    kinds = tuple(kind for kind in KINDS if enough or kind != "reasons")
    table = find_patterns(study, kinds=kinds)
    return BarrierFacts(table, choose_findings(table), rows, n_searched(table), kinds)


def reasons_known(facts: BarrierFacts, by: list[str]) -> pd.DataFrame:
    """Coverage of reasons by school or month, with the number of students behind it."""
    missed = facts.absences[facts.absences["absent_units"] > 0]
    people = missed.groupby(by)["student_id"].nunique().rename("n_students").reset_index()
    return coverage(facts.absences, by).merge(people, on=by)


def family_rows(table: pd.DataFrame, finding: pd.Series, *, most: int = 7) -> pd.DataFrame:
    """The rows a finding's picture shows: its group's other patterns of the kind, or the same pattern in sister
    groups.
    """
    own = table[table["kind"].eq(finding["kind"]) & table["p_value"].notna()]
    own = own[~is_cell(own["group"]) | own["group"].eq(finding["group"])]
    column = str(finding["group"]).partition("=")[0]
    name = str(finding["pattern"]).partition("=")[0]
    if name in ("weekday", "month", "period"):
        rows = own[own["group"].eq(finding["group"]) & own["pattern"].str.startswith(f"{name}=")]
        keep = rows["pattern"].eq(finding["pattern"])
    else:
        rows = own[own["pattern"].eq(finding["pattern"]) & own["group"].str.startswith(f"{column}=")]
        keep = rows["group"].eq(finding["group"])
    others = rows[~keep].sort_values("p_value").head(most - 1)
    return pd.concat([rows[keep], others]).sort_index()


def open_to(rows: pd.DataFrame, is_team: bool) -> pd.DataFrame:
    """Rows by reason without the sensitive ones (housing, food, safety ...) outside the team."""
    from evalkit.vocabulary import reasons

    if is_team or not len(rows):
        return rows
    return rows[~rows["pattern"].isin([item.pattern for item in reasons() if item.sensitive])]


def reason_shares(study: Any, facts: BarrierFacts) -> pd.DataFrame:
    """Students by reason within each grade, school, band, zip and group, small groups pulled toward everyone's share;
    of students with an absence or a tardy. For the team: groups are small. Grain: column x value x pattern."""
    from evalkit.measures import band
    from evalkit.panel import student_panel

    panel = student_panel(study)
    placed = panel.assign(band=band(panel, rules=study.rules))[["student_id", "school_id", "band"]]
    placed = placed.drop_duplicates("student_id")
    with_any = study.table("student")["student_id"].isin(facts.absences["student_id"])
    students = (
        study.table("student")[with_any].drop(columns="school_id", errors="ignore").merge(placed, on="student_id")
    )
    return shares_of_groups(student_reasons(facts.absences, study.table("barrier")), students)
