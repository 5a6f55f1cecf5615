"""Looks whether the files and folders that the configuration names can be used."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collector.config import GROUPS, Config
from collector.scalars import FilePath, InputPath


def check_paths(config: Config) -> None:
    """Add a fault for each folder that cannot be made and each relative file that is not there.

    An absolute one may be on a disk that is plugged in later.
    """
    groups = {group: getattr(config, group) for group in GROUPS}
    for at, path in [*paths_in("", config.main), *paths_in("", groups)]:
        if path and "://" not in path and (why := why_not(path)):
            config.faults.add_later(at, why)


def paths_in(at: str, value: Any) -> Iterator[tuple[str, FilePath]]:
    """Yield the place and the value of every path in *value*."""
    if isinstance(value, FilePath):
        yield at, value
        return
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, tuple):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths_in(f"{at}.{key}" if at else str(key), each)


def why_not(path: FilePath) -> str:
    """Say why *path* cannot be used; nothing where it can, or where we may not see it."""
    if isinstance(path, InputPath):
        if path.is_relative and is_missing(path):
            return f"{path} is not there; a relative path counts from the configuration file"
        return ""
    above = next(each for each in (Path(path), *Path(path).parents) if os.path.lexists(each))
    if above.exists() and not above.is_dir() and above != Path(path):
        return f"{path} cannot be made: {above} is not a folder"
    return ""


def is_missing(path: str) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False
