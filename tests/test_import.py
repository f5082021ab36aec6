"""`import latentpath`: light, and complete all the same."""

import subprocess
import sys

import pytest

import latentpath as lp

HEAVY = ("huggingface_hub", "httpx", "yaml", "typer", "rich", "safetensors.torch", "PIL", "matplotlib", "av", "scipy")


def test_the_import_loads_no_library_that_only_some_calls_need() -> None:
    code = (
        f"import sys, torch; before = set(sys.modules); import latentpath; "
        f"print(*(set({HEAVY}) & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("package", [lp, lp.models], ids=["latentpath", "latentpath.models"])
def test_every_public_name_is_there_and_listed(package: object) -> None:
    names = package.__all__  # type: ignore[attr-defined]
    assert all(hasattr(package, name) for name in names)
    assert set(names) <= set(dir(package))
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        getattr(package, "nothing_of_that_" + "name")
