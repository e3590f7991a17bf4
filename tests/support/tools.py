"""The programs of `tools/`, imported as modules."""

import importlib.util

from tests.support.paths import ROOT


def tool(name: str):
    """Returns the module of `tools/<name>.py`."""
    path = ROOT / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
