"""A package outside the tree, as pip would have installed it: a module and its entry points."""

import os
from pathlib import Path


def package(folder: Path, module: str, text: str, **sources: str) -> dict[str, str]:
    """Install *module* in *folder*; *sources* names its classes. Return an environment."""
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / f"{module}.py").write_text(text)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    named = "".join(f"{name} = {module}:{cls}\n" for name, cls in sources.items())
    (about / "entry_points.txt").write_text(f"[energy_monitor.sources]\n{named}")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
