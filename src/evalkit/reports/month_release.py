"""Which measures a copy for partners hides: decided once for all schools, so every school's copy hides the same."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from evalkit.disclosure.types import Released, ReleasedNumbers
from evalkit.measures import BANDS
from evalkit.measures import CHRONIC_BANDS as CHRONIC
from evalkit.reports.gate import Gate
from evalkit.reports.month_facts import Facts, flows
from evalkit.rules import Rules
from evalkit.wording import say

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


def band_rows(facts: Facts, day_of: dict[str, str]) -> pd.DataFrame:
    """Students by band: last year, at the last review, now. Grain: when. Columns: the bands, n, n_chronic."""
    rows = []
    if facts.last_year.get("n"):
        rows.append({"when": day_of["last_year"], **{name: facts.last_year["bands"].get(name, 0) for name in BANDS}})
    for label, frame in ((day_of["before"], facts.before), (day_of["now"], facts.now)):
        if len(frame):
            counts = frame["band"].value_counts()
            rows.append({"when": label, **{name: int(counts.get(name, 0)) for name in BANDS}})
    table = pd.DataFrame(rows, columns=["when", *BANDS])
    return table.assign(n=table[list(BANDS)].sum(axis=1), n_chronic=table[list(CHRONIC)].sum(axis=1))


def released_bands(facts: Facts, gate: Gate, day_of: dict[str, str]) -> Released:
    """Students by band as this copy may show them; today's row hides what the measures hide. Grain: when."""
    rows = band_rows(facts, day_of)
    gone = {name.removeprefix("n_") if name != "n_chronic" else name for name in hidden_overall(facts, gate)}
    return gate.table("bands", rows, keys=("when",), counts=("n", "n_chronic", *BANDS),
                      parts={"n": BANDS, "n_chronic": CHRONIC}, also={len(rows) - 1: gone} if len(facts.now) else None)


def hidden_bands(facts: Facts, gate: Gate) -> dict[str, frozenset[str]]:
    """last_year, before, now -> the columns of the bands table hidden in its row: words and tiles obey them."""
    names = ("last_year", "before", "now")
    if gate.is_team:
        return dict.fromkeys(names, frozenset())
    table = released_bands(facts, gate, dict(zip(names, names, strict=True)))
    rows = zip(table.frame["when"], table.hidden.to_dict("records"), strict=True)
    found = {when: frozenset(name for name, is_hidden in row.items() if is_hidden) for when, row in rows}
    return {name: found.get(name, frozenset()) for name in names}


def released_elements(facts: Facts, gate: Gate) -> Released | None:
    """What mentors did as this copy may show it, None where nothing can be counted. Grain: what (an element)."""
    frame = _element_rows(facts)
    is_known = frame["of"].notna() & (frame["of"] > 0)
    if not is_known.any():
        return None
    return gate.table(
        "fidelity",
        frame[is_known].reset_index(drop=True),
        keys=("what", "counted"),
        counts=("n", "of", "n_before", "of_before"),
        shares={"share": ("n", "of"), "before": ("n_before", "of_before")},
        also=_of_few(facts, gate, is_known),
    )


def hidden_elements(facts: Facts, gate: Gate) -> dict[str, frozenset[str]]:
    """Code of an element -> the columns hidden in its row, for those that can be counted."""
    if (table := released_elements(facts, gate)) is None:
        return {}
    codes = [element.code for element in facts.elements if element.of]
    return {code: frozenset(name for name, is_hidden in row.items() if is_hidden)
            for code, row in zip(codes, table.hidden.to_dict("records"), strict=True)}


def _element_rows(facts: Facts) -> pd.DataFrame:
    rows = []
    for element in facts.elements:
        before = facts.element_before(element.code)
        rows.append({"what": say(f"element.{element.code}"), "n": element.n, "of": element.of, "share": element.share,
                     "n_before": before.n, "of_before": before.of, "before": before.share,
                     "counted": say(f"element_counted.{element.code}")})
    counts = dict.fromkeys(("n", "of", "n_before", "of_before"), "Int64")
    return pd.DataFrame(rows).astype(counts | {"share": "float64", "before": "float64"})


def _rests_on_few(element, gate: Gate) -> bool:
    """Whether days, weeks or pairings that are many are those of few students."""
    return not gate.is_team and element.students is not None and min(element.students) < gate.rules.min_cell


def _of_few(facts: Facts, gate: Gate, is_known: pd.Series) -> dict[int, tuple[str, ...]]:
    """Row of the table -> columns to hide, because what is counted is about few students."""
    found = {}
    for row, place in enumerate(is_known[is_known].index):
        now, before = facts.elements[place], facts.element_before(facts.elements[place].code)
        found[row] = (*(("n", "of", "share") if _rests_on_few(now, gate) else ()),
                      *(("n_before", "of_before", "before") if _rests_on_few(before, gate) else ()))
    return found


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
        also={0: (*_hidden_above(facts, gate), *(("n_stayed_over", *rests) if few else ()))},
    )  # few: no page shows how many stayed over
    plain = {"n_before", "n_now", "n_joined"} if not gate.is_team else set()  # the bands table has all; joiners are few
    unsaid = {"since", *rests, *plain}
    return gate.fixed_numbers(**{k: v for k, v in table.numbers["rows"][0].items() if k not in unsaid})


def _hidden_above(facts: Facts, gate: Gate) -> list[str]:
    """The stocks of the moves that the bands table hides: the same number is not printed in two ways."""
    gone = hidden_bands(facts, gate)
    return [f"n_chronic_{when}" for when in ("before", "now") if "n_chronic" in gone[when]]


def _joined_and_left(counts: dict[str, int]) -> dict[str, int]:
    """Chronically absent students who joined or left between two reviews: what the moves leave of the bands."""
    return {"n_over_joined": counts["n_chronic_now"] - counts["n_stayed_over"] - counts["n_crossed"],
            "n_over_left": counts["n_chronic_before"] - counts["n_stayed_over"] - counts["n_back_under"]}
