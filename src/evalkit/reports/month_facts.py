"""The numbers of a review, worked out once per run: measures by school, bands then and now, flows, lists, fidelity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from evalkit.measures import BANDS, add_rates, band, prior_rates, same_day_last_year, school_measures
from evalkit.panel import has_days, student_panel
from evalkit.programme import Element, book_of, fidelity
from evalkit.reports.impact_line import Impact, Look, district_look, impact_to_date
from evalkit.reports.month_lists import LISTS, review_lists
from evalkit.reports.month_windows import Window, review_window
from evalkit.rules import Rules
from evalkit.sources.codes import year_of_span
from evalkit.study import open_study

NO_DENOMINATOR = (
    "The study holds no enrollment, so days enrolled are not known; the tables enrollment and calendar would "
    "switch this on."
)


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
    district: Look | None = None
    whole: tuple[Mapping[str, Any], ...] = ()
    """The measures of every school, on which it is decided what any copy for partners hides."""
    rules: Rules = field(default_factory=Rules)

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
    key = (id(study), params.period, params.audience)
    if _LAST.get("key") != key:
        facts = _make(study, params.period)
        if params.audience != "team" and study.school:
            facts = replace(facts, whole=tuple(measure_rows(open_study(study.folder, as_of=f"{study.as_of:%Y-%m-%d}"))))
        _LAST.update(key=key, study=study, facts=facts)
    return _LAST["facts"]


_LAST: dict[str, Any] = {}


def _make(study, period: str) -> Facts:
    window = review_window(study, period)
    earlier = study.at(window.before) if window.before is not None else None
    elements_before = fidelity(earlier, start=window.before_start, end=window.before) if earlier is not None else ()
    impact = impact_to_date(study)
    alone = impact.now is not None and impact.now.verdict != "too_few"
    return Facts(
        window=window,
        now=banded(study),
        before=banded(earlier) if earlier is not None else banded(study).iloc[:0],
        last_year=last_year_bands(study),
        measures=tuple(measure_rows(study)),
        rules=study.rules,
        lists=review_lists(study, window),
        elements=fidelity(study, start=window.start, end=window.end),
        elements_before=elements_before,
        impact=impact,
        district=None if alone else district_look(study),
    )


def banded(study) -> pd.DataFrame:
    """Students with any enrolled day, with band and is_chronic. Grain: student_id."""
    panel = student_panel(study, book=_book(study))
    panel = panel[panel["enrolled_units"].notna() & (panel["enrolled_units"] > 0)]
    return add_rates(panel, rules=study.rules).reset_index(drop=True)


def _book(study):
    return book_of(study) if has_days(study) else None


def measure_rows(study) -> list[dict[str, Any]]:
    """results.json `measures`: a row per school, in order of id, and the row of all (school_id None) at the end.

    A student counts at every school where enrolled, with that school's days, and once in the last row.
    """
    table = school_measures(study, book=_book(study)).drop(columns=["n_not_judged"])
    rows = [{key: _plain(value) for key, value in row.items()} for row in table.to_dict("records")]
    known = {row["school_id"] for row in rows}
    blank = {
        "n_students": 0,
        "n_enrolled_days": 0,
        "n_absent_days": 0,
        "ada": None,
        "n_chronic": 0,
        **{f"n_{name}": 0 for name in BANDS},
    }
    rows += [{"school_id": school, **blank} for school in _schools(study) if school not in known]
    rows = sorted(rows, key=lambda row: (row["school_id"] is None, row["school_id"] or ""))
    return [row | _why(study, row) for row in rows]


def _why(study, row: dict[str, Any]) -> dict[str, Any]:
    if row["ada"] is not None:
        return {}
    if row["n_students"] == 0:
        return {
            "n_enrolled_days": 0,
            "n_absent_days": 0,
            "n_chronic": 0,
            **{f"n_{name}": 0 for name in BANDS},
            "reason": "No student has an enrolled day yet.",
        }
    return {"reason": NO_DENOMINATOR}


def _schools(study) -> list[str]:
    spans = study.table("enrollment")
    of_year = spans.loc[year_of_span(spans) == study.school_year, "school_id"] if len(spans) else spans["school_id"]
    ids = {*study.table("school")["school_id"].dropna(), *of_year.dropna()}
    return sorted(str(school) for school in ids if not study.school or school == study.school)


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() and value > 1 else value


def last_year_bands(study) -> dict[str, Any]:
    """Last year on the same school day, else the whole of last year: n, bands, ada, by_school (n_chronic, n), words."""
    same = same_day_last_year(study, book=_book(study)) if has_days(study) else None
    if same is not None:
        whole = same[same["school_id"].isna()].iloc[0]
        shares = {
            row.school_id: (int(row.n_chronic), int(row.n_students))
            for row in same.itertuples()
            if isinstance(row.school_id, str) and row.n_students
        }
        return {
            "n": int(whole["n_students"]),
            "bands": {name: int(whole[f"n_{name}"]) for name in BANDS},
            "ada": whole["ada"],
            "by_school": shares,
            "when": "on the same school day last year",
            "label": "Last year, same school day",
        }
    prior = prior_rates(study)
    if prior.empty:
        return {}
    counts = band(prior, rules=study.rules).value_counts()
    ada = 1 - prior["absent_units"].sum() / prior["enrolled_units"].sum()
    return {
        "n": int(counts.sum()),
        "bands": {name: int(counts.get(name, 0)) for name in BANDS},
        "ada": float(ada),
        "by_school": {},
        "when": "in the whole of last year",
        "label": "Last year, whole year",
    }


def flows(facts: Facts) -> dict[str, int]:
    """Students who moved over the 10 % line since the last review, and who joined or left the roll."""
    before = facts.before.set_index("student_id")["is_chronic"].eq(True).fillna(False).astype(bool)
    now = facts.now.set_index("student_id")["is_chronic"].eq(True).fillna(False).astype(bool)
    both = before.index.intersection(now.index)
    was, is_now = before.loc[both], now.loc[both]
    return {
        "n_back_under": int((was & ~is_now).sum()),
        "n_crossed": int((~was & is_now).sum()),
        "n_joined": len(now.index.difference(before.index)),
        "n_stayed_over": int((was & is_now).sum()),
        "n_before": len(before),
        "n_now": len(now),
    }


def list_ids(facts: Facts) -> dict[str, list[str]]:
    """results.json `lists`: the ids of every list, in its order."""
    return {name: [str(student) for student in facts.lists[name]["student_id"]] for name in LISTS}
