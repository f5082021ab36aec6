"""Sessions of visitors: one a name, forgotten with their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentpath.web.sessions import Sessions
from latentpath.web.studio import Studio

DIGITS = "mnist-dcgan-semicircle"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio([DIGITS], tmp_path)


def test_every_name_has_a_session_of_its_own(studio: Studio) -> None:
    one, other = studio.sessions.of("a"), studio.sessions.of("b")
    studio.pick(one, 5)
    assert len(one.keyframes) == 3
    assert len(other.keyframes) == 2
    assert studio.sessions.of("a") is one
    assert studio.sessions.of(None) is not studio.sessions.of(None)
    one.stop.set()
    assert not other.stop.is_set()


def test_sessions_are_forgotten_with_their_files(tmp_path: Path) -> None:
    now = [0.0]
    sessions = Sessions(tmp_path, lambda _: None, limit=3, idle=100, clock=lambda: now[0])
    first = sessions.of("0")
    (first.folder / "film.mp4").write_bytes(b"x")
    for i in range(1, 4):
        now[0] = i
        sessions.of(str(i))
    assert len(sessions) == 3
    assert not first.folder.exists()
    assert first.stop.is_set()
    assert first.gone.is_set()
    now[0] = 101.5
    sessions.sweep()
    assert len(sessions) == 2
    now[0] = 200
    sessions.of("2")
    now[0] = 203.5
    sessions.of("new")
    assert len(sessions) == 2
    sessions.forget("2")
    sessions.forget("new")
    sessions.forget("unknown")
    assert list(tmp_path.iterdir()) == []
