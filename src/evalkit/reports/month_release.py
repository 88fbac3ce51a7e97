"""Which measures a copy for partners hides: decided once for all schools, so every school's copy hides the same."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from evalkit.disclosure.types import Released, ReleasedNumbers
from evalkit.measures import BANDS
from evalkit.reports.gate import Gate
from evalkit.reports.month_facts import Facts, flows
from evalkit.rules import Rules

UNPRINTED = ("n_cut_over", "n_cut_under")
HIDDEN = "A figure that is null is not shown, so that no small group of students can be worked out."
COUNTS = ("n_students", "n_chronic", *(f"n_{name}" for name in BANDS))


def released_measures(facts: Facts, gate: Gate) -> list[Any]:
    """results.json `measures`, small groups hidden for partners and the public."""
    rows = [dict(row) for row in facts.measures]
    if gate.is_team:
        return rows
    if (table := _table(facts, gate)) is None:
        return [{**dict.fromkeys(row), "school_id": row["school_id"], "reason": row.get("reason") or HIDDEN}
                for row in rows]
    found = {row["school_id"]: {key: value for key, value in row.items() if key not in UNPRINTED}
             for row in table.numbers["rows"]}
    if len(rows) == 2:  # one school: its row and the row of all are the same, and the table holds one of them
        same = found[next(iter({row["school_id"] for row in rows} & found.keys() - {None}), None)]
        return [_with_reason({**same, "school_id": row["school_id"]}) for row in rows]
    return [_with_reason({**found[row["school_id"]], "school_id": row["school_id"]}) for row in rows]


def _with_reason(row: dict[str, Any]) -> ReleasedNumbers:
    """A row of measures; where a figure is null it says why, in the same words whichever figure it is."""
    unsaid = any(value is None for key, value in row.items() if key != "school_id")
    return ReleasedNumbers({**row, "reason": HIDDEN} if unsaid else row)


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
    if ids == [None]:  # a study of one school: its row is that of all students
        ids = [row["school_id"] for row in facts.measures if row["school_id"] is not None]
    return {school: {name for name in COUNTS if bool(table.hidden[name].iloc[place])}
            for place, school in enumerate(ids) if school is not None}


def _table(facts: Facts, gate: Gate) -> Released | None:
    """The measures of every school, protected together; None where days enrolled are not known."""
    rows = [dict(row) for row in (facts.whole or facts.measures)]
    if any(row["n_chronic"] is None for row in rows):
        return None
    frame = pd.DataFrame(rows).drop(columns=["reason"], errors="ignore")
    frame = frame.iloc[1:] if len(frame) == 2 else frame
    frame = _coarse_days(frame, gate)
    frame, parts = with_unprinted(frame.reset_index(drop=True), facts.rules)
    return gate.exact.table(
        "measures",
        frame,
        keys=("school_id",),
        counts=(*COUNTS, *(name for name in UNPRINTED if name in frame)),
        plain={"n_enrolled_days": "n_students", "n_absent_days": "n_students", "ada": "n_students"},
        parts=parts,
        within={"n_chronic": "n_students"},
    )


def _coarse_days(frame: pd.DataFrame, gate: Gate) -> pd.DataFrame:
    """Days outside the team: exact ones would tell who left or was absent between two copies. Days enrolled are days
    in school times students, so they tell the students even when rounded: those are left out."""
    if gate.is_team or not len(frame):
        return frame
    ada = [gate.day_share(a, of) for a, of in zip(frame["ada"], frame["n_enrolled_days"], strict=True)]
    return frame.assign(ada=ada, n_absent_days=[gate.days(value) for value in frame["n_absent_days"]],
                        n_enrolled_days=None)


def with_unprinted(frame: pd.DataFrame, rules: Rules) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]]]:
    """The measures with the counts that a reader has by subtraction, and which counts add up to which.

    A threshold inside a band cuts it in two. How many students have too few days to be judged is not guarded: that
    they joined late says nothing of them that a school does not print.
    """
    bands = [f"n_{name}" for name in BANDS]
    parts = {"n_students": tuple(bands)}
    place = sum(edge < rules.threshold for edge in rules.bands)
    whole = bands[place + 1:]
    if rules.threshold in rules.bands:
        return frame, {**parts, "n_chronic": tuple(whole)}
    over = frame["n_chronic"] - frame[whole].sum(axis=1)
    frame = frame.assign(n_cut_over=over, n_cut_under=frame[bands[place]] - over)
    return frame, {**parts, "n_chronic": (*whole, "n_cut_over"), bands[place]: ("n_cut_over", "n_cut_under")}


def released_flows(facts: Facts, gate: Gate) -> dict[str, int | None]:
    """The moves over the 10% line, None where hidden: they add up to the chronic counts that the bands table shows, so
    a small move must not follow from the others."""
    if facts.window.before is None:
        return dict(flows(facts))
    chronic = {
        f"n_chronic_{name}": int(frame["is_chronic"].eq(True).fillna(False).sum())
        for name, frame in (("before", facts.before), ("now", facts.now))
    }
    counts = flows(facts) | chronic
    rests = _joined_and_left(counts)
    few = not gate.is_team and any(0 < n < gate.rules.min_cell for n in rests.values())
    counts |= rests if few else {}
    table = gate.table(
        "flows",
        pd.DataFrame([{"since": "the last review", **counts}]),
        keys=["since"],
        counts=list(counts),
        parts={"n_chronic_before": ("n_stayed_over", "n_back_under", *(["n_over_left"] if few else [])),
               "n_chronic_now": ("n_stayed_over", "n_crossed", *(["n_over_joined"] if few else []))},
        also={0: ("n_stayed_over", *rests)} if few else None,  # no page shows how many stayed over
    )
    plain = {"n_before", "n_now", "n_joined"} if not gate.is_team else set()  # the bands table has all; joiners are few
    unsaid = {"since", *rests, *plain}
    return gate.fixed_numbers(**{k: v for k, v in table.numbers["rows"][0].items() if k not in unsaid})


def _joined_and_left(counts: dict[str, int]) -> dict[str, int]:
    """Chronically absent students who joined or left between two reviews: what the moves leave of the bands."""
    return {"n_over_joined": counts["n_chronic_now"] - counts["n_stayed_over"] - counts["n_crossed"],
            "n_over_left": counts["n_chronic_before"] - counts["n_stayed_over"] - counts["n_back_under"]}
