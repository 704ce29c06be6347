"""Tables whose entries are imported when they are asked for, so that a run loads only what it uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType


class ImportedModules(Mapping[str, ModuleType]):
    """The modules of ``package`` by their own names, in the order of ``names``; each is imported on first use.

    >>> ImportedModules("json", ("decoder",))["decoder"].__name__
    'json.decoder'
    """

    def __init__(self, package: str, names: tuple[str, ...]) -> None:
        self._places = MappingProxyType({name: f"{package}.{name}" for name in names})

    def __getitem__(self, name: str) -> ModuleType:
        return import_module(self._places[name])

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
