"""One pen for all audiences: every sentence and table of a report goes through disclosure control as it is written."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.disclosure import TableRequest, plain_text, release_numbers, release_table, release_tables, release_text
from evalkit.disclosure.cells import to_base
from evalkit.disclosure.fingerprints import keyed_fingerprints
from evalkit.disclosure.release import two_digits
from evalkit.disclosure.types import Released, ReleasedNumbers, ReleasedRows, ReleasedText
from evalkit.files import safe_name
from evalkit.sources.account import SET_ASIDE

TEAM = "team"
ALL = "all students"
SCHOOL_BASE = 10


NOT_RECORDED = "This is not recorded yet."
_HOW = (
    (re.compile(r": the study has no usable data for it\. To switch it on: [^.]*\."), "."),
    (re.compile(r": the table \w+ has no row yet on [\d-]+; its rows begin later\."), ": it begins later."),
    (re.compile(r"(?:^|(?<=[;.]) )(?:[^.;]|\.(?=\w))*would switch(?:[^.;]|\.(?=\w))*\."), ""),
)


def without_how(text: str) -> str:
    """A sentence for others than the team: without the tables that would switch something on, which only it can add."""
    if not any(pattern.search(text) for pattern, _ in _HOW):
        return text
    for pattern, instead in _HOW:
        text = pattern.sub(instead, text)
    return re.sub(r";(?= [A-Z]|$)", ".", text.strip()) or NOT_RECORDED


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

    def beside(self, part: int, whole: int, *, exact: bool = False) -> int:
        """The number of students a part is told on beside its whole: 0 (hidden) where a few left over would follow.

        Both are as coarse as this copy's counts are; the whole not, where `exact`: it stands so in another report.
        """
        if self.is_team:
            return int(part)
        least_part, most_part = self._range_of(part)
        least_whole, most_whole = (whole, whole) if exact else self._range_of(whole)
        least = max(0, least_whole - most_part)
        most = most_whole - least_part
        is_open = least >= self.rules.min_cell or most - least >= self.rules.protect_width
        return int(part) if is_open else 0

    def _range_of(self, n: int) -> tuple[int, int]:
        """What a reader knows of a count that this copy shows: the numbers rounded to it, none of them small."""
        base = max(1, self.rules.rounding_base)
        shown = to_base(int(n), base)
        return max(self.rules.min_cell, shown - base // 2), shown + (base - 1) // 2

    def text(
        self, template: str, *, otherwise: str = "", words: Mapping[str, str] | None = None, **numbers: tuple[Any, Any]
    ) -> ReleasedText:
        """A sentence. numbers: key=(value, students it rests on), as for `release_numbers`. words: fixed fillings."""
        template = template if self.is_team else without_how(template)
        for key, value in (words or {}).items():
            template = template.replace("{" + key + "}", str(value).replace("{", "{{").replace("}", "}}"))
        released = release_numbers("sentence", numbers, privacy=self.rules, audience=self.audience)
        return release_text(template, released, otherwise=otherwise)

    def fixed(self, text: str) -> ReleasedText:
        """A sentence that holds nothing taken from students' records."""
        return plain_text(text if self.is_team else without_how(text))

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

    def parts(
        self,
        name: str,
        frame: pd.DataFrame,
        *,
        keys: Sequence[str],
        whole: Mapping[str, Any],
        by: str = "",
        plain: Mapping[str, str] | None = None,
        about: Sequence[str] = (),
        also: Mapping[int, Collection[str]] | None = None,
    ) -> Released:
        """A table of parts of a whole that stands elsewhere: what they leave over of it is a group too.

        whole: count column -> all students, whose parts the rows are; with `by`, the rows of each of its values (then
        also value -> students). The whole and the rest are protected with the rows and do not stand in the table.
        """
        options: dict[str, Any] = {"keys": keys, "counts": tuple(whole), "plain": plain, "about": about}
        if self.is_team or frame.empty:
            return self.table(name, frame, **options)
        values = frame[by].unique() if by else [None]
        sizes = [{column: n[value] if isinstance(n, Mapping) else n for column, n in whole.items()} for value in values]
        wholes = pd.DataFrame([{keys[-1]: ALL, **({by: value} if by else {}), **size}
                               for value, size in zip(values, sizes, strict=True)])
        kinds = {name: "Int64" if pd.api.types.is_integer_dtype(kind) else kind for name, kind in frame.dtypes.items()}
        both = pd.concat([frame.astype(object), wholes.astype(object)], ignore_index=True).astype(kinds)
        found = self.table(name, both, total=ALL, also=also, **options)
        lost = found.hidden[list(whole)].iloc[len(frame):].any(axis=1).to_numpy(bool)
        if lost.any():  # a reader has the whole from elsewhere, so it cannot be what protects its parts
            of_lost = frame[by].isin(list(values[lost])) if by else pd.Series(True, index=frame.index)
            also = {**(also or {}), **{row: tuple(whole) for row in np.flatnonzero(of_lost.to_numpy(bool)).tolist()}}
            found = self.table(name, both, total=ALL, also=also, **options)
        return _first_rows(found, len(frame))

    def tables(self, requests: Sequence[TableRequest]) -> list[Released]:
        """Tables about the same students, protected together."""
        return release_tables(requests, privacy=self.rules, audience=self.audience)


def _first_rows(table: Released, n: int) -> Released:
    rows = ReleasedRows(table.numbers["rows"][:n])
    return replace(table, frame=table.frame.iloc[:n], hidden=table.hidden.iloc[:n], numbers=ReleasedNumbers(rows=rows))


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
    return {"files": rows}, _inputs_for_others(study)


_NOBODYS = ("calendar", "code_table", "school", "resource", "organization", "cost", "plan_change")
"""Tables whose rows are no person: how many there are tells nothing about one."""


def _inputs_for_others(study) -> dict[str, dict[str, Any]]:
    """File -> rows and keyed fingerprint (`keyed` says so); few rows that are people, or theirs, are not counted."""
    plain = {item.file for item in study.account.files if item.table in _NOBODYS} | {"study.toml"}
    marks = keyed_fingerprints({name: known["sha256"] for name, known in study.inputs.items()})
    least = study.config.privacy.min_cell
    return {name: {"rows": known["rows"] if known["rows"] >= least or name in plain else None, "sha256": marks[name],
                   "keyed": True} for name, known in study.inputs.items()}


def is_whole(table: Released) -> bool:
    """Whether nothing of the table is hidden, so that a figure may be drawn from it."""
    return not bool(table.hidden.to_numpy().any())
