"""Execute a notebook with papermill: in this process where that is enough, in a stock kernel where it is not."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit import errors
from evalkit.errors import must_be_one_of
from evalkit.kernels import inprocess

KERNELS = ("auto", "fast", "stock")
_FAST = "evalkit-in-process"


class CellFailed(Exception):
    """A cell of a report ended in an error that is not the reader's. Holds its type and place, never its message."""

    def __init__(self, kind: str, cell: int) -> None:
        self.kind, self.cell = kind, cell
        super().__init__(f"{kind} in code cell {cell}")


def execute(notebook: Path, parameters: Mapping[str, Any], *, kernel: str = "auto") -> Any:
    """The executed notebook (an nbformat node); nothing is written.

    kernel: "fast" runs the cells in this process, "stock" starts a python3 kernel of this interpreter, "auto" takes
    the fast way where the cells allow it. A UserError raised in a cell arrives here as itself.
    """
    must_be_one_of("kernel", kernel, KERNELS)
    plain = inprocess.can_run(json.loads(notebook.read_text(encoding="utf-8")))
    with _quiet():
        if kernel == "fast" or (kernel == "auto" and plain):
            return _papermill(notebook, parameters, engine_name=_FAST)
        return _in_stock_kernel(notebook, parameters)


def _papermill(notebook: Path, parameters: Mapping[str, Any], **options: Any) -> Any:
    """papermill.execute_notebook with our engine known to it."""
    with _without_slow_format_checks():
        from papermill.engines import Engine, papermill_engines
        from papermill.execute import execute_notebook

    class InProcess(Engine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **_: Any) -> None:
            inprocess.run_cells(nb_man)

    papermill_engines.register(_FAST, InProcess)
    return execute_notebook(str(notebook), None, parameters=dict(parameters), progress_bar=False,
                            kernel_name="python3", language="python", **options)


def _in_stock_kernel(notebook: Path, parameters: Mapping[str, Any]) -> Any:
    from papermill.exceptions import PapermillExecutionError

    from evalkit.kernels.stock import kernel_class

    with kernel_class() as manager:
        try:
            return _papermill(notebook, parameters, kernel_manager_class=manager)
        except PapermillExecutionError as problem:
            raise _as_raised(problem) from None


def _as_raised(problem: Any) -> Exception:
    """The error a cell raised in another process, as the same class here."""
    kind = getattr(errors, str(problem.ename).rsplit(".", 1)[-1], None)
    if isinstance(kind, type) and issubclass(kind, errors.UserError):
        return kind(problem.evalue)
    return CellFailed(str(problem.ename), int(problem.exec_count or 0))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """papermill logs paths and warnings at us; its level is put back afterwards."""
    log = logging.getLogger("papermill")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _without_slow_format_checks() -> Iterator[None]:
    """jsonschema builds a URI grammar at import (1.3 s of every process) that notebooks have no use for."""
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
