"""One pen for all audiences: every sentence and table of a report goes through disclosure control as it is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from evalkit.disclosure import TableRequest, plain_text, release_numbers, release_table, release_tables, release_text
from evalkit.disclosure.cells import to_base
from evalkit.disclosure.release import two_digits
from evalkit.disclosure.types import Released, ReleasedNumbers, ReleasedText
from evalkit.files import safe_name
from evalkit.sources.account import SET_ASIDE

TEAM = "team"
SCHOOL_BASE = 10


@dataclass(frozen=True)
class Gate:
    """The study's privacy settings and the audience of this copy.

    of_one_school: a copy for one school stands beside the district's, from which it can be subtracted; so all its
    counts are rounded to the nearest ten, but those that are released for all schools together (`exact`).
    """

    privacy: Any
    audience: str
    of_one_school: bool = False

    @property
    def is_team(self) -> bool:
        return self.audience == TEAM

    @property
    def exact(self) -> Gate:
        """The gate for counts whose hiding was decided for all schools at once."""
        return replace(self, of_one_school=False)

    @property
    def rules(self) -> Any:
        """The privacy settings in force."""
        if self.is_team or not self.of_one_school:
            return self.privacy
        return replace(self.privacy, rounding_base=max(SCHOOL_BASE, self.privacy.rounding_base))

    def about(self, n: int) -> int:
        """The number a figure rests on: as it is for the team, to the nearest ten for others."""
        return int(n) if self.is_team else to_base(int(n), max(SCHOOL_BASE, self.rules.rounding_base))

    def days(self, value: Any) -> Any:
        """Days or absences: as they are for the team; for others two digits and whole tens, so that what a week or
        a school adds to an earlier copy points to nobody."""
        if self.is_team or value is None or pd.isna(value):
            return value
        return to_base(round(two_digits(value)), SCHOOL_BASE)

    def day_share(self, share: Any, of: Any) -> Any:
        """A share of `of` days: for others in steps that stand for ten days or more (tenths of a percent, or whole)."""
        if self.is_team or share is None or pd.isna(share) or pd.isna(of):
            return share
        return round(float(share), self.share_digits(of))

    def share_digits(self, of: Any) -> int:
        """Decimals of a share of `of` days outside the team."""
        return 3 if of >= SCHOOL_BASE * 1000 else 2

    def text(
        self, template: str, *, otherwise: str = "", words: Mapping[str, str] | None = None, **numbers: tuple[Any, Any]
    ) -> ReleasedText:
        """A sentence. numbers: key=(value, students it rests on), as for `release_numbers`. words: fixed fillings."""
        for key, value in (words or {}).items():
            template = template.replace("{" + key + "}", str(value).replace("{", "{{").replace("}", "}}"))
        released = release_numbers("sentence", numbers, privacy=self.rules, audience=self.audience)
        return release_text(template, released, otherwise=otherwise)

    def fixed(self, text: str) -> ReleasedText:
        """A sentence that holds nothing taken from students' records."""
        return plain_text(text)

    def numbers(self, name: str, **numbers: tuple[Any, Any]) -> ReleasedNumbers:
        """Figures for results.json, None where hidden."""
        return ReleasedNumbers(release_numbers(name, numbers, privacy=self.rules, audience=self.audience).numbers)

    def fixed_numbers(self, **numbers: Any) -> ReleasedNumbers:
        """Figures that hold nothing taken from students' records (a rule, how many combinations were searched)."""
        return ReleasedNumbers(numbers)

    def table(
        self,
        name: str,
        frame: pd.DataFrame,
        *,
        keys: Sequence[str],
        counts: Sequence[str] = (),
        shares: Mapping[str, tuple[str, str]] | None = None,
        plain: Mapping[str, str] | None = None,
        total: Any = None,
        parts: Mapping[str, tuple[str, ...]] | None = None,
        within: Mapping[str, str] | None = None,
        alone: bool = False,
        steps: Sequence[str] = (),
        about: Sequence[str] = (),
        also: Mapping[int, Collection[str]] | None = None,
    ) -> Released:
        """A table, small groups hidden for partners and the public. The options are those of `release_table`."""
        return release_table(
            name,
            frame,
            keys=list(keys),
            counts=list(counts),
            shares=shares,
            plain=plain,
            total=total,
            parts=parts,
            within=within,
            alone=alone,
            steps=steps,
            about=about,
            also=also,
            privacy=self.rules,
            audience=self.audience,
        )

    def tables(self, requests: Sequence[TableRequest]) -> list[Released]:
        """Tables about the same students, protected together."""
        return release_tables(requests, privacy=self.rules, audience=self.audience)


def gate_of(study, params, *, nearly: bool = False) -> Gate:
    """The gate of a run.

    nearly: the report counts nearly the students that another report counts exactly (those on the roll beside all who
    were enrolled); the few between the two would follow by subtraction, so its counts are rounded to the nearest ten.
    """
    return Gate(study.config.privacy, params.audience, bool(study.school) or nearly)


def released_account(study, gate: Gate) -> Released:
    """Rows of each file by what became of them; small numbers of rows hidden, for a row may be a student."""
    counts = ("rows_read", "loaded", "repaired", "quarantined", "duplicate")
    rows = [{key: getattr(item, key) for key in ("file", "table", *counts)} for item in study.account.files]
    return gate.exact.table(
        "row_account",
        pd.DataFrame(rows, columns=["file", "table", *counts]),
        keys=("file", "table"),
        counts=counts,
        parts={"rows_read": counts[1:]},
    )


def account_for(study, audience: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """(row account, inputs) as results.json and the manifest may hold them for this audience."""
    gate = Gate(study.config.privacy, audience)
    if gate.is_team:
        kept = f"{safe_name(study.folder.resolve().name)}/{SET_ASIDE}" if study.account.set_aside else None
        return {**study.account.to_dict(), "set_aside": kept}, study.inputs
    rows = [{**row, "reasons": []} for row in released_account(study, gate).numbers["rows"]]
    least = study.config.privacy.min_cell
    inputs = {name: {**known, "rows": None if known.get("rows", 0) < least else known["rows"]}
              for name, known in study.inputs.items()}
    return {"files": rows}, inputs


def is_whole(table: Released) -> bool:
    """Whether nothing of the table is hidden, so that a figure may be drawn from it."""
    return not bool(table.hidden.to_numpy().any())
