"""The one table of estimators: a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Method:
    """One estimator. shape: "students" (a row per student) or "panel" (a row per unit and period). takes_covariates:
    whether a gap in a covariate is taken out of the estimate."""

    name: str
    label: str
    module: str
    paper: str
    shape: str = "students"
    options: tuple[str, ...] = ()
    standard_errors: tuple[str, ...] = ()
    caution: str = ""
    takes_covariates: bool = True

    @property
    def run(self) -> Callable[..., Any]:
        return import_module(f"evalkit.estimators.{self.module}").run  # type: ignore[no-any-return]


_LINEAR = ("CR2", "CR0", "CR1", "CR1S", "CR3", "wild_bootstrap", "robust", "HC0", "HC1", "HC2", "HC3")
_GLM = tuple(kind for kind in _LINEAR if kind != "wild_bootstrap")

_PANEL = ("unit_id", "time", "first_treated")

_ROWS = (
    Method("regression_adjusted", "Regression-adjusted difference", "regression_adjusted",
           "Ho, Imai, King & Stuart 2007, doi:10.1093/pan/mpl013", options=("interacted",),
           standard_errors=_LINEAR),
    Method("difference", "Difference in means", "difference", "Ho, Imai, King & Stuart 2007, doi:10.1093/pan/mpl013",
           standard_errors=_LINEAR, takes_covariates=False),
    Method("did", "Difference-in-differences, two periods", "did", "Daw & Hatfield 2018, doi:10.1111/1475-6773.12993",
           options=("before", "selected_on"), standard_errors=_LINEAR),
    Method("poisson", "Poisson for days, with enrolled days as exposure", "poisson",
           "Gourieroux, Monfort & Trognon 1984, doi:10.2307/1913472", options=("exposure",), standard_errors=_GLM),
    Method("logistic", "Logistic, as a difference in shares", "logistic",
           "McCullagh & Nelder 1989, Generalized Linear Models, 2nd ed.", standard_errors=_GLM),
    Method("callaway_santanna", "Staggered starts, group-time effects", "callaway_santanna",
           "Callaway & Sant'Anna 2021, doi:10.1016/j.jeconom.2020.12.001", shape="panel",
           options=(*_PANEL, "control_group", "method", "base_period", "aggregate", "anticipation", "first_event",
                    "last_event", "draws"), standard_errors=("analytic", "bootstrap")),
    Method("did2s", "Staggered starts, two-stage", "did2s", "Gardner 2022, arXiv:2207.05943", shape="panel",
           options=_PANEL, standard_errors=("CR0",), takes_covariates=False),
    Method("sun_abraham", "Staggered starts, interaction-weighted event study", "sun_abraham",
           "Sun & Abraham 2021, doi:10.1016/j.jeconom.2020.09.006", shape="panel", options=_PANEL,
           standard_errors=("CR1S", "CR2"), takes_covariates=False),
    Method("twfe", "Two-way fixed effects", "twfe", "Goodman-Bacon 2021, doi:10.1016/j.jeconom.2021.03.014",
           shape="panel", options=_PANEL, standard_errors=("CR1S", "CR2", "CR3"),
           caution="misleads when starts are staggered", takes_covariates=False),
    Method("panel_poisson", "Poisson for days with student and month effects", "panel_poisson",
           "Wooldridge 1999, doi:10.1016/S0304-4076(98)00033-5", shape="panel", options=(*_PANEL, "exposure"),
           standard_errors=("CR1S",), takes_covariates=False),
    Method("interrupted_series", "Interrupted time series of schools", "interrupted_series",
           "Bernal, Cummins & Gasparrini 2017, doi:10.1093/ije/dyw098", shape="panel",
           options=(*_PANEL, "breaks", "season", "lags"), standard_errors=("auto", "newey_west", "CR2"),
           takes_covariates=False),
    Method("session_day", "Days with a scheduled session against other days", "session_day",
           "Lee, Loeb & Robinson 2024, EdWorkingPaper 24-959", shape="panel",
           options=("unit_id", "time", "scheduled", "school"), standard_errors=("CR1S",), takes_covariates=False),
    Method("randomized", "Randomised offer (intent to treat)", "randomized",
           "Lin 2013, doi:10.1214/12-AOAS583", options=("block", "draws"),
           standard_errors=("HC2", *(kind for kind in _LINEAR if kind != "HC2"))),
    Method("discontinuity", "Regression discontinuity at a threshold", "discontinuity",
           "Calonico, Cattaneo & Titiunik 2014, doi:10.3982/ECTA11757",
           options=("score", "cutoff", "bandwidth", "side"),
           standard_errors=("HC2", "HC0", "HC1", "HC3", "robust", "CR1"), takes_covariates=False),
)

ESTIMATORS: dict[str, Method] = {row.name: row for row in _ROWS}
