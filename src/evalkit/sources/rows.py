"""What is read: columns of text before they mean anything, and the fate of every row afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit.schemas import empty_frame

LOADED, REPAIRED, QUARANTINED, DUPLICATE = 0, 1, 2, 3
FATES = ("loaded", "repaired", "quarantined", "duplicate")


@dataclass(frozen=True)
class TextColumn:
    """One column as text: `values` are the different texts, `codes` says which of them each row has."""

    values: tuple[str, ...]
    codes: np.ndarray

    def take(self, rows: np.ndarray) -> TextColumn:
        return TextColumn(self.values, self.codes[rows])

    def counts(self) -> np.ndarray:
        return np.bincount(self.codes, minlength=len(self.values))

    def where(self, test: Callable[[str], bool]) -> np.ndarray:
        """Which rows hold a text that passes `test`, asked once for each different text."""
        return np.fromiter((test(value) for value in self.values), bool, len(self.values))[self.codes]

    def texts(self, rows: np.ndarray) -> list[str]:
        return [self.values[code] for code in self.codes[rows]]


def text_column(array: pa.Array | pa.ChunkedArray) -> TextColumn:
    """A text column from an arrow array of strings (missing is blank)."""
    coded = pa.chunked_array([array]) if isinstance(array, pa.Array) else array
    coded = coded.fill_null("").dictionary_encode().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0) if coded.num_chunks else pa.array([], pa.string()).dictionary_encode()
    return TextColumn(tuple(coded.dictionary.to_pylist()), coded.indices.to_numpy().astype(np.int32))


def blank_column(n: int) -> TextColumn:
    return TextColumn(("",), np.zeros(n, np.int32))


@dataclass(frozen=True)
class RawFile:
    """One file as text. rows: the number of each row as a spreadsheet shows it (the first is 1).

    structural: rows that are no data (titles, footers, totals): (row, reason). odd: rows that lost or gained cells.
    """

    file: str
    head_row: int
    columns: dict[str, TextColumn]
    rows: np.ndarray
    structural: tuple[tuple[int, str], ...] = ()
    odd: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False
    sha256: str = ""
    is_notes: bool = False
    dropped: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        return len(self.rows) + len(self.structural)


@dataclass
class TableRows:
    """The rows of one table while they are checked. Each has one fate; the account is counted from here.

    frame: canonical columns (grows); part: index into `files`; row: number in that file; fate; why: index into
    `reasons`; counted: whether a row counts against the share a file may lose; pending: what was mended.
    """

    name: str
    files: list[RawFile]
    part: np.ndarray
    row: np.ndarray
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    reasons: list[str] = field(default_factory=list)
    fate: np.ndarray = field(init=False)
    why: np.ndarray = field(init=False)
    counted: np.ndarray = field(init=False)
    pending: list[tuple[np.ndarray, str]] = field(default_factory=list)
    extra: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        self.fate = np.zeros(len(self.row), np.int8)
        self.why = np.full(len(self.row), -1, np.int32)
        self.counted = np.ones(len(self.row), bool)

    @property
    def usable(self) -> np.ndarray:
        return self.fate <= REPAIRED

    def set_aside(self, which: Any, reason: str, *, counts: bool = True) -> int:
        """Set rows aside for `reason`; `counts`: whether they count against the share a file may lose."""
        return self._close(which, reason, QUARANTINED, counts)

    def repeated(self, which: Any, reason: str = "an exact repeat of another row") -> int:
        return self._close(which, reason, DUPLICATE, False)

    def _close(self, which: Any, reason: str, fate: int, counts: bool) -> int:
        hit = as_mask(which) & self.usable
        n = int(hit.sum())
        if n:
            if reason not in self.reasons:
                self.reasons.append(reason)
            self.fate[hit], self.why[hit], self.counted[hit] = fate, self.reasons.index(reason), counts
        return n

    def mended(self, which: Any, reason: str) -> None:
        """Note that a value of these rows was mended; they stay in use."""
        hit = as_mask(which) & self.usable
        if hit.any():
            self.fate[hit] = REPAIRED
            self.pending.append((hit, reason))

    def settled_mends(self) -> Counter[tuple[int, str]]:
        """Rows mended and still in use, by part and reason."""
        found: Counter[tuple[int, str]] = Counter()
        for hit, reason in self.pending:
            for part, n in zip(*np.unique(self.part[hit & self.usable], return_counts=True), strict=True):
                found[(int(part), reason)] += int(n)
        return found

    def settled(self) -> pd.DataFrame:
        """The usable rows, numbered anew, with the rows that settings add."""
        frame = self.frame[self.usable]
        if self.extra is not None:
            frame = pd.concat([frame, self.extra]).astype(self.frame.dtypes.to_dict())
        return frame.reset_index(drop=True)

    def first_row(self, which: Any) -> tuple[str, int]:
        """File and row number of the first of these rows, for a message."""
        at = int(np.flatnonzero(as_mask(which))[0])
        return self.files[self.part[at]].file, int(self.row[at])


Tables = Mapping[str, TableRows]


def usable(tables: Tables, name: str) -> pd.DataFrame:
    """The rows of a table that are still in use; an empty canonical frame where there is no such table."""
    if name not in tables:
        return empty_frame(name)
    rows = tables[name]
    return rows.settled() if rows.extra is not None else rows.frame[rows.usable]


def as_mask(which: Any) -> np.ndarray:
    """A numpy bool mask from a mask that may be a nullable Series."""
    if isinstance(which, pd.Series):
        return which.fillna(False).to_numpy(dtype=bool)
    return np.asarray(which, dtype=bool)


def row_texts(frame: pd.DataFrame) -> np.ndarray:
    """Each row as one text, to put rows in an order that depends on nothing but their content."""
    texts = np.full(len(frame), "", object)
    for name in frame.columns:
        texts = texts + "\x1f" + frame[name].astype("str").fillna("").to_numpy(object)
    return texts


def listed(items: Iterable[str], most: int = 6) -> str:
    """A short list in words: "a, b and 3 more"."""
    found = list(items)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
