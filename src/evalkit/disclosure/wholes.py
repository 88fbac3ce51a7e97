"""Counts that stand in different places and are parts of one another: what the auditor subtracts beside its tables.

A part is declared with its whole, once, in `NAMED` and `WITHIN`; groups and doses of an impact study are parts of the
students compared, kinds of mentors of the students who have one. A balance row that gives both the mean difference and
the KS distance of a yes-or-no measure gives its share away, for their ratio is its standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit.disclosure.bounds import Bounds
from evalkit.disclosure.types import HIDDEN

NAMED: Mapping[tuple[str, str, str], str] = {
    ("celebration", "totals", "n_students"): "ever",
    ("celebration", "totals", "n_families_met"): "families met",
    ("celebration", "next_year", "n_returning"): "returning",
    ("celebration", "next_year", "n_may_need_support"): "may need support",
    ("celebration", "next_year", "n_mentored"): "today",
    ("celebration", "next_year", "n_mentored_returning"): "mentored, returning",
    ("program_profile", "profile", "n_ever"): "ever",
    ("program_profile", "profile", "n_students"): "today",
    ("program_profile", "profile", "n_waiting"): "waiting",
}
"""(report, part of results.json, key) -> the count it is: the same name in two reports is one count."""
WITHIN = (("families met", "ever"), ("today", "ever"), ("mentored, returning", "today"),
          ("may need support", "returning"), ("may need support", "measures chronic"),
          ("returning", "measures n_students"), ("waiting", "measures chronic"))
"""(part, the whole it is in); a part may have two wholes. measures: those of the review."""
_TOTAL = "All schools"


def tie_wholes(bounds: Bounds, homes: dict[int, str], copies: Sequence[Any], *, least: int) -> None:
    """Every declared part of a whole, over all copies: those it leaves over are a group of their own."""
    for copy in copies:
        for (report, place, name), count in NAMED.items() if copy.results else ():
            told = copy.results.get(place)
            if report == copy.report and isinstance(told, Mapping) and name in told:
                _know(bounds, homes, copy, _key(copy, count), told[name], f"results.json, {place}, {name}", least)
    for copy in copies:
        for part, whole in WITHIN:
            _leave_over(bounds, homes, copy, _key(copy, part), _whole_key(copy, whole), part, whole)
        _tie_recognised(bounds, homes, copy)
        _tie_kinds(bounds, homes, copy)
        _tie_groups(bounds, homes, copy)


def _key(copy: Any, count: str) -> tuple:
    return copy.study, copy.as_of, "counts", copy.school, count


def _whole_key(copy: Any, whole: str) -> tuple:
    return (copy.study, copy.as_of, "measures", copy.school, whole.split()[-1]) if whole.startswith("measures") else (
        _key(copy, whole))


def _know(bounds: Bounds, homes: dict[int, str], copy: Any, key: tuple, value: Any, where: str, least: int) -> None:
    """What one figure says of its count; a rounded one a range, but never less than what may be shown at all."""
    cell = bounds.count(key)
    homes.setdefault(cell, copy.name)
    if value is None:
        bounds.hidden.setdefault(cell, where)
    elif isinstance(value, int | float):
        half = copy.rounded_to // 2
        bounds.know(cell, max(value - half, min(value, least)), value + max(0, half - 1))


def _leave_over(bounds: Bounds, homes: dict[int, str], copy: Any, part: tuple, whole: tuple, *words: str) -> None:
    if part not in bounds.numbers or whole not in bounds.numbers:
        return
    cells = bounds.numbers[part], bounds.numbers[whole]
    bounds.left_over(("left of", *cells), cells[1], cells[0], f"{words[1]} less {words[0]}")
    homes.setdefault(bounds.numbers.get(("left of", *cells), -1), homes.get(cells[0], copy.name))


def _tie_recognised(bounds: Bounds, homes: dict[int, str], copy: Any) -> None:
    """Students recognised as good are a part of those who missed under 5 % of days."""
    for row in copy.tables.get("recognised", ()) if copy.report == "celebration" else ():
        part = (copy.study, copy.as_of, "celebration", "recognised", "", (row["school"],), "good")
        school = "" if row["school"] == _TOTAL and not copy.school else row["school"]
        whole = (copy.study, copy.as_of, "measures", school, "satisfactory")
        _leave_over(bounds, homes, copy, part, whole, f"recognised as good, {row['school']}", "missed under 5 %")


def _tie_kinds(bounds: Bounds, homes: dict[int, str], copy: Any) -> None:
    """Students of one kind of mentor are a part of those who have one; together the kinds reach all of them."""
    rows = copy.tables.get("mentor_types", ()) if copy.report == "program_profile" else ()
    parts = [(copy.study, copy.as_of, copy.report, "mentor_types", copy.school, (row["kind"],), "n_students")
             for row in rows]
    for part in parts:
        _leave_over(bounds, homes, copy, part, _key(copy, "today"), f"mentor: {part[5][0]}", "with a mentor today")
    whole = bounds.numbers.get(_key(copy, "today"))
    if parts and whole is not None and all(part in bounds.numbers for part in parts):
        bounds.tie(whole, [bounds.numbers[part] for part in parts], slack=(-math.inf, 0.0))


def _tie_groups(bounds: Bounds, homes: dict[int, str], copy: Any) -> None:
    """Groups of one grouping, and doses, are parts of the mentored students compared: the last step of the flow."""
    flow = copy.tables.get("flow", ()) if copy.report == "impact_study" else ()
    compared = number(flow[-1].get("treated")) if flow else None
    if compared is None:
        return
    whole = bounds.count(_key(copy, "compared"))
    bounds.know(whole, compared, compared)
    doses = [stem for stem in copy.tables if stem.startswith("dose_")]
    for stem in ("groups", *(doses if len(doses) == 1 else ())):
        rows = copy.tables.get(stem, ())
        for group in dict.fromkeys(row.get("group", "") for row in rows):
            cells = [_group_cell(bounds, homes, copy, stem, row) for row in rows if row.get("group", "") == group]
            rest = bounds.count(_key(copy, f"rest {stem} {group}"))
            bounds.small.setdefault(rest, f"tables/{stem}.csv, {group or 'all'}: students compared less the groups")
            homes.setdefault(rest, copy.name)
            bounds.tie(whole, [*cells, rest])


def _group_cell(bounds: Bounds, homes: dict[int, str], copy: Any, stem: str, row: Mapping[str, str]) -> int:
    names = (row["group"], row["label"]) if "group" in row else (row["label"],)
    cell = bounds.count((copy.study, copy.as_of, copy.report, stem, copy.school, names, "n"))
    homes.setdefault(cell, copy.name)
    value = number(row.get("n"))
    if value is not None:
        bounds.know(cell, value, value)
    elif row.get("n") == HIDDEN:
        bounds.hidden.setdefault(cell, f"tables/{stem}.csv, {', '.join(names)}, n")
    return cell


def number(text: Any) -> float | None:
    """A figure as it is printed; None for words and blanks."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def impact_in_sight(copy: Any, least: int) -> Iterator[tuple[str, str]]:
    """(where, what) of an impact study's own figures: shares that follow from balance, runs that differ by a few."""
    flow = copy.tables.get("flow", ()) if copy.report == "impact_study" else ()
    ends = [found for row in (flow[:1], flow[-1:]) for one in row if (found := number(one.get("treated")))]
    for analysis in copy.results.get("analyses") or ():
        for row in analysis.get("balance") or ():
            if any(_is_few_by_balance(row, n, least) for n in ends):
                yield "results.json, balance", "a group of fewer than ten follows from two measures of balance"
    for stem, rows in copy.tables.items() if ends else ():
        near = [n for row in rows if stem.startswith("estimates_") and (n := number(row.get("n"))) and n % 10]
        if any(0 < abs(n - ends[-1]) < least for n in near):
            yield f"tables/{stem}.csv, column n", "two analyses differ by fewer than ten students"


def _is_few_by_balance(row: Mapping[str, Any], n: float, least: int) -> bool:
    """Whether (KS / difference)^2 = p (1 - p) of a 0/1 measure gives a count of 1 to 9 of n, yes or no."""
    for when in ("before", "after"):
        ks, smd, ratio = (row.get(f"{name}_{when}") for name in ("ks", "smd", "variance_ratio"))
        if not ks or not smd or ratio is not None or (variance := (ks / smd) ** 2) > 0.25 + 1e-9:
            continue
        count = (1 - math.sqrt(max(0.0, 1 - 4 * variance))) / 2 * n
        if 0 < round(count) < least and abs(count - round(count)) < 1e-5:
            return True
    return False
