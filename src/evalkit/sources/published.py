"""A state's published totals: recognised, and told apart from a study's records."""

from __future__ import annotations

import re
from pathlib import Path

from evalkit.errors import UserError
from evalkit.sources.text import decode

_TITLE = re.compile(r"chronic(ally)? absen", re.I)
_STUDENT = re.compile(r"student[ _]?(id|number|unique)|permnumber|pupil (no|id)|ssid", re.I)


def is_published(head: str) -> bool:
    """Whether the first lines are a published table of rates: no student in it, chronic absence in its title."""
    lines = head.splitlines()[:8]
    return any(_TITLE.search(line) for line in lines) and not any(_STUDENT.search(line) for line in lines)


def find_published(folder: Path) -> UserError | None:
    """The refusal for a folder that holds published totals, naming each such file; None where there is none."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            data = file.read(4000)
        try:
            text, _ = decode(data[: data.rfind(b"\n") + 1] or data, path.name)
        except UserError:
            continue
        found += [path.name] if is_published(text) else []
    if not found:
        return None
    return UserError(
        "These are published totals of schools or districts, not records of students: they bear no patterns "
        "and no comparison.",
        file=found[0],
        culprits=found[1:],
        remedy="Use them to compare your own figures by eye. A study needs student, enrollment, calendar, "
        "attendance_event (or attendance_total) and assignment.",
    )
