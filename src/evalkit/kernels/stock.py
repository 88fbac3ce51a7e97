"""The ordinary way: a python3 kernel of this interpreter, over local sockets where the system has them."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any


def kernel_manager() -> Any:
    """A manager whose kernel is this very interpreter, whatever kernels are installed; ipc on POSIX, else loopback."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager = AsyncKernelManager(kernel_name="python3")
    manager._kernel_spec = KernelSpec(argv=argv, display_name="Python 3", language="python")
    if os.name == "posix":
        folder = tempfile.mkdtemp(prefix="evalkit-")
        manager.transport, manager.ip = "ipc", f"{folder}/k"
        manager.connection_file = f"{folder}/kernel.json"
    return manager
