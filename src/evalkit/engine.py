"""The data engine: opens frames and parquet files as lazy tables, and brings small results back.

DuckDB is the default; Polars runs the same Narwhals code in the tests; on a cluster PySpark can, through
`narwhals.from_native` of its own tables. What is asked of the engine is written in `panel`, which names no engine.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd
import pyarrow as pa

from evalkit import files
from evalkit.errors import UserError, must_be_one_of

if TYPE_CHECKING:
    import narwhals as nw

ENGINES = ("duckdb", "polars")
DEFAULT = "duckdb"
MEMORY_LIMIT = "640MB"
"""What DuckDB may hold before it spills, so that a whole process stays under 1 GB."""

SMALL_STUDY = 20_000_000
"""Bytes of a study's files below which texts are best held as Python's own strings."""

Source: TypeAlias = pd.DataFrame | Path | str


def quote_name(name: str) -> str:
    """A column or table name as an SQL identifier, whatever it holds: the only place that quotes one."""
    return '"' + str(name).replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


class Session:
    """One engine with its tables open, as made by `open_session`. Nothing outlives the `with` block."""

    def __init__(self, engine: str, connection: Any) -> None:
        self.engine, self._connection = engine, connection

    def open_table(self, source: Source, *, columns: Iterable[str] | None = None) -> nw.LazyFrame:
        """A frame, a parquet file or a folder of parquet parts as a lazy table; `columns` not there are left out."""
        import narwhals as nw

        table = self._of_frame(source, columns) if isinstance(source, pd.DataFrame) else self._of_files(Path(source))
        lazy = nw.from_native(table).lazy()
        if columns is None:
            return lazy
        there = lazy.collect_schema().names()
        return lazy.select([name for name in dict.fromkeys(columns) if name in there])

    def _of_frame(self, frame: pd.DataFrame, columns: Iterable[str] | None) -> Any:
        if columns is not None:
            frame = frame[[name for name in dict.fromkeys(columns) if name in frame.columns]]
        table = pa.Table.from_pandas(frame, preserve_index=False)
        if self.engine == "duckdb":
            return self._connection.from_arrow(table)
        import polars as pl
        return pl.from_arrow(table)

    def _of_files(self, path: Path) -> Any:
        parts = parquet_parts(path)
        if self.engine == "duckdb":
            return self._connection.read_parquet(parts)
        import polars as pl
        return pl.scan_parquet(parts)

    def write(self, table: nw.LazyFrame, path: Path) -> Path:
        """Write a lazy table as one parquet file, whole or not at all."""
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(_to_arrow(table), sink)
        return files.write_bytes(path, sink.getvalue())


def parquet_parts(path: Path) -> list[str]:
    """The parquet files behind `path`: itself, or every part in the folder."""
    parts = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not parts or not all(part.is_file() for part in parts):
        raise UserError("A parquet table is not there.", file=path.name, remedy="Check the file's name and folder.")
    return [str(part) for part in parts]


@contextlib.contextmanager
def text_storage(folder: Path) -> Iterator[None]:
    """How pandas holds texts while a study of this size is worked on; the reader's own setting comes back afterwards.

    The values are the same. A report is thousands of operations on short columns, where Arrow's strings cost more to
    start than to do (measured on the sample: a quarter of a run); above 20 MB of files they save memory (measured at
    44 MB: equal time, a fifth less).
    """
    with pd.option_context("mode.string_storage", "python" if is_small(folder) else "auto"):
        yield


def is_small(folder: Path) -> bool:
    """Whether a study's files are few bytes (SMALL_STUDY), so that starting an operation costs more than doing it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < SMALL_STUDY


def as_pandas(given: Any) -> Any:
    """A table of any kind Narwhals knows (Polars, PyArrow, Modin, ...) as a pandas frame; anything else as it is."""
    if given is None or isinstance(given, pd.DataFrame):
        return given
    import narwhals as nw

    found = nw.from_native(given, eager_only=True, pass_through=True)
    return found.to_pandas() if isinstance(found, nw.DataFrame) else given


@contextlib.contextmanager
def open_session(engine: str = DEFAULT, *, sources: Iterable[Source] = ()) -> Iterator[Session]:
    """Open an engine that can read the given sources and nothing else on this machine.

    engine: duckdb or polars. sources: frames and parquet paths that will be opened; a folder not named here is closed.
    """
    must_be_one_of("engine", engine, ENGINES)
    if engine == "polars":
        yield Session(engine, None)
        return
    with tempfile.TemporaryDirectory(prefix="evalkit-") as spill:
        connection = _hardened(Path(spill), [Path(s) for s in sources if not isinstance(s, pd.DataFrame)])
        try:
            yield Session(engine, connection)
        finally:
            connection.close()


def _hardened(spill: Path, paths: list[Path]) -> Any:
    """DuckDB that reads only the named folders, loads no extension and lets no later statement change that."""
    import duckdb

    folders = sorted({str((path if path.is_dir() else path.parent).resolve()) for path in paths} | {str(spill)})
    connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(spill),
                                        "autoinstall_known_extensions": "false",
                                        "autoload_known_extensions": "false", "preserve_insertion_order": "false"})
    # As written is best here: the big table first, each small one joined to it. DuckDB's own order once joined spans to
    # days, a row for every student-day, before it met the rows (measured: 1.3 s against 0.1 on 1.1M).
    allowed = ", ".join(map(quote_text, folders))
    for statement in ("SET disabled_optimizers = 'join_order'", f"SET allowed_directories = [{allowed}]",
                      "SET enable_external_access = false", "SET lock_configuration = true"):
        connection.execute(statement)
    return connection


def collect_small(table: nw.LazyFrame, *, order: Iterable[str] = ()) -> pd.DataFrame:
    """Bring a small result back as a pandas frame, in a fixed order so that engines and threads agree.

    Texts come as pandas `str`, integers that can be missing as `Int64`.
    """
    frame = _to_arrow(table).to_pandas(types_mapper=_pandas_type)
    keys = list(order)
    return frame.sort_values(keys, kind="stable", ignore_index=True) if keys else frame


def _to_arrow(table: nw.LazyFrame) -> pa.Table:
    """Run a lazy table. Polars is asked to stream, which it does not do by itself."""
    native = table.to_native()
    if type(native).__module__.startswith("polars"):
        return native.collect(engine="streaming").to_arrow()
    return table.collect("pyarrow").to_native()


def _pandas_type(kind: pa.DataType) -> Any:
    """Keep texts as text, and integers and flags exact where some are missing."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pd.StringDtype(na_value=float("nan"))
    if pa.types.is_integer(kind):
        return pd.Int64Dtype()
    return pd.BooleanDtype() if pa.types.is_boolean(kind) else None
