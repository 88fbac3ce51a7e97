"""Strategies and services on the page: a forest of strategies beside similar students, and of days with a session."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.render.blocks import Callout, Column, Figure
from evalkit.reports.gate import Gate
from evalkit.reports.impact_groups import LEAST_PER_ARM
from evalkit.reports.impact_units import YEAR
from evalkit.reports.impact_words import no_number, too_few_note
from evalkit.wording import number

_SIGNED = ("value", "ci_low", "ci_high")


def strategies(frame: pd.DataFrame, why: str, gate: Gate) -> Figure | Callout:
    """Each program and service beside similar students who had not begun it, in days; a sentence where none is."""
    title = "Each strategy beside similar students"
    if frame.empty:
        return Callout(gate.fixed(title), (gate.fixed(why),), tone="answer")
    points = pd.DataFrame({"label": _labels(frame), "n": frame["n"], "n_comparison": frame["n_comparison"],
                           "dose": frame["dose"], **_turned(frame, YEAR), "q_value": frame["q_value"]})
    released = gate.table("strategies", points, keys=("label",), counts=("n", "n_comparison"),
                          plain=dict.fromkeys((*_SIGNED, "dose", "q_value"), "n"))
    columns = (Column("label", "Strategy"), Column("n", "Students", "integer"),
               Column("dose", "Sessions", "decimal1", "per student"), Column("value", "Difference", "signed1", "days"),
               Column("ci_low", "From", "signed1"), Column("ci_high", "To", "signed1"),
               Column("q_value", "Corrected p", "p_value"))
    note = ("Exploratory, p corrected over the strategies. Each strategy starts on its own first day, and is compared "
            "as the plan says. Students of a service may have a mentor too. "
            f"{too_few_note(gate.is_team, LEAST_PER_ARM)}")
    return _forest(title, "Days in school per 180-day year, students with the strategy minus similar students, with "
                   "number of students and 95% interval", released, columns, note, "strategies", "days", gate)


def session_days(frame: pd.DataFrame, why: str, gate: Gate) -> Figure | Callout:
    """Each service on its own session days, within the same students; a sentence where none can be judged."""
    title = "Days with a planned session, by service"
    if frame.empty:
        return Callout(gate.fixed(title), (gate.fixed(why),), tone="answer")
    points = pd.DataFrame({"label": _labels(frame), "n": frame["n"], "n_sessions": frame["n_sessions"],
                           **_turned(frame, 100)})
    released = gate.table("session_days", points, keys=("label",), counts=("n", "n_sessions"),
                          plain=dict.fromkeys(_SIGNED, "n"))
    columns = (Column("label", "Service"), Column("n", "Students", "integer"),
               Column("n_sessions", "Sessions", "integer"), Column("value", "Difference", "signed1", "points"),
               Column("ci_low", "From", "signed1"), Column("ci_high", "To", "signed1"))
    note = "Exploratory. It is about session days only; services are not compared with each other."
    return _forest(title, "Share of the day in school, session days minus the same student’s other days, in points, "
                   "with number of students and 95% interval", released, columns, note, "session_days", "points", gate)


def _labels(frame: pd.DataFrame) -> list[str]:
    codes = [str(code).replace("_", " ").replace("-", " ").capitalize() for code in frame["strategy"]]
    if "kind" not in frame:
        return codes
    ends = [" (approach)" if kind == "approach" else "" for kind in frame["kind"]]
    return [f"{code}{end}" for code, end in zip(codes, ends, strict=True)]


def _turned(frame: pd.DataFrame, scale: float) -> dict[str, pd.Series]:
    """Absence turned into presence: more is better, so the ends of the interval change places."""
    return {to: -scale * frame[name].astype(float)
            for to, name in (("value", "value"), ("ci_low", "ci_high"), ("ci_high", "ci_low"))}


def _forest(title: str, measure: str, released: Any, columns: tuple[Column, ...], note: str, key: str, unit: str,
            gate: Gate) -> Figure:
    shown = released.frame.astype(dict.fromkeys(_SIGNED, "float64"))
    alt = " ".join(f"{row.label}: {number(row.value, 1)} {unit}, from {number(row.ci_low, 1)} to "
                   f"{number(row.ci_high, 1)}." for row in shown.itertuples() if pd.notna(row.value))
    drawn = figures.interval_forest(shown, hidden=no_number(gate.is_team))
    return Figure(gate.fixed(title), gate.fixed(measure), drawn, gate.fixed(alt or "No strategy can be judged alone."),
                  released, columns, key=key, note=gate.fixed(note))
