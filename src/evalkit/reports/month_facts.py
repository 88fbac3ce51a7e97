"""The numbers of a review, worked out once per run: measures by school, bands then and now, flows, lists, fidelity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit.measures import band, same_day_last_year
from evalkit.panel import student_panel
from evalkit.programme import Element, fidelity
from evalkit.reports.impact_line import Impact, impact_to_date
from evalkit.reports.month_lists import LISTS, review_lists
from evalkit.reports.month_windows import Window, review_window

BANDS = ("satisfactory", "at_risk", "moderate", "severe", "extreme")
CHRONIC = ("moderate", "severe", "extreme")
NO_DENOMINATOR = ("The study holds no enrollment, so days enrolled are not known; the tables enrollment and calendar would "
                  "switch this on.")


@dataclass(frozen=True)
class Facts:
    """Everything the review's sections say. Frames have grain student_id."""

    window: Window
    now: pd.DataFrame
    before: pd.DataFrame
    last_year: Mapping[str, Any]
    measures: tuple[Mapping[str, Any], ...]
    lists: Mapping[str, pd.DataFrame]
    elements: tuple[Element, ...]
    elements_before: tuple[Element, ...]
    impact: Impact

    @property
    def overall(self) -> Mapping[str, Any]:
        """The measures of all students together."""
        return next(row for row in self.measures if row["school_id"] is None)

    def element(self, code: str) -> Element:
        return next(element for element in self.elements if element.code == code)

    def element_before(self, code: str) -> Element:
        return next((element for element in self.elements_before if element.code == code), Element(code, None, None))


def month_facts(study, params) -> Facts:
    """Work everything out. Kept on the run's last study, so that each section of a notebook finds it made."""
    key = (id(study), params.period)
    if _LAST.get("key") != key:
        _LAST.update(key=key, study=study, facts=_make(study, params.period))
    return _LAST["facts"]


_LAST: dict[str, Any] = {}


def _make(study, period: str) -> Facts:
    window = review_window(study, period)
    earlier = study.at(window.before) if window.before is not None else None
    elements_before = fidelity(earlier, start=window.before_start, end=window.before) if earlier is not None else ()
    return Facts(window=window, now=banded(study), before=banded(earlier) if earlier is not None else banded(study).iloc[:0],
                 last_year=last_year_bands(study), measures=tuple(measure_rows(study)), lists=review_lists(study, window),
                 elements=fidelity(study, start=window.start, end=window.end), elements_before=elements_before,
                 impact=impact_to_date(study))


def banded(study) -> pd.DataFrame:
    """Students with any enrolled day, with band. Grain: student_id."""
    return _banded(student_panel(study), study)


def _banded(panel: pd.DataFrame, study) -> pd.DataFrame:
    panel = panel[panel["enrolled_units"].notna() & (panel["enrolled_units"] > 0)]
    return band(panel, study.rules).reset_index(drop=True)


def measure_rows(study) -> list[dict[str, Any]]:
    """results.json `measures`: a row per school, in order of id, and the row of all (school_id None) at the end.

    A student counts at every school where enrolled, with that school's days, and once in the last row.
    """
    if "rates" not in study.can:
        return _rows_without_rates(study)
    by_school = _banded(student_panel(study, by_school=True), study)
    rows = [_row(school, part) for school, part in by_school.groupby("school_id", sort=True)]
    known = {row["school_id"] for row in rows}
    empty = by_school.iloc[:0]
    rows += [_row(school, empty) for school in _schools(study) if school not in known]
    return [*sorted(rows, key=lambda row: row["school_id"]), _row(None, banded(study))]


def _schools(study) -> list[str]:
    ids = study.table("school")["school_id"].dropna().unique()
    return sorted(str(school) for school in ids if not study.school or school == study.school)


def _row(school: Any, students: pd.DataFrame) -> dict[str, Any]:
    from evalkit.rules import UNITS_PER_DAY

    enrolled, absent = int(students["enrolled_units"].sum()), int(students["absent_units"].sum())
    counts = students["band"].value_counts()
    row = {"school_id": school, "n_students": len(students), "n_enrolled_days": _days(enrolled / UNITS_PER_DAY),
           "n_absent_days": _days(absent / UNITS_PER_DAY), "ada": 1 - absent / enrolled if enrolled else None,
           "n_chronic": int(students["is_chronic"].sum()) if "is_chronic" in students else
           sum(int(counts.get(name, 0)) for name in CHRONIC)}
    row |= {f"n_{name}": int(counts.get(name, 0)) for name in BANDS}
    return row | ({} if enrolled else {"reason": "No student has an enrolled day yet."})


def _days(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _rows_without_rates(study) -> list[dict[str, Any]]:
    """Counts where days enrolled are unknown: absences are true, every share is withheld with the reason."""
    from evalkit.panel import absences
    from evalkit.rules import UNITS_PER_DAY

    missed = absences(study)
    schools = sorted({*missed["school_id"].dropna().unique(), *_schools(study)})
    def row(school, part):
        values = dict.fromkeys(("n_enrolled_days", "ada", "n_chronic", *(f"n_{name}" for name in BANDS)))
        students = study.table("student")["student_id"].nunique() if school is None else part["student_id"].nunique()
        return {"school_id": school, "n_students": int(students), **values,
                "n_absent_days": _days(int(part["absent_units"].sum()) / UNITS_PER_DAY), "reason": NO_DENOMINATOR}
    return [*(row(school, missed[missed["school_id"] == school]) for school in schools), row(None, missed)]


def last_year_bands(study) -> Mapping[str, Any]:
    """Last year on the same school day (else the whole of last year): n, counts by band, ada, and what it is."""
    found = same_day_last_year(study)
    return found if isinstance(found, Mapping) else {}


def flows(facts: Facts) -> dict[str, int]:
    """Students who moved over the 10 % line since the last review, and who joined or left the roll."""
    before = facts.before.set_index("student_id")["band"].isin(CHRONIC)
    now = facts.now.set_index("student_id")["band"].isin(CHRONIC)
    both = before.index.intersection(now.index)
    was, is_now = before.loc[both], now.loc[both]
    return {"n_back_under": int((was & ~is_now).sum()), "n_crossed": int((~was & is_now).sum()),
            "n_joined": len(now.index.difference(before.index)), "n_stayed_over": int((was & is_now).sum()),
            "n_before": len(before), "n_now": len(now)}


def list_ids(facts: Facts) -> dict[str, list[str]]:
    """results.json `lists`: the ids of every list, in its order."""
    return {name: [str(student) for student in facts.lists[name]["student_id"]] for name in LISTS}
