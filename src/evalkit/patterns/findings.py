"""From the table of everything searched to at most three findings in plain words, each with what to do and by whom."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files

import numpy as np
import pandas as pd

MOST = 3
SURENESS = ((0.001, "very sure"), (0.01, "sure"), (0.05, "fairly sure"))


@dataclass(frozen=True)
class Family:
    """How a family of patterns is told, what to do about it and who."""

    family: str
    starts_with: str
    about: str
    title: str
    reading: str
    action: str
    owner: str
    weight: float


@cache
def families() -> tuple[Family, ...]:
    """The rows of actions.csv, in its order."""
    text = (package_files("evalkit.patterns") / "actions.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return tuple(
        Family(
            row["family"],
            row["starts_with"],
            row["about"],
            row["title"],
            row["reading"],
            row["action"],
            row["owner"],
            float(row["weight"]),
        )
        for row in rows
    )


def family_of(group: str, pattern: str) -> Family:
    """The family a group and pattern belong to."""
    for item in families():
        if pattern.startswith(item.starts_with) and (item.about == item.starts_with or group.startswith(item.about)):
            return item
    raise KeyError(pattern)


def choose_findings(table: pd.DataFrame, *, most: int = MOST) -> pd.DataFrame:
    """At most three findings, each of another family and another group, strongest first.

    Strength: log rate ratio x sureness (-log10 q, at most 10) x how much a school can do about it (actions.csv). A
    finding explained by a stronger one is left to the tables. Adds `family`, `sureness`.
    """
    found = table[table["is_finding"] & table["explained_by"].eq("")].copy()
    if found.empty:
        return found.assign(family=pd.Series(dtype="str"), sureness=pd.Series(dtype="str"))
    about = [family_of(group, pattern) for group, pattern in zip(found["group"], found["pattern"], strict=True)]
    found["family"] = [item.family for item in about]
    sure = np.minimum(-np.log10(found["q_value"].clip(lower=1e-300)), 10)
    found["strength"] = np.log(found["rate_ratio"]) * sure * [item.weight for item in about]
    found = found.sort_values(["strength", "group", "pattern"], ascending=[False, True, True])
    kept: list[int] = []
    for place in range(len(found)):
        row = found.iloc[place]
        if not any(found.iloc[k]["family"] == row["family"] or found.iloc[k]["group"] == row["group"] for k in kept):
            kept.append(place)
    return found.iloc[kept[:most]].assign(sureness=lambda f: [sureness(q) for q in f["q_value"]]).reset_index(drop=True)


def sureness(q: float) -> str:
    """How sure, in words: the share of findings this strong that would be chance."""
    return next((word for limit, word in SURENESS if q < limit), "not sure")


_FLAGS = {
    "english_learner": "English learners",
    "disability_idea": "Students with disabilities",
    "econ_disadvantaged": "Students with low family income",
}


def group_words(group: str, school_name: Callable[[str], str]) -> str:
    """A group as a reader says it: "Grade 7", the school's name, "Bus route R15"."""
    from evalkit.vocabulary import grade_label

    if " & " in group:
        first, second = group.split(" & ", 1)
        return f"{group_words(first, school_name)}, {group_words(second, school_name)}"
    column, _, value = group.partition("=")
    words: Mapping[str, Callable[[], str]] = {
        "grade_level": lambda: grade_label(value),
        "school_id": lambda: school_name(value),
        "zip5": lambda: f"Zip {value}",
        "bus_route": lambda: f"Bus route {value}",
        "household_id": lambda: "Brothers and sisters",
        "sex": lambda: f"{value} students",
        "race_ethnicity": lambda: f"{_spaced(value)} students",
    }
    if group == "all":
        return "Everyone"
    return _FLAGS.get(column) or words.get(column, lambda: group)()


def _spaced(value: str) -> str:
    return "".join(f" {c}" if c.isupper() and k else c for k, c in enumerate(value))


def pattern_words(pattern: str) -> str:
    """A pattern as a reader says it: "Fridays", "November 2025", "reason: transportation"."""
    from evalkit.vocabulary import reason

    name, _, value = pattern.partition("=")
    fixed = {
        "before_holiday": "the day before a break",
        "after_holiday": "the day after a break",
        "early_dismissal": "early dismissal days",
        "late_start": "late start days",
        "remote": "remote days",
        "weather": "days around a weather closure",
        "late_mornings": "late on the same mornings",
        "same_days": "absent on the same days",
        "long_spells": "longer runs of absence",
        "fading": "fading through the year",
    }
    if name == "weekday":
        return f"{value}s"
    if name == "month":
        return pd.Timestamp(f"{value}-01").strftime("%B %Y")
    if name == "period":
        return f"period {value}"
    if name == "reason":
        found = reason(value)
        return found.label_en if found else value.replace("_", " ")
    return fixed.get(pattern, pattern.replace("_", " "))
