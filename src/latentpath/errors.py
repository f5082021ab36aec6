"""The exceptions of latentpath, public as ``latentpath.errors``.

All derive from `LatentPathError`, so one ``except`` catches them; each also derives from the built-in
exception a Python programmer would expect (`ValueError`, `FileNotFoundError`, ...).
"""

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

__all__ = [
    "EXTRAS",
    "DataError",
    "GeneratorError",
    "InputError",
    "LatentPathError",
    "MissingDataError",
    "MissingDependencyError",
    "SolveError",
    "TrainingError",
    "WriteError",
    "install_command",
    "missing",
    "require",
]

_DRAWING = {"av": "PyAV", "matplotlib": "matplotlib"}

EXTRAS: dict[str, dict[str, str]] = {
    "data": {"datasets": "datasets", "sklearn": "scikit-learn"},
    "train": {"accelerate": "accelerate", "tensorboard": "tensorboard"},
    "viz": _DRAWING,
    "web": {"gradio": "gradio", **_DRAWING},
    "search": {"scipy": "scipy"},
    "reproduce": {"matplotlib": "matplotlib", "scipy": "scipy", "jinja2": "Jinja2", "markdown_it": "markdown-it-py"},
}
"""The modules that a command needs from an extra, and the library that each belongs to."""


class LatentPathError(Exception):
    """The base of every error of this package."""


class InputError(LatentPathError, ValueError):
    """An argument has the wrong shape, type, range or device."""


class GeneratorError(LatentPathError, ValueError):
    """A generator cannot be interpolated: random, coupled over the batch, not differentiable, not finite."""


class SolveError(LatentPathError, RuntimeError):
    """A strict caller asked for converged paths and at least one did not converge, or tunnels.

    Attributes:
        path: the `latentpath.Path` of the solve.
    """

    def __init__(self, message: str, path: Any = None) -> None:
        super().__init__(message)
        self.path = path


class DataError(LatentPathError, ValueError):
    """A file was found but is truncated, foreign or does not match its checksum."""


class MissingDataError(LatentPathError, FileNotFoundError):
    """A data set or file is missing at the path given."""


class MissingDependencyError(LatentPathError, ImportError):
    """An optional library is needed and not installed."""


class TrainingError(LatentPathError, RuntimeError):
    """Training cannot go on: non-finite losses, or a run folder that belongs to another configuration."""


class WriteError(LatentPathError, OSError):
    """A file could not be written; the message names the files that were."""


def missing(library: str, extra: str, purpose: str) -> MissingDependencyError:
    """Returns the error for an optional library that is not installed: its purpose and the command that installs it."""
    return MissingDependencyError(
        f"{purpose} needs {library}, which is not installed (latentpath[{extra}] has it): {install_command(extra)}"
    )


def require(purpose: str, extra: str, *modules: str) -> None:
    """Raises an error at once if an optional library is missing; imports nothing.

    Args:
        purpose: the work that needs the libraries, for the message.
        extra: the extra that has them.
        modules: the needed modules of `EXTRAS`; all of the extra by default.

    Raises:
        MissingDependencyError: one of them is not installed.
    """
    for module in modules or EXTRAS[extra]:
        if not _installed(module):
            raise missing(EXTRAS[extra][module], extra, purpose)


def _installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None  # None: its import is blocked
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def install_command(extra: str) -> str:
    """Returns the command that installs an extra of this installation: from its clone, its URL, or the package index.

    A package that was installed from a clone must be installed from there again, since no index may have it.
    """
    from importlib import metadata
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    pip = _pip()
    tree = Path(__file__).resolve().parents[2]
    if _is_clone(tree):
        return _from_clone(pip, tree, extra, editable=True)
    try:
        origin = json.loads(metadata.distribution("latentpath").read_text("direct_url.json") or "null")
    except metadata.PackageNotFoundError:
        origin = None
    if origin is None:
        return f"{pip} install 'latentpath[{extra}]'"
    url = origin["url"]
    if urlsplit(url).scheme == "file" and _is_clone(tree := Path(url2pathname(urlsplit(url).path))):
        return _from_clone(pip, tree, extra, editable=False)
    vcs = origin.get("vcs_info")
    where = f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url
    return f"{pip} install 'latentpath[{extra}] @ {where}'"


def _from_clone(pip: str, tree: Path, extra: str, *, editable: bool) -> str:
    from shlex import quote

    locked = "-c constraints.lock " * (tree / "constraints.lock").is_file()
    return f"cd {quote(str(tree))} && {pip} install {locked}{'-e ' * editable}'.[{extra}]'"


def _is_clone(tree: Path) -> bool:
    import tomllib

    try:
        with (tree / "pyproject.toml").open("rb") as file:
            return bool(tomllib.load(file).get("project", {}).get("name") == "latentpath")
    except (OSError, tomllib.TOMLDecodeError):
        return False


def _pip() -> str:
    """Returns ``pip`` if it belongs to this Python, else this Python's own."""
    from shlex import quote

    found = shutil.which("pip")
    if found is not None and Path(found).absolute().parent == Path(sys.executable).parent:
        return "pip"
    return f"{quote(sys.executable)} -m pip"
