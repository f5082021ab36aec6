"""The peak of memory of a piece of work, minus the memory held before it."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """The peak of memory while ``with Peak(device) as peak:`` is open, minus the memory held when it was opened.

    On a CPU the peak is that of the whole process, which must not do anything else. Outside Linux the kernel does not
    report the memory held now; work that needs less than the start of the process then shows as 0.

    Attributes:
        bytes: the difference.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.bytes = device, 0

    def __enter__(self) -> Peak:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            self._before = torch.cuda.memory_allocated(self.device)
        else:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).malloc_trim(0)  # returns freed memory to the operating system
            with contextlib.suppress(OSError):
                _CLEAR.write_text("5", encoding="ascii")  # the high-water mark starts from here
            self._before = _held("VmRSS")
        return self

    def __exit__(self, *error: object) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            self.bytes = torch.cuda.max_memory_allocated(self.device) - self._before
        else:
            self.bytes = max(0, _held("VmHWM") - self._before)


def _held(field: str) -> int:
    """Returns a field of ``/proc/self/status`` in bytes; outside Linux the high-water mark for every field."""
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return 1024 * int(found[1])
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
