"""The page on patterns says what was measured: its tables are those of the stored rows."""

import pandas as pd
from patterns_tables import HERE, PAGE, page


def test_the_page_holds_the_tables_of_the_stored_rows():
    assert PAGE.read_text(encoding="utf-8") == page()


def test_at_most_one_district_in_twenty_shows_a_finding_where_no_group_differs():
    rows = pd.read_csv(HERE / "patterns_null.csv")
    assert not rows.duplicated(["district", "seed"]).any() and rows["any"].mean() <= 0.05
