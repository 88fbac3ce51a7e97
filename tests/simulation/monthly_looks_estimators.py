"""How often does a year without any effect come out "clearly better" or "clearly worse" when looked at every month?

    python tests/simulation/monthly_looks_estimators.py --years 4000 --page docs/methods/monthly_looks.md

Null years of six kinds: what lasts in a student, what carries over from month to month, group sizes and number of
looks differ. Each month the difference in the absence so far is judged by `monthly_verdict` and by the plain rule
"probability 95 % today".
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.estimators.sequence import confidence_sequence, verdict


@dataclass(frozen=True)
class World:
    """lasting: SD between students, in SDs of a month; carry: correlation of a month with the last."""

    name: str
    n_treated: int
    n_comparison: int
    looks: int
    lasting: float
    carry: float
    is_skewed: bool = False


WORLDS = (
    World("independent months", 60, 120, 9, 0.0, 0.0),
    World("students differ lastingly", 60, 120, 9, 1.0, 0.0),
    World("months carry over", 60, 120, 9, 0.3, 0.6),
    World("small groups", 30, 60, 9, 1.0, 0.3),
    World("skewed absences", 60, 120, 9, 1.0, 0.3, is_skewed=True),
    World("ten looks, large groups", 400, 800, 10, 0.5, 0.3),
)


def null_year(rng: np.random.Generator, world: World) -> pd.DataFrame:
    """One year's looks: estimate and standard error of the mean absence so far, month by month."""
    n = world.n_treated + world.n_comparison
    treated = np.arange(n) < world.n_treated
    level, noise, total = world.lasting * rng.standard_normal(n), np.zeros(n), np.zeros(n)
    rows = []
    for month in range(1, world.looks + 1):
        noise = world.carry * noise + rng.standard_normal(n)
        total += np.exp((level + noise) / 1.5) if world.is_skewed else level + noise
        one, zero = total[treated] / month, total[~treated] / month
        error = np.sqrt(one.var(ddof=1) / len(one) + zero.var(ddof=1) / len(zero))
        rows.append((one.mean() - zero.mean(), error, len(one), len(zero), 20 * month))
    return pd.DataFrame(rows, columns=["estimate", "standard_error", "n_treated", "n_comparison", "follow_up_days"])


def errors(world: World, years: int, seed: int) -> dict[str, float]:
    """Share of null years with a clear verdict at any look, by direction; the same for the plain rule."""
    rng = np.random.default_rng(seed)
    better = worse = plain = 0
    for _ in range(years):
        looks = null_year(rng, world)
        band = confidence_sequence(looks["estimate"], looks["standard_error"])
        better += bool((band["ci_high"] < 0).any())
        worse += bool((band["ci_low"] > 0).any())
        plain += bool((looks["estimate"] / looks["standard_error"] < -1.6448536).any())
    assert verdict(looks) in ("clearly_better", "leans_better", "no_clear_change", "leans_worse", "clearly_worse")
    return {"better": better / years, "worse": worse / years, "plain": plain / years}


def page(years: int, seed: int) -> str:
    lines = []
    for world in WORLDS:
        found = errors(world, years, seed)
        lines.append(f"| {world.name} | {world.n_treated} / {world.n_comparison} | {world.looks} | "
                     f"{found['better']:.1%} | {found['worse']:.1%} | {found['better'] + found['worse']:.1%} | "
                     f"{found['plain']:.1%} |")
    return "\n".join([
        "# Looking every month", "",
        "`clearly better` and `clearly worse` are said only when the one-sided 95 % confidence sequence over this "
        "year's looks leaves out no difference (Waudby-Smith et al., arXiv:2103.06476, information 1 / standard error "
        "squared as time, tightest at twice the information of the first look). Such a sequence holds at all looks "
        "together, so a team may look every month.", "",
        f"Years in which nothing happens, {years:,} of each kind, judged at every look "
        f"(`python tests/simulation/monthly_looks_estimators.py --years {years}`, seed {seed}):", "",
        "| kind of year | treated / comparison | looks | ever clearly better | ever clearly worse | either | plain "
        "\"95 % today\", better |", "|---|---|---|---|---|---|---|", *lines, "",
        "The last column is what happens when each month is judged as if it were the only one.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20260)
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    text = page(asked.years, asked.seed)
    if asked.page:
        asked.page.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
