"""One pen for all audiences: every sentence and table of a report goes through disclosure control as it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit.disclosure import plain_text, release_numbers, release_table, release_text
from evalkit.disclosure.types import Released, ReleasedText

TEAM = "team"


@dataclass(frozen=True)
class Gate:
    """The study's privacy settings and the audience of this copy."""

    privacy: Any
    audience: str

    @property
    def is_team(self) -> bool:
        return self.audience == TEAM

    def text(
        self, template: str, *, otherwise: str = "", words: Mapping[str, str] | None = None, **numbers: tuple[Any, Any]
    ) -> ReleasedText:
        """A sentence. numbers: key=(value, students it rests on), as for `release_numbers`. words: fixed fillings."""
        for key, value in (words or {}).items():
            template = template.replace("{" + key + "}", str(value).replace("{", "{{").replace("}", "}}"))
        released = release_numbers("sentence", numbers, privacy=self.privacy, audience=self.audience)
        return release_text(template, released, otherwise=otherwise)

    def fixed(self, text: str) -> ReleasedText:
        """A sentence that holds nothing taken from students' records."""
        return plain_text(text)

    def numbers(self, name: str, **numbers: tuple[Any, Any]) -> Mapping[str, Any]:
        """Figures for results.json, None where hidden."""
        return dict(release_numbers(name, numbers, privacy=self.privacy, audience=self.audience).numbers)

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
    ) -> Released:
        """A table, small groups hidden for partners and the public."""
        return release_table(
            name,
            frame,
            keys=list(keys),
            counts=list(counts),
            shares=shares,
            plain=plain,
            total=total,
            parts=parts,
            privacy=self.privacy,
            audience=self.audience,
        )


def gate_of(study, params) -> Gate:
    """The gate of a run."""
    return Gate(study.config.privacy, params.audience)


def is_whole(table: Released) -> bool:
    """Whether nothing of the table is hidden, so that a figure may be drawn from it."""
    return not bool(table.hidden.to_numpy().any())
