"""Modules that are called like the function of their own name.

Importing a submodule binds it to its name in the package. `nqcodec.decode` and `nqcodec.encode` are functions
(docs/python.md), and must stay callable when somebody imports the modules of these names as well.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """For `sys.modules[__name__].__class__`."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """What the module's function of the module's own name gives."""
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **options)
