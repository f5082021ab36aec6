"""A server of the page for every file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks.server import Server
from page_server import serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = serving(tmp_path_factory.mktemp("server"))
    yield running
    assert running.end() == 0, running.log.read_text()
    assert running.tracebacks == 0, running.log.read_text()
    assert running.left == []
