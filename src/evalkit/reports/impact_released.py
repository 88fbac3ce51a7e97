"""results.json of the impact study for partners and the public: only what rests on enough students."""

from __future__ import annotations

from typing import Any

from evalkit.reports.gate import Gate
from evalkit.reports.impact_balance import released_rows
from evalkit.reports.impact_run import Analysis
from evalkit.reports.impact_units import arms


def released_analysis(main: Analysis, gate: Gate) -> dict[str, Any]:
    """results.json for partners and the public: the planned number and its reading, hidden where arms are small.

    The keys are those of the team's entry; sentences of checks hold counts and stay out. Runs beyond the plan are often
    about nearly the same students, so their numbers of students are to the nearest ten.
    """
    about = arms(main)
    n_matched, n_dropped = main.n_treated_in
    entry = gate.numbers("counts", n_treated_matched=(n_matched, about),
                         n_treated_dropped=(n_dropped, (n_dropped, n_matched + n_dropped)))
    sizes = gate.numbers("effect_sizes", **{key: (value, about) for key, value in main.effect_sizes.items()})
    beyond = [_released_row(_about(found.to_dict(), gate), [found.n_treated, found.n_comparison], gate)
              for _, found in main.beyond]
    for row, (name, _) in zip(beyond, main.beyond, strict=True):
        row["name"] = name
    entry.update(
        id=main.plan.id,
        plan_sha256=main.plan.sha256,
        plan_is_default=main.is_default,
        estimates=[_released_row(main.planned.to_dict(), about, gate), *beyond],
        balance=released_rows(main, gate, about),
        checks=[{"name": check.name, "verdict": check.verdict, "value": None, "text": ""} for check in main.checks],
        effect_sizes=sizes,
        evidence={"wwc": main.evidence["wwc"], "essa": main.evidence["essa"], "reasons": []},
    )
    return entry


def _about(row: dict[str, Any], gate: Gate) -> dict[str, Any]:
    return {**row, **{name: gate.about(row[name]) for name in ("n_treated", "n_comparison")}}


def _released_row(row: dict[str, Any], about: list[int], gate: Gate) -> Any:
    """One row of results.json: text as it is, every number only where both arms are large enough."""
    return gate.numbers("row", **{key: (value, None if isinstance(value, str | bool) else about)
                                  for key, value in row.items()})
