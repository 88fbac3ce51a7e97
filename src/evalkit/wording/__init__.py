"""Words for numbers: dates, intervals, verdicts, titles that claim no more than the interval, and kind language."""

from evalkit.wording.plain import Avoided, avoided_words, reading_grade
from evalkit.wording.verdicts import (IN_A_SENTENCE, MEANING, VERDICTS, Gain, check_sentence, estimate_sentence, gain_of,
                                      gain_sentence, gain_title, moved_title, share_title)
from evalkit.wording.words import (LANGUAGES, between, count_words, date_words, days, grade_words, listed, missed_days,
                                   month_words, number, percent, plural, say, string_table)

__all__ = ["IN_A_SENTENCE", "LANGUAGES", "MEANING", "VERDICTS", "Avoided", "Gain", "avoided_words", "between",
           "check_sentence", "count_words", "date_words", "days", "estimate_sentence", "gain_of", "gain_sentence",
           "gain_title", "grade_words", "listed", "missed_days", "month_words", "moved_title", "number", "percent",
           "plural", "reading_grade", "say", "share_title", "string_table"]
