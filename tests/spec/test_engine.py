"""The engine reads what it was given and nothing else, and quotes any name."""

from __future__ import annotations

import narwhals as nw
import pandas as pd
import pytest

from evalkit import engine
from evalkit.errors import UsageError, UserError


def frame():
    return pd.DataFrame({"id": pd.Series(["007", None], dtype="str"), "n": pd.array([1, None], dtype="Int64")})


@pytest.mark.parametrize("name", engine.ENGINES)
def test_a_frame_goes_in_and_comes_back_with_its_zeros_and_its_gaps(name):
    with engine.open_session(name) as session:
        back = engine.collect_small(session.open_table(frame(), columns=["id", "n", "not_there"]), order=["n"])
    assert back["id"].tolist()[0] == "007" and back["id"].isna()[1] and back["n"].dtype == "Int64"


@pytest.mark.parametrize("name", engine.ENGINES)
def test_a_folder_of_parts_is_one_table(name, tmp_path):
    frame().to_parquet(tmp_path / "a.parquet")
    frame().to_parquet(tmp_path / "b.parquet")
    with engine.open_session(name, sources=[tmp_path]) as session:
        assert engine.collect_small(session.open_table(tmp_path).select(n=nw.len()))["n"][0] == 4


def test_a_file_that_was_not_named_cannot_be_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    frame().to_parquet(tmp_path / "in" / "a.parquet")
    frame().to_parquet(tmp_path / "out" / "b.parquet")
    with engine.open_session(sources=[tmp_path / "in" / "a.parquet"]) as session:
        session.open_table(tmp_path / "in" / "a.parquet")
        with pytest.raises(Exception, match="disabled by"):
            session.open_table(tmp_path / "out" / "b.parquet")
        for statement in (
            "SET enable_external_access = true",
            f"SET allowed_directories = ['{tmp_path}']",
            "INSTALL httpfs",
            f"COPY (SELECT 1) TO '{tmp_path}/x.csv'",
        ):
            with pytest.raises(Exception, match=r"(?i)lock|disabled|permission|cannot"):
                session._connection.execute(statement)


@pytest.mark.parametrize("name", ['a"b', "select", "x; drop table y", "ä ö", "a'b"])
def test_any_column_name_can_be_quoted(name):
    with engine.open_session() as session:
        value = session._connection.execute(f"SELECT {engine.quote_text(name)} AS {engine.quote_name(name)}")
        assert (value.description[0][0], value.fetchone()[0]) == (name, name)


def test_what_is_written_is_read_back(tmp_path):
    with engine.open_session() as session:
        path = session.write(session.open_table(frame()), tmp_path / "out.parquet")
    assert pd.read_parquet(path)["n"].tolist()[0] == 1


def test_a_missing_file_and_an_unknown_engine_are_refused_in_plain_words(tmp_path):
    with engine.open_session() as session, pytest.raises(UserError, match="not there"):
        session.open_table(tmp_path / "none.parquet")
    with pytest.raises(UsageError, match="Use one of: duckdb, polars"), engine.open_session("sqlite"):
        pass


def test_the_panel_names_no_engine():
    from pathlib import Path

    for path in (Path(engine.__file__).parent / "panel").glob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert "import duckdb" not in text and "import polars" not in text and '"duckdb"' not in text
