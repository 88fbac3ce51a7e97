"""Errors worded for the reader: what is wrong, where, every culprit, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

INPUT_REFUSED, WRONG_USAGE, DISCLOSURE_STOP, INTERNAL_ERROR = 1, 2, 3, 4


class UserError(Exception):
    """Something the reader can mend. Shown as one screen, never as a traceback.

    what: one plain sentence. where: file (with a slash at its end: folder), sheet, row, column, as far as known (never
    the value of an id, name or note). culprits: every further place or item. remedy: what to do.
    """

    exit_code = INPUT_REFUSED

    def __init__(self, what: str, *, remedy: str = "", file: str = "", row: int | str | None = None, column: str = "",
                 culprits: Iterable[str] = ()) -> None:
        self.what, self.remedy, self.file, self.row, self.column = what, remedy, file, row, column
        self.culprits = tuple(culprits)
        super().__init__(self.screen())

    @property
    def where(self) -> str:
        place = f"folder {self.file.rstrip('/')}" if self.file.endswith("/") else f"file {self.file}"
        parts = [place if self.file else "", f"row {self.row}" if self.row not in (None, "") else "",
                 f"column {self.column}" if self.column else ""]
        return ", ".join(part for part in parts if part)

    def screen(self, most: int = 12) -> str:
        """The whole refusal as plain text, at most one screen."""
        lines = [self.what] + ([f"Where: {self.where}"] if self.where else [])
        lines += [f"  - {culprit}" for culprit in self.culprits[:most]]
        if len(self.culprits) > most:
            lines.append(f"  (and {len(self.culprits) - most} more)")
        return "\n".join([*lines, *([f"What to do: {self.remedy}"] if self.remedy else [])])


class UsageError(UserError):
    """The command, a parameter or an option is not one evalkit has."""

    exit_code = WRONG_USAGE


class DisclosureStop(UserError):
    """A report for partners or the public would have given a small group away."""

    exit_code = DISCLOSURE_STOP


def nearest(value: str, choices: Iterable[str]) -> str:
    """The choice that reads most like `value`, or an empty text."""
    found = get_close_matches(str(value), [str(choice) for choice in choices], n=1, cutoff=0.6)
    return found[0] if found else ""


def must_be_one_of(name: str, value: object, choices: Sequence[str], *, file: str = "",
                   error: type[UserError] = UsageError) -> None:
    """Refuse `value` unless it is one of `choices`; the message names the nearest and lists them all."""
    if value in choices:
        return
    near = nearest(str(value), choices)
    hint = f'Did you mean "{near}"? ' if near else ""
    raise error(f'{name} is "{value}", which evalkit does not know.', file=file,
                remedy=f"{hint}Use one of: {', '.join(map(str, choices))}.")
