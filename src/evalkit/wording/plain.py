"""Is a page kind and easy to read? The avoid list (standards 2.7) and two reading grades without downloads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalkit.wording.words import string_table


@dataclass(frozen=True)
class Avoided:
    """A word a page should not use, and what to say instead."""

    word: str
    instead: str
    around: str


def avoided_words(text: str, language: str = "en") -> list[Avoided]:
    """Every word of the avoid list found in a text, with 30 letters around it. An empty list means the page is
    clean."""
    found = []
    for word, instead in string_table(language)["avoid"].items():
        pattern = r"(?<!\w)" + re.escape(word).replace(r"\*", r"\w*") + r"(?!\w)"
        for hit in re.finditer(pattern, text, flags=re.IGNORECASE):
            around = text[max(0, hit.start() - 30) : hit.end() + 30]
            found.append(Avoided(hit.group(0), instead, " ".join(around.split())))
    return found


def reading_grade(text: str) -> float:
    """US school grade: the mean of Coleman-Liau and the automated readability index (0 for a text without words).

    Numbers count as one short word, so that a page of figures is not called easy or hard for its digits.
    """
    text = re.sub(r"\d[\d,.%]*", "9", text)
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text)
    if not words:
        return 0.0
    sentences = max(1, len(re.findall(r"[.!?](?:\s|$)", text)))
    letters = sum(len(re.sub(r"[^\w]", "", word)) for word in words)
    per_word, sentence = letters / len(words), len(words) / sentences
    coleman_liau = 5.88 * per_word - 29.6 / sentence - 15.8
    readability = 4.71 * per_word + 0.5 * sentence - 21.43
    return max(0.0, (coleman_liau + readability) / 2)
