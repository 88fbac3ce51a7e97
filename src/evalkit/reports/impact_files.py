"""Files beside the impact study's pages: the replication bundle, effects.json for pooling, tables in LaTeX."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import pandas as pd

from evalkit import tables
from evalkit.disclosure.types import HIDDEN, Released
from evalkit.render.blocks import Column, Table
from evalkit.reports.gate import Gate
from evalkit.reports.impact_plan import plain_plan
from evalkit.reports.impact_run import Analysis

LIBRARIES = ("numpy", "scipy", "pandas", "statsmodels", "duckdb", "narwhals")
_ESCAPES = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
            "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": r"$-$", "–": "--", "’": "'",
            "<": r"\textless{}", ">": r"\textgreater{}", "“": "``", "”": "''"}


def replication(study: Any, found: Sequence[Analysis]) -> dict[str, str]:
    """The bundle that gets the numbers again from the same study: plan, call, versions, seed. No student data."""
    plans = "\n".join(plan_toml(analysis) for analysis in found)
    versions = {"evalkit": version("evalkit"), **{name: version(name) for name in LIBRARIES}}
    inputs = {name: dict(known) for name, known in study.inputs.items()}
    return {"replication/plan.toml": plans, "replication/call.py": call_py(study, found),
            "replication/versions.json": _json(versions), "replication/inputs.json": _json(inputs),
            "replication/README.md": _README}


_README = """# Getting these numbers again

1. Install the versions of `versions.json` (the lock file of the repository does that).
2. Have the study folder whose files carry the fingerprints of `inputs.json`.
3. Run `python call.py STUDY`. It prints each plan, its fingerprint, the estimate and its standard error, to the last
   digit; results.json holds the same numbers.

`plan.toml` holds the plans as they ran, each with its fingerprint. No student's data are here.
`evalkit export STUDY --analysis ID --out DIR` makes a pseudonymous file and an R script from the study.
"""


def plan_toml(analysis: Analysis) -> str:
    """One [[analysis]] block with every setting, defaults too, and its fingerprint."""
    lines = ["[[analysis]]", f"# sha256 of this plan: {analysis.plan.sha256}"]
    for key, value in plain_plan(analysis.plan).items():
        if value is None or value == "":
            continue
        lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def call_py(study: Any, found: Sequence[Analysis]) -> str:
    """The code call, as a script of its own: the same study, date, school and plans."""
    seeds = {analysis.plan.id: analysis.plan.seed for analysis in found}
    school = f', school="{study.school}"' if study.school else ""
    return f'''"""Redo the planned estimates: python call.py STUDY. study.toml holds the plans. Seeds: {seeds}."""

import sys

import evalkit as ek
from evalkit.reports.impact_plan import planned_comparison, planned_estimate

study = ek.open_study(sys.argv[1], as_of="{study.as_of:%Y-%m-%d}"{school})
for plan in study.config.analyses:
    if plan.id in {sorted(seeds)}:
        found = planned_estimate(planned_comparison(study, plan), plan)
        sys.stdout.write(f"{{plan.id}} {{plan.sha256}} {{found.value!r}} {{found.standard_error!r}}\\n")
'''


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, default=str) + "\n"


def effects(study: Any, found: Sequence[Analysis], gate: Gate) -> str:
    """effects.json: each planned estimate that rests on enough students in both arms, for `evalkit pool`.

    No student, no subgroup: outcome, unit, value, standard error, interval, n by arm, design, plan fingerprint, year.
    """
    rows = [row for analysis in found if (row := _effect(analysis, gate)) is not None]
    return _json({"site": study.name, "program": study.config.mentor_term, "school_year": study.school_year,
                  "as_of": f"{study.as_of:%Y-%m-%d}", "evalkit": version("evalkit"), "effects": rows})


def _effect(analysis: Analysis, gate: Gate) -> dict[str, Any] | None:
    planned = analysis.planned
    both = [planned.n_treated, planned.n_comparison]
    shown = gate.numbers("effect", **{key: (getattr(planned, key), both) for key in (
        "value", "standard_error", "ci_low", "ci_high", "n_treated", "n_comparison")})
    if shown["value"] is None or shown["standard_error"] is None:
        return None
    return {"analysis": analysis.plan.id, "outcome": planned.outcome, "unit": planned.unit,
            "estimator": planned.estimator, "estimand": planned.estimand, "design": planned.comparison,
            "clustered_by": planned.clustered_by, "plan_sha256": analysis.plan.sha256,
            "checks_failed": [check.name for check in analysis.checks if check.verdict == "fail"], **shown}


def latex_tables(blocks: Mapping[str, Table]) -> dict[str, str]:
    """tables/<name>.tex for each table, ready for a paper (booktabs)."""
    return {f"tables/{name}.tex": latex(block) for name, block in blocks.items()}


def latex(block: Table) -> str:
    """One table as booktabs LaTeX: caption, heads with units, cells as they are shown on the page."""
    columns = block.columns
    align = "".join("l" if column.kind in ("text", "status", "date") else "r" for column in columns)
    heads = " & ".join(escape(column.label + (f" ({column.unit})" if column.unit else "")) for column in columns)
    rows = [" & ".join(cells) + r" \\" for cells in _cells(block.data, columns)]
    return "\n".join([r"\begin{table}", r"\centering", rf"\caption{{{escape(block.title)}. {escape(block.measure)}.}}",
                      rf"\begin{{tabular}}{{{align}}}", r"\toprule", heads + r" \\", r"\midrule", *rows,
                      r"\bottomrule", r"\end{tabular}", *([rf"\par\footnotesize {escape(block.note)}"] if block.note
                                                          else []), r"\end{table}", ""])


def _cells(data: Released | pd.DataFrame, columns: Sequence[Column]) -> list[list[str]]:
    frame = data.frame if isinstance(data, Released) else data
    hidden = data.hidden if isinstance(data, Released) else None
    return [[HIDDEN if hidden is not None and bool(hidden.iloc[row][column.key])
             else escape(tables.cell(frame.iloc[row][column.key], column.kind)) for column in columns]
            for row in range(len(frame))]


def escape(text: str) -> str:
    """`text` as LaTeX prints it: every special character escaped, bold marks of the pages taken out."""
    return "".join(_ESCAPES.get(character, character) for character in str(text).replace("**", ""))
