"""Checks on an estimate: what a distrustful reader would ask. Each is one file and one line in `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from evalkit.checks.result import CheckResult, not_run
from evalkit.errors import UserError, must_be_one_of

__all__ = ["CHECKS", "Check", "CheckResult", "run_checks"]


@dataclass(frozen=True)
class Check:
    """One check: its name, the question it answers, its file and its source."""

    name: str
    question: str
    module: str
    paper: str

    @property
    def run(self) -> Callable[[Any], CheckResult]:
        return import_module(f"evalkit.checks.{self.module}").run  # type: ignore[no-any-return]


_ROWS = (
    Check("overlap", "Is there someone comparable for every treated student?", "overlap",
          "Stuart 2010, doi:10.1214/09-STS313"),
    Check("balance", "Did the groups start alike?", "balance", "WWC Standards Handbook 4.1, baseline equivalence"),
    Check("estimand_shift", "Who is the effect about once students are dropped?", "estimand_shift",
          "Rosenbaum & Rubin 1985, doi:10.2307/2530904"),
    Check("attrition", "Did more students leave one group than the other?", "attrition",
          "WWC Standards Handbook 4.1, Table II.1"),
    Check("regression_to_the_mean", "How much would students like these have changed anyway?",
          "regression_to_the_mean", "Barnett, van der Pols & Dobson 2005, doi:10.1093/ije/dyh299"),
    Check("pre_trend", "Did the groups move alike before, and could we have seen it if not?", "pre_trend",
          "Roth 2022, doi:10.1257/aeri.20210236"),
    Check("placebo_date", "Is there an effect before anyone had a mentor?", "placebo_date",
          "Imbens & Rubin 2015, Causal Inference, ch. 21"),
    Check("placebo_outcome", "Is there an effect on something mentors cannot change?", "placebo_outcome",
          "Lipsitch, Tchetgen & Cohen 2010, doi:10.1097/EDE.0b013e3181d61eeb"),
    Check("school_clusters", "Does it hold when whole schools are the unit?", "school_clusters",
          "Cameron, Gelbach & Miller 2008, doi:10.1162/rest.90.3.414"),
    Check("leave_one_school_out", "Does one school carry the result?", "leave_one_school_out",
          "Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 11"),
    Check("specification_curve", "Would other reasonable analyses say the same?", "specification_curve",
          "Simonsohn, Simmons & Nelson 2020, doi:10.1038/s41562-020-0912-z"),
    Check("spillover", "Do comparison students live with mentored ones?", "spillover",
          "Hudgens & Halloran 2008, doi:10.1198/016214508000000292"),
    Check("dosage", "Do students who were seen more often do better?", "dosage",
          "Hill 1965, doi:10.1177/003591576505800503"),
    Check("rosenbaum", "How strong a hidden difference within pairs would undo it?", "rosenbaum",
          "Rosenbaum 2002, Observational Studies, 2nd ed., ch. 4"),
    Check("e_value", "How strong a hidden common cause would undo it?", "e_value",
          "VanderWeele & Ding 2017, doi:10.7326/M16-2607"),
    Check("sensemakr", "How does a hidden cause compare with what we measured?", "sensemakr",
          "Cinelli & Hazlett 2020, doi:10.1111/rssb.12348"),
    Check("power", "How small an effect could this study have seen?", "power",
          "Bloom 1995, doi:10.1177/0193841X9501900504"),
)

CHECKS: dict[str, Check] = {row.name: row for row in _ROWS}


def run_checks(source: Any, comparison: Any = None, estimate: Any = None, plan: Any = None, *,
               panel: Any = None, which: Sequence[str] | None = None, **given: Any) -> list[CheckResult]:
    """Run the checks on one estimate, in the order of `CHECKS`.

    source: a Study, or a frame with a row per student and the outcome, or None. comparison, estimate: as chosen and
    estimated. plan: the AnalysisPlan (default: the comparison's own). which: names of checks, default all. given:
    inputs a frame cannot show (history, household, dose, attrition, placebo_outcomes, before): see docs/methods/checks.
    A check that cannot be made says why and counts as a caution.
    """
    import pandas as pd

    from evalkit.checks.context import Context
    from evalkit.engine import as_pandas

    source, comparison, panel = as_pandas(source), as_pandas(comparison), as_pandas(panel)
    if estimate is None:
        raise UserError("Checks need the estimate they are about.", remedy="Give what ek.estimate returned.")
    is_frame = isinstance(source, pd.DataFrame)
    names = list(CHECKS) if which is None else list(which)
    for name in names:
        must_be_one_of("which", name, list(CHECKS), error=UserError)
    context = Context(comparison if comparison is not None else source, estimate, plan, None if is_frame else source,
                      panel if panel is not None else source if is_frame and comparison is not None else None, given)
    return [_run(CHECKS[name], context) for name in names]


def _run(check: Check, context: Any) -> CheckResult:
    if context.estimate.value is None and check.name not in ("overlap", "balance", "estimand_shift", "attrition"):
        return not_run(check.name, "there is no estimate.")
    try:
        return check.run(context)
    except UserError as refusal:
        return not_run(check.name, refusal.what)
