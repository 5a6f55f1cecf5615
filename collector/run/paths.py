"""Looks whether the files and folders that the configuration names can be used."""

import os
from pathlib import Path

from collector.config import GROUPS, Config
from collector.run.values import values_of
from collector.scalars import FilePath, InputPath


def check_paths(config: Config) -> None:
    """Add a fault for each folder that cannot be made and each relative file that is not there.

    An absolute one may be on a disk that is plugged in later.
    """
    groups = {group: getattr(config, group) for group in GROUPS}
    for at, path in [*values_of(FilePath, "", config.main), *values_of(FilePath, "", groups)]:
        if path and "://" not in path and (why := why_not(path)):
            config.faults.add_later(at, why)


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
