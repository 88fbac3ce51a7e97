"""Words that a person typed, before they leave: whether they name somebody of the study.

Free text never leaves (trust.md); what may, with consent (a quote) or as a code (a theme), is looked through once more.
"""

from __future__ import annotations

import re
from typing import Any

NAME_COLUMNS = ("first_name", "last_name", "preferred_name", "family_contact")
_SHORTEST = 3


class People:
    """Ids and names of everybody in a study, to be found in typed words. `names` are matched where a word begins with a
    capital (a grace period is no Grace), ids wherever they stand."""

    def __init__(self, study: Any) -> None:
        ids = [study.table("student")["student_id"], study.table("mentor")["mentor_id"]]
        self.ids = {str(value).casefold() for column in ids for value in column.dropna()}
        identity = study.table("identity")
        parts = [part for name in NAME_COLUMNS if name in identity for value in identity[name].dropna()
                 for part in _words(str(value))]
        self.names = {part.casefold() for part in parts if len(part) >= _SHORTEST}

    def in_text(self, text: str) -> bool:
        """Whether `text` holds the id or a name of a student, a family member or a mentor."""
        words = _words(text)
        return any(word.casefold() in self.ids or (word[:1].isupper() and word.casefold() in self.names)
                   for word in words)

    def in_code(self, code: str) -> bool:
        """The same for a code somebody made up (a theme), where a name has no capital."""
        return any(word.casefold() in self.ids | self.names for word in _words(code))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.replace("_", " "))
