"""The one table of estimators: a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Method:
    """One estimator. shape: "students" (a row per student) or "panel" (a row per unit and period)."""

    name: str
    label: str
    module: str
    paper: str
    shape: str = "students"
    options: tuple[str, ...] = ()
    standard_errors: tuple[str, ...] = ()
    caution: str = ""

    @property
    def run(self) -> Callable[..., Any]:
        return import_module(f"evalkit.estimators.{self.module}").run  # type: ignore[no-any-return]


_LINEAR = ("CR2", "CR0", "CR1", "CR1S", "CR3", "wild_bootstrap", "robust", "HC0", "HC1", "HC2", "HC3")
_GLM = tuple(kind for kind in _LINEAR if kind != "wild_bootstrap")

_ROWS = (
    Method("regression_adjusted", "Regression-adjusted difference", "regression_adjusted",
           "Ho, Imai, King & Stuart 2007, doi:10.1093/pan/mpl013", standard_errors=_LINEAR),
    Method("difference", "Difference in means", "difference", "Ho, Imai, King & Stuart 2007, doi:10.1093/pan/mpl013",
           standard_errors=_LINEAR),
    Method("did", "Difference-in-differences, two periods", "did", "Daw & Hatfield 2018, doi:10.1111/1475-6773.12993",
           options=("before", "selected_on"), standard_errors=_LINEAR),
)

ESTIMATORS: dict[str, Method] = {row.name: row for row in _ROWS}
