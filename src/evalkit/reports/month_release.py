"""Which measures a copy for partners hides: decided once for all schools, so that every school's copy hides the same."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from evalkit.disclosure.types import Released, ReleasedNumbers
from evalkit.measures import BANDS
from evalkit.measures import CHRONIC_BANDS as CHRONIC
from evalkit.reports.gate import Gate
from evalkit.reports.month_facts import Facts

COUNTS = ("n_students", "n_chronic", *(f"n_{name}" for name in BANDS))


def released_measures(facts: Facts, gate: Gate) -> list[Any]:
    """results.json `measures`, small groups hidden for partners and the public."""
    rows = [dict(row) for row in facts.measures]
    if gate.is_team:
        return rows
    if (table := _table(facts, gate)) is None:
        return [{"school_id": row["school_id"], "reason": row.get("reason", "")} for row in rows]
    found = {row["school_id"]: row for row in table.numbers["rows"]}
    if len(rows) == 2:  # one school: its row and the row of all are the same, and the table holds one of them
        same = found[next(iter({row["school_id"] for row in rows} & found.keys() - {None}), None)]
        return [ReleasedNumbers({**same, "school_id": row["school_id"]}) for row in rows]
    return [ReleasedNumbers({**found[row["school_id"]], "school_id": row["school_id"]}) for row in rows]


def hidden_overall(facts: Facts, gate: Gate) -> Collection[str]:
    """The measures hidden in the row of all students of this copy (of the one school, in a school's copy)."""
    if gate.is_team or (table := _table(facts, gate)) is None:
        return ()
    ids = [row["school_id"] for row in table.numbers["rows"]]
    schools = [row["school_id"] for row in facts.measures if row["school_id"] is not None]
    wanted = schools[0] if len(schools) == 1 and schools[0] in ids else None
    place = ids.index(wanted)
    return {name for name in COUNTS if bool(table.hidden[name].iloc[place])}


def hidden_by_school(facts: Facts, gate: Gate) -> dict[str, Collection[str]]:
    """School id -> measures hidden in its row."""
    if gate.is_team or (table := _table(facts, gate)) is None:
        return {}
    ids = [row["school_id"] for row in table.numbers["rows"]]
    return {school: {name for name in COUNTS if bool(table.hidden[name].iloc[place])}
            for place, school in enumerate(ids) if school is not None}


def _table(facts: Facts, gate: Gate) -> Released | None:
    """The measures of every school, protected together; None where days enrolled are not known."""
    rows = [dict(row) for row in (facts.whole or facts.measures)]
    if any(row["n_chronic"] is None for row in rows):
        return None
    frame = pd.DataFrame(rows).drop(columns=["reason"], errors="ignore")
    frame = frame.iloc[1:] if len(frame) == 2 else frame
    return gate.exact.table(
        "measures",
        frame.reset_index(drop=True),
        keys=("school_id",),
        counts=COUNTS,
        plain={"n_enrolled_days": "n_students", "n_absent_days": "n_students", "ada": "n_students"},
        parts={"n_students": tuple(f"n_{name}" for name in BANDS),
               "n_chronic": tuple(f"n_{name}" for name in CHRONIC)},
        within={"n_chronic": "n_students"},
    )
