"""The blocks a page is made of, and the Section that holds them. Plain frozen records: no drawing, no formatting.

Text may hold `**bold**`. A block says of itself whether all it shows came through disclosure control (`is_released`):
a Section for partners or the public accepts nothing else.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from evalkit.disclosure.types import Released, ReleasedNumbers, ReleasedText, is_released_numbers
from evalkit.errors import DisclosureStop
from evalkit.figures import Drawing

TEAM, PARTNER, PUBLIC = "team", "partner", "public"
AUDIENCES = (TEAM, PARTNER, PUBLIC)


def _released(*texts: str) -> bool:
    return all(isinstance(text, ReleasedText) or not any(c.isdigit() for c in text) for text in texts)


@dataclass(frozen=True)
class Paragraph:
    """Running text; tone: lead (20 px), body, note (small, soft)."""

    text: str
    tone: str = "body"

    @property
    def is_released(self) -> bool:
        return _released(self.text)


@dataclass(frozen=True)
class Heading:
    """A block title; level 3 is a block inside a section."""

    text: str
    level: int = 3

    @property
    def is_released(self) -> bool:
        return _released(self.text)


@dataclass(frozen=True)
class Tile:
    """One big number with its label above and its comparison below."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Up to four tiles in a row (two by two on a phone)."""

    items: tuple[Tile, ...]

    @property
    def is_released(self) -> bool:
        return all(_released(tile.label, tile.value, tile.note) for tile in self.items)


@dataclass(frozen=True)
class Column:
    """How one column of a Table is shown. kind: one of `tables.KINDS` (text, integer, decimal1 ..., percent1, signed1,
    p_value, date, status for Done and Open, number_text for text set right).

    Percents are shares of 0 to 1; their cells show 23.0 under a "%". unit stands under the head, never in the cells.
    share: the column of a share (0 to 1) set behind a count in parentheses: "12 (7%)".
    """

    key: str
    label: str
    kind: str = "text"
    unit: str = ""
    share: str = ""


@dataclass(frozen=True)
class Table:
    """A table: title is the message, measure the line under it. `data` is Released or, for the team, a frame."""

    title: str
    measure: str
    data: Released | pd.DataFrame
    columns: tuple[Column, ...]
    note: str = ""
    total_row: bool = False
    most_rows: int = 0
    key: str = ""

    @property
    def is_released(self) -> bool:
        return isinstance(self.data, Released) and _released(self.title, self.measure, self.note)


@dataclass(frozen=True)
class Figure:
    """A drawing with its message, measure line, alt text (values in a sentence), note, and the table behind it."""

    title: str
    measure: str
    drawing: Drawing
    alt: str
    data: Released | pd.DataFrame
    columns: tuple[Column, ...]
    note: str = ""
    key: str = ""

    @property
    def is_released(self) -> bool:
        return isinstance(self.data, Released) and _released(self.title, self.measure, self.alt, self.note)


@dataclass(frozen=True)
class Callout:
    """A verdict, a caution or thanks on a wash ground. headline is the big verdict; text its sentences.

    tone: verdict (blue bar), caution (gray bar), thanks (orange bar on light sun), panel (an orange rule above, no
    ground: thanks to one group), answer (an ink rule above: one of the four questions).
    """

    title: str
    text: tuple[str, ...]
    headline: str = ""
    tone: str = "verdict"

    @property
    def is_released(self) -> bool:
        return _released(self.title, self.headline, *self.text)


@dataclass(frozen=True)
class CountList:
    """Lines with a bold count at the left."""

    title: str
    items: tuple[tuple[str, str], ...]

    @property
    def is_released(self) -> bool:
        return _released(self.title, *(part for item in self.items for part in item))


@dataclass(frozen=True)
class BigNumber:
    """The one number of a brief: 60 px, its interval below, then further readings of it as (label, value)."""

    label: str
    value: str
    unit: str = ""
    interval: str = ""
    also: tuple[tuple[str, str], ...] = ()

    @property
    def is_released(self) -> bool:
        return _released(
            self.label, self.value, self.unit, self.interval, *(part for pair in self.also for part in pair)
        )


@dataclass(frozen=True)
class BulletList:
    """Lines of text. style: rules (plain lines between thin rules), bullets, numbers."""

    title: str
    items: tuple[str, ...]
    style: str = "rules"

    @property
    def is_released(self) -> bool:
        return _released(self.title, *self.items)


