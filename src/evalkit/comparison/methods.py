"""The one table of methods: to add one, write its function and add a line here and a page under docs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evalkit.comparison.cem import cem
from evalkit.comparison.exact import exact
from evalkit.comparison.matched import nearest
from evalkit.comparison.optimal import full, optimal
from evalkit.comparison.problem import Problem, Result
from evalkit.comparison.subclass import subclass
from evalkit.comparison.weighting import cbps, entropy, none, weighting


@dataclass(frozen=True)
class Method:
    """How a comparison group is made. `needs`: score (a propensity), either (a score or a covariate distance) or
    nothing; `normalize`: weights have mean 1 in each arm; `page`: its page under docs/methods/comparison."""

    name: str
    make: Callable[[Problem], Result]
    estimands: tuple[str, ...]
    needs: str
    takes: tuple[str, ...]
    normalize: bool
    says: str
    source: str
    page: str


_PAIR = ("exact", "caliper", "std_caliper", "discard", "reestimate", "ratio", "order", "mahvars")

METHODS: dict[str, Method] = {method.name: method for method in (
    Method("nearest", nearest, ("ATT", "ATC"), "either", (*_PAIR, "replace", "min_controls", "max_controls"), True,
           "each treated student takes its nearest free partners", "Ho, Imai, King & Stuart 2011", "nearest.md"),
    Method("optimal", optimal, ("ATT", "ATC"), "either",
           ("exact", "caliper", "std_caliper", "discard", "reestimate", "ratio", "mahvars"), True,
           "pairs with the smallest total distance", "Rosenbaum 1989", "optimal.md"),
    Method("full", full, ("ATT", "ATC", "ATE"), "either",
           ("exact", "caliper", "std_caliper", "discard", "reestimate", "mahvars"), True,
           "everybody in a set of one with several, smallest total distance", "Hansen 2004", "full.md"),
    Method("exact", exact, ("ATT", "ATC", "ATE"), "nothing", ("exact",), True,
           "students equal on every covariate", "Ho, Imai, King & Stuart 2011", "exact.md"),
    Method("cem", cem, ("ATT", "ATC", "ATE"), "nothing", ("exact", "cutpoints", "k2k", "k2k_distance", "order"), True,
           "students equal on covariates cut into bins", "Iacus, King & Porro 2012", "cem.md"),
    Method("subclass", subclass, ("ATT", "ATC", "ATE"), "score", ("discard", "reestimate", "subclasses"), True,
           "groups of similar score", "Rosenbaum & Rubin 1984", "subclass.md"),
    Method("weighting", weighting, ("ATT", "ATC", "ATE", "ATO", "ATM"), "score", ("discard", "reestimate"), False,
           "everybody, weighted by the chance of treatment", "Li, Morgan & Zaslavsky 2018", "weighting.md"),
    Method("entropy", entropy, ("ATT", "ATC", "ATE"), "nothing", (), False,
           "everybody, weighted to equal covariate means", "Hainmueller 2012", "entropy.md"),
    Method("cbps", cbps, ("ATT", "ATC", "ATE"), "nothing", (), False,
           "everybody, weighted by a score that balances covariates", "Imai & Ratkovic 2014", "cbps.md"),
    Method("none", none, ("ATT", "ATC", "ATE", "ATO", "ATM"), "nothing", (), False,
           "everybody as they are", "", "none.md"),
)}
