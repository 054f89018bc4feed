"""The parts of the library adapt that need numpy alone, without TensorFlow and cvxopt.

``import adapt`` wants TensorFlow for its networks, whatever is asked of it. Its linear methods never
call it, so here something that can be inherited from and called, and does nothing, stands for it. Only
for a process that ends afterwards: the names stay taken.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: what adapt imports and its linear methods do without
UNUSED = ("tensorflow", "scikeras", "cvxopt")


class _Empty(type):
    """A class whose every attribute is such a class."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Empty(name, (), {"__init__": lambda self, *given, **named: None})


class _EmptyModule(ModuleType):
    __path__: list[str] = []  # noqa: RUF012  # says that it has submodules

    def __getattr__(self, name: str) -> Any:
        return getattr(_Empty(self.__name__, (), {}), name)


class _Finder:
    """Finds every module of the ``missing`` packages, with nothing in it."""

    def __init__(self, missing: frozenset[str]) -> None:
        self.missing = missing

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in self.missing:
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _EmptyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is in it."""


def linear_method(name: str, **options: Any) -> Callable[[], Any]:
    """``adapt.feature_based.NAME(**options)``, made when called; then ``ImportError`` without adapt."""

    def made() -> Any:
        missing = frozenset(each for each in UNUSED if importlib.util.find_spec(each) is None)
        sys.meta_path.append(_Finder(missing))
        module: Any = importlib.import_module("adapt.feature_based")
        return getattr(module, name)(**options)

    return made
