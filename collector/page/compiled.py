"""The templates of the pages: compiled when they are first used, in as little memory as may be."""

import ctypes
import importlib
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment, Template

# They bring OpenSSL and pickle, 4 MB, for ways of loading templates that are not ours.
UNUSED = ("jinja2.bccache", "jinja2.loaders")
IMPORTING = threading.Lock()


class Unused(ModuleType):
    """Stands for a module while another takes names from it that nobody uses."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


class Templates:
    """Loads the templates beside this module, wherever it is installed."""

    def load(
        self, environment: "Environment", name: str, names: MutableMapping[str, Any] | None = None
    ) -> "Template":
        """Compile a template, and give the system what that took: ten times what it keeps."""
        text = files("collector.page").joinpath("templates", name).read_text("utf-8")
        code = environment.compile(text, name, name)
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
        return environment.template_class.from_code(environment, code, names or {})


def engine() -> ModuleType:
    """Import jinja2 without what is not used of it."""
    with IMPORTING:
        if "jinja2" not in sys.modules:
            sys.modules.update({name: Unused(name) for name in UNUSED})
        try:
            return importlib.import_module("jinja2")
        finally:
            for name in UNUSED:
                if isinstance(sys.modules.get(name), Unused):
                    del sys.modules[name]


def environment() -> "Environment":
    jinja2 = engine()
    made: Environment = jinja2.Environment(
        loader=Templates(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return made
