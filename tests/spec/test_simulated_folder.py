"""A made-up study opens, whatever its size, and never takes the place of somebody's folder."""

from __future__ import annotations

import pytest

from evalkit.errors import UserError
from evalkit.simulate import simulate_district, write_study
from evalkit.study import open_study


@pytest.fixture(scope="module")
def district():
    return simulate_district(n_students=40, n_schools=1, effect_days=-4.0, seed=3, preset="post")


def test_a_small_district_opens_though_some_of_its_tables_are_empty(district, tmp_path):
    assert any(not len(frame) for _, frame in district.items()), "40 students were meant to leave a table empty"
    study = open_study(write_study(tmp_path / "s", district))
    assert len(study.table("student")) == 40


def test_it_never_replaces_another_folder(district, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "a.txt").write_text("x")
    with pytest.raises(UserError, match="something else"):
        write_study(place, district)
    assert (place / "a.txt").read_text() == "x"
    write_study(tmp_path / "s", district)
    write_study(tmp_path / "s", district)  # a made-up study may be made anew
