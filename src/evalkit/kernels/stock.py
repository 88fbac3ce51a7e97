"""The ordinary way: a python3 kernel of this interpreter, over local sockets where the system has them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def kernel_class() -> Iterator[type[Any]]:
    """A manager class whose kernel is this very interpreter, whatever kernels are installed.

    POSIX: sockets are files (ipc) in a private folder, removed at the end; elsewhere loopback only.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    folder = tempfile.mkdtemp(prefix="evalkit-")

    class ThisInterpreter(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._kernel_spec = KernelSpec(argv=argv, display_name="Python 3", language="python")
            self.connection_file = os.path.join(folder, "kernel.json")  # noqa: PTH118 - a trait of type text
            if os.name == "posix":
                self.transport, self.ip = "ipc", os.path.join(folder, "k")  # noqa: PTH118

    try:
        yield ThisInterpreter
    finally:
        shutil.rmtree(folder, ignore_errors=True)
