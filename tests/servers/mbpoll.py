"""mbpoll, the reference master: what another program reads from the same slave."""

import re
import shutil
import subprocess

import pytest

VALUE = re.compile(r"^\[(\d+)\]:\s+(\S+)", re.MULTILINE)


def mbpoll(path, *, slave, register, count=1, function=3, form=""):
    """Return *count* values from *register* on; *form* is '' for words, 'int' or 'float'.

    32-bit values are read high word first. As mbpoll prints them: words and ints whole, floats
    with six digits.
    """
    if shutil.which("mbpoll") is None:
        pytest.skip("mbpoll is missing: Debian package mbpoll")
    table = {3: "4", 4: "3"}[function] + (f":{form}" if form else ":hex")
    command = ["mbpoll", "-m", "rtu", "-b", "9600", "-P", "none", "-1", "-0", "-B"]
    command += ["-a", str(slave), "-r", str(register), "-c", str(count), "-t", table, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    words = [value for _, value in VALUE.findall(done.stdout)]
    assert len(words) == count, done.stdout
    return [float(word) if form == "float" else int(word, 0) for word in words]
