"""What stands beside a reason's words in a note: a second cue, a lack, praise or a story, somebody else's illness.

The words are vocabulary/reason_context.csv. "The car is in the shop" names a barrier, "drew a car" does not.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from evalkit.vocabulary import reason_contexts

BREAK = "|"
NOT_OTHERS = ("health_physical", "health_appointment", "mental_health", "minor_illness_kept_home")
"""Reasons that are the student's own only when the student has them."""
SAYING = {
    "says",
    "said",
    "say",
    "called",
    "calls",
    "reports",
    "reported",
    "texted",
    "wrote",
    "took",
    "takes",
    "kept",
    "dice",
    "dijo",
    "aviso",
    "llamo",
    "llevo",
    "lleva",
    "reporta",
}
"""Between a relative and an illness these mean that the relative speaks: "mom says he is sick"."""
REACH = 4
Phrase = tuple[str, ...]


def fold(text: str) -> str:
    """Lower case, accents and apostrophes off."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return plain.replace("'", "")


def words_of(phrase: str) -> Phrase:
    """A phrase as folded words."""
    return tuple(re.findall(r"[a-z0-9]+", fold(phrase)))


@cache
def contexts(language: str) -> dict[str, dict[str, frozenset[Phrase]]]:
    """kind -> pattern -> phrases."""
    found: dict[str, dict[str, set[Phrase]]] = {}
    for item in reason_contexts(language):
        found.setdefault(item.kind, {}).setdefault(item.pattern, set()).add(words_of(item.phrase))
    return {kind: {name: frozenset(p) for name, p in by.items()} for kind, by in found.items()}


def clause(words: list[str], at: int) -> tuple[int, int]:
    """First and last + 1 of the clause that holds place `at`."""
    start = next((k + 1 for k in range(at, -1, -1) if words[k] == BREAK), 0)
    end = next((k for k in range(at, len(words)) if words[k] == BREAK), len(words))
    return start, end


def holds(words: list[str], phrases: frozenset[Phrase], span: tuple[int, int], hit: tuple[int, int]) -> int:
    """The place of one of the phrases within `span` and outside the hit, or -1."""
    for at in range(*span):
        for phrase in phrases:
            end = at + len(phrase)
            if end <= span[1] and (end <= hit[0] or at >= hit[1]) and tuple(words[at:end]) == phrase:
                return at
    return -1


def has_second_cue(words: list[str], pattern: str, language: str, hit: tuple[int, int]) -> bool:
    """Whether the note holds a second cue of the pattern beside the hit."""
    phrases = contexts(language).get("second_cue", {}).get(pattern, frozenset())
    return holds(words, phrases, (0, len(words)), hit) >= 0


def is_lack(words: list[str], pattern: str, language: str, hit: tuple[int, int]) -> bool:
    """Whether not having what the words name is the reason itself ("no gas")."""
    return tuple(words[hit[0] : hit[1]]) in contexts(language).get("lack", {}).get(pattern, frozenset())


def is_about_other_things(words: list[str], language: str, hit: tuple[int, int], negated_at: set[int]) -> bool:
    """Whether the hit's clause tells of praise, play, wishes or the past."""
    phrases = contexts(language).get("not_about", {}).get("", frozenset())
    at = holds(words, phrases, clause(words, hit[0]), hit)
    return at >= 0 and at not in negated_at


def is_somebody_elses(words: list[str], language: str, hit: tuple[int, int]) -> bool:
    """Whether a relative or friend stands shortly before the illness as the one who has it."""
    people = contexts(language).get("other_person", {}).get("", frozenset())
    start = max(clause(words, hit[0])[0], hit[0] - REACH)
    at = holds(words, people, (start, hit[0]), hit)
    return at >= 0 and not SAYING & set(words[at : hit[0]])