@dataclass(frozen=True)
class FormLines:
    """Blank lines to write on, each with its label."""

    title: str
    labels: tuple[str, ...]

    @property
    def is_released(self) -> bool:
        return _released(self.title, *self.labels)


@dataclass(frozen=True)
class FormTable:
    """A table of blank rows under heads, to write in."""

    title: str
    heads: tuple[str, ...]
    n_rows: int = 4

    @property
    def is_released(self) -> bool:
        return _released(self.title, *self.heads)


@dataclass(frozen=True)
class Quote:
    """Somebody's words, by role only, shared with consent."""

    text: str
    role: str

    @property
    def is_released(self) -> bool:
        return isinstance(self.text, ReleasedText)


@dataclass(frozen=True)
class EventBox:
    """Day, time and place of the celebration; a blank one becomes a line to fill in."""

    day: str = ""
    time: str = ""
    place: str = ""
    note: str = ""
    is_released: bool = True


@dataclass(frozen=True)
class Row:
    """Blocks side by side: `cells` of blocks, `widths` in twelfths that add up to 12 (8+4, 4+4+4, 7+5)."""

    cells: tuple[tuple[Any, ...], ...]
    widths: tuple[int, ...]

    @property
    def is_released(self) -> bool:
        return all(block.is_released for cell in self.cells for block in cell)


@dataclass(frozen=True)
class Context:
    """What every page of a run shares: shown in masthead and footer, written to results.json and the manifest.

    as_of, last_day: YYYY-MM-DD, shown in the report's language. period: YYYY-MM or the as-of date. folder: the study
    folder's name. definitions: a line per definition, each may open with **its term**.
    plans: analysis plan -> its sha256.
    """

    report: str
    report_title: str
    study: str
    program: str
    audience: str
    as_of: str
    period: str
    last_day: str = ""
    school: str = ""
    language: str = "en"
    is_sample: bool = False
    definitions: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    row_account: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    folder: str = ""
    plans: Mapping[str, str] = field(default_factory=dict)
    set_aside: Any = field(default=None, repr=False, compare=False)
    """The account whose set-aside rows a team's run keeps beside it (mode 0600)."""


@dataclass(frozen=True)
class Section:
    """One part of a report: its blocks, and the numbers and tables it adds to results.json, tables/ and tables.xlsx.

    title: the section's title, or the report's message when `is_opening`. `lead` follows an opening's title.
    off: one sentence per thing that is not shown and the table that would switch it on.
    files: further files of the run's folder, relative name with / -> text (effects.json, replication/plan.toml), or
    bytes for the team (datt.xlsx).
    """

    context: Context
    key: str
    title: str
    blocks: tuple[Any, ...] = ()
    lead: str = ""
    is_opening: bool = False
    starts_page: bool = False
    numbers: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.context.audience == TEAM:
            return
        culprits = [type(block).__name__ for block in self.blocks if not block.is_released]
        culprits += ["title or lead"] if not _released(self.title, self.lead) else []
        culprits += [f"number {key}" for key, value in self.numbers.items()
                     if not isinstance(self.numbers, ReleasedNumbers) and not is_released_numbers(value)]
        culprits += [f"table {name}" for name, table in self.tables.items() if not isinstance(table, Released)]
        culprits += [f"file {name}" for name, text in self.files.items() if not isinstance(text, ReleasedText)]
        if culprits:
            raise DisclosureStop(f'The section "{self.key}" holds something that did not pass disclosure control.',
                                 culprits=culprits, remedy="This is a fault in the report's recipe: please report it.")

    def walk(self) -> Iterator[Any]:
        """Every block, those inside rows too."""
        for block in self.blocks:
            if isinstance(block, Row):
                yield from (inner for cell in block.cells for inner in cell)
            else:
                yield block

    def digest(self) -> str:
        """12 hex of the sha256 of the section's numbers, rounded to 9 significant digits so that machines agree."""
        text = json.dumps(_stable(self.numbers), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for block in self.walk():
            counts[type(block).__name__.lower()] = counts.get(type(block).__name__.lower(), 0) + 1
        listed = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
        return f"Section {self.key}: {listed or 'no blocks'}; numbers {self.digest()}"

    def _repr_html_(self) -> str:
        from evalkit.render.html import section_html

        return section_html(self)


def _stable(value: Any) -> Any:
    """Floats to 9 significant digits, mappings and sequences walked."""
    if isinstance(value, Mapping):
        return {str(key): _stable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_stable(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.9g}")
    return value
