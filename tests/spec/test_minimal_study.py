"""The smallest studies, and the first days of a year: every report is made for every audience, or refused in words.

Found by the outside check of November 2026: with no table `insight`, celebration for partners stopped with exit 4; in a
year's first days student_selection did.
"""

from __future__ import annotations

import pytest
from sources_world import BASE, TOTALS, opened

from evalkit.reports import celebration, celebration_year, student_selection
from evalkit.reports.gate import gate_of
from evalkit.reports.selection_facts import selection_of
from evalkit.reports.selection_places import sign_list


@pytest.fixture(scope="module", params=[BASE, TOTALS], ids=["events", "totals"])
def study(request, tmp_path_factory):
    return opened(tmp_path_factory.mktemp("minimal") / "study", base=request.param)


@pytest.mark.parametrize("audience", ["team", "partner", "public"])
def test_pages_of_words_stand_without_a_table_of_words(study, audience: str) -> None:
    params = celebration.Params(audience=audience)
    assert "No quote has consent yet" in str(list(celebration.in_their_words(study, params).walk()))
    assert celebration_year.learned(study, gate_of(study, params)).cells


def test_the_list_of_signs_stands_where_nobody_has_one(tmp_path) -> None:
    """Two days of school: nobody can have a sign of attendance yet, so the list is empty, with its columns."""
    study = opened(tmp_path / "study", {"attendance_event": BASE["attendance_event"].replace("A,1", "T,").replace(
        "A,0.5", "T,")})
    found = selection_of(study, student_selection.Params())
    rows = sign_list(study, found)
    assert rows.empty and {"student_id", "attendance_sign", "since", "n_signs"} <= set(rows.columns)
