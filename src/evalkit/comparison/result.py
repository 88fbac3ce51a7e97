"""What a comparison hands on: every row with its weight, who was dropped and why, and whether the groups are alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison.balance import DENOMINATORS, RESULT_KEYS, effective_n
from evalkit.errors import must_be_one_of


@dataclass(frozen=True)
class Comparison:
    """Who is compared with whom.

    students: every input row, column and order, plus treated (0/1), weight (0 = not used), subclass (the set; missing
    with replacement and for weights), distance (the score; missing for covariate distances). dropped: a row for every
    row not used, with its reason. balance: a row a covariate. flow: from the data to the analysis, by arm. pairs: row
    positions in `students` of each treated and partner, and the round. plan: what was asked for. remarks: what was
    done that the reader should know. tables: how dropped, flow and pairs are made when they are first looked at
    (eight of nine looks of a monthly review never do).
    """

    students: pd.DataFrame
    plan: Mapping[str, Any]
    tables: Mapping[str, Callable[[], pd.DataFrame]]
    remarks: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """What `describe` says: no row of a student, and no page of numbers in a notebook."""
        return self.describe()

    @property
    def used(self) -> pd.DataFrame:
        """The rows with a weight."""
        return self.students[self.students["weight"] != 0]

    def arm(self, treated: int, *, used: bool = True) -> pd.DataFrame:
        rows = self.used if used else self.students
        return rows[rows["treated"].astype(int) == treated]

    @property
    def n_treated_matched(self) -> int:
        return len(self.arm(1))

    @property
    def n_comparison_matched(self) -> int:
        return len(self.arm(0))

    @property
    def n_treated_dropped(self) -> int:
        return len(self.arm(1, used=False)) - self.n_treated_matched

    @property
    def effective_n(self) -> dict[str, float]:
        """Kish's effective number of students in each arm, after weighting."""
        return {name: effective_n(self.arm(arm)["weight"].to_numpy(float))
                for name, arm in (("treated", 1), ("comparison", 0))}

    @cached_property
    def dropped(self) -> pd.DataFrame:
        """A row for every row that is not used, with its reason."""
        return self.tables["dropped"]()

    @cached_property
    def flow(self) -> pd.DataFrame:
        """From the data to the analysis, by arm."""
        return self.tables["flow"]()

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Row positions in `students` of each treated and its partner, and the round."""
        return self.tables["pairs"]()

    @cached_property
    def balance(self) -> pd.DataFrame:
        """The balance table, by the estimand's denominator (or the one asked for), made when it is first looked at."""
        return self.balance_with(denominator=self.details["denominator"])

    @cached_property
    def dropped_profile(self) -> pd.DataFrame:
        """How the treated rows that were dropped differ from those kept: a row a covariate."""
        from evalkit.comparison.account import dropped_profile
        return dropped_profile(self.details["columns"], self.details["treated"], self.details["weights"])

    def balance_with(self, *, denominator: str, overlap: bool = False) -> pd.DataFrame:
        """The balance table again with another denominator (treated, comparison, pooled, all), or with overlap."""
        from evalkit.comparison.account import balance_of
        must_be_one_of("denominator", denominator, DENOMINATORS)
        return balance_of(self.details["columns"], self.details["treated"], self.details["weights"],
                          self.details["score"], denominator=denominator, overlap=overlap)

    def balance_rows(self) -> list[dict[str, Any]]:
        """The rows of results.json: its keys only, a figure that cannot be had as None."""
        return [{key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
                for row in self.balance[list(RESULT_KEYS)].to_dict("records")]

    def describe(self) -> str:
        """Plain sentences: what was done, for whom, and what stands out."""
        lines = [self.details.get("sentence", ""), _sizes(self), _dropped(self), _worst(self), *self.remarks]
        return "\n".join(line for line in lines if line)


def _sizes(comparison: Comparison) -> str:
    effective = comparison.effective_n["comparison"]
    sentence = (f"{comparison.n_treated_matched} treated students are compared with {comparison.n_comparison_matched} "
                f"others (worth {effective:.0f} equally weighted ones).")
    return sentence if comparison.n_treated_matched else ""


def _dropped(comparison: Comparison) -> str:
    gone, total = comparison.n_treated_dropped, comparison.n_treated_dropped + comparison.n_treated_matched
    if not gone:
        return ""
    return (f"{gone} of {total} treated students ({gone / total:.0%}) have no partner: the result is about the other "
            f"{total - gone}.")


def _worst(comparison: Comparison) -> str:
    table = comparison.balance
    table = table[table["covariate"] != "distance"]
    if table.empty or table["smd_after"].isna().all():
        return ""
    worst = table.loc[table["smd_after"].abs().idxmax()]
    return (f'The largest difference left is {worst["smd_after"]:+.3f} standard deviations (of the '
            f'{table["denominator"].iloc[0]} group before matching), in "{worst["covariate"]}"; before it was '
            f'{worst["smd_before"]:+.3f}.')
