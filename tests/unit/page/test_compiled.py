"""Templates are compiled without what takes memory and is not used."""

import subprocess
import sys

PROGRAM = """
import sys
from collector.page.compiled import environment
assert environment().get_template("icons.html.jinja").module.icon
print(*{"_hashlib", "pickle", "jinja2.loaders"} & sys.modules.keys())
import jinja2.loaders
print(jinja2.loaders.DictLoader({"a": "b"}).list_templates())
"""


def test_no_openssl():
    words = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert done.stdout == "\n['a']\n"
