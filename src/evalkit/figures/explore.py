"""Quick looks for a researcher at work in JupyterLab, drawn with seaborn. For your own eyes only.

These plots are drawn from rows of students, so they never enter a report: report pages are drawn from released tables
by the other functions of this package. Each returns a matplotlib Figure and changes no global setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from evalkit.errors import UserError, must_be_one_of
from evalkit.figures.palette import BLUE, GRAY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_ARMS = ("comparison", "treated")
_COLORS = {"comparison": GRAY, "treated": BLUE}


@contextmanager
def _style() -> Iterator[Any]:
    """Seaborn's white style inside this block only."""
    import matplotlib as mpl
    import seaborn as sns

    with mpl.rc_context(), sns.axes_style("white"):
        yield sns


def _rows(comparison: Any, column: str) -> pd.DataFrame:
    """The rows with a known value of `column`, and who they are in words."""
    students = comparison.students
    must_be_one_of("The column", column, list(students.columns), error=UserError)
    rows = students[students[column].notna()]
    if rows.empty:
        raise UserError(f'The column "{column}" has no value to draw.', remedy="Choose another column.")
    return rows.assign(group=[_ARMS[int(arm)] for arm in rows["treated"]])


def overlap(comparison: Any, *, bins: int = 30) -> Figure:
    """Do the two groups' scores overlap, before and after selection? Histograms of the distance, one panel each."""
    from matplotlib.figure import Figure

    rows = _rows(comparison, "distance")
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    with _style() as sns:
        panels = figure.subplots(1, 2, sharex=True)
        for axes, title, part in zip(panels, ("Before", "Compared"), (rows, rows[rows["weight"] > 0]), strict=True):
            weights = part["weight"] if title == "Compared" else None
            sns.histplot(
                data=part,
                x="distance",
                hue="group",
                hue_order=_ARMS,
                palette=_COLORS,
                weights=weights,
                stat="probability",
                common_norm=False,
                bins=bins,
                element="step",
                ax=axes,
            )
            axes.set(
                title=title, xlabel=f"{comparison.plan.get('distance', 'distance')} score", ylabel="share of group"
            )
    return figure


def covariate(comparison: Any, column: str) -> Figure:
    """How a measure is distributed in the two groups, before and after selection (empirical distribution functions)."""
    from matplotlib.figure import Figure

    rows = _rows(comparison, column)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    with _style() as sns:
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, title, part in zip(panels, ("Before", "Compared"), (rows, rows[rows["weight"] > 0]), strict=True):
            weights = part["weight"] if title == "Compared" else None
            sns.ecdfplot(data=part, x=column, hue="group", hue_order=_ARMS, palette=_COLORS, weights=weights, ax=axes)
            axes.set(title=title, xlabel=column, ylabel="share at or below")
    return figure


def monthly(panel: pd.DataFrame, comparison: Any, *, seed: int = 20260) -> Figure:
    """Absence rate by month in the two groups compared, with a 95 % bootstrap band over students.

    panel: a row per student and month (`ek.attendance_panel(study, by="month")`) with month, enrolled_units and
    absent_units. A student compared more than once counts once. Weights of the comparison are used.
    """
    from matplotlib.figure import Figure

    needed = ("student_id", "month", "enrolled_units", "absent_units")
    missing = [column for column in needed if column not in panel]
    if missing:
        raise UserError(f"The panel lacks {', '.join(missing)}.", remedy='Use ek.attendance_panel(study, by="month").')
    who = (
        _rows(comparison, "weight").query("weight > 0").drop_duplicates("student_id")[["student_id", "group", "weight"]]
    )
    rows = panel[panel["enrolled_units"].fillna(0) > 0].merge(who, on="student_id")
    rows = rows.assign(absence_rate=rows["absent_units"].astype(float) / rows["enrolled_units"].astype(float))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    with _style() as sns:
        axes = figure.subplots()
        sns.lineplot(
            data=rows.sort_values("month"),
            x="month",
            y="absence_rate",
            hue="group",
            hue_order=_ARMS,
            style="group",
            style_order=_ARMS[::-1],
            palette=_COLORS,
            weights="weight",
            errorbar=("ci", 95),
            seed=seed,
            ax=axes,
        )
        axes.set(xlabel="", ylabel="share of days missed")
        axes.tick_params(axis="x", rotation=45)
    return figure
