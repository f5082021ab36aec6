"""The folder of a reproduction: what is kept, refused and recomputed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from latentpath.errors import DataError, InputError
from latentpath.paper.job_cache import JobCache
from latentpath.paper.real_images import IMAGE_DEPENDENT_JOBS

NONE: dict[str, int | None] = {"mnist": None, "celeba": None}


class TestJobCache:
    def test_a_job_is_done_once_and_its_numbers_stay(self, tmp_path: Path) -> None:
        calls = []

        def compute() -> dict[str, Tensor]:
            calls.append(1)
            return {"x": torch.arange(6.0).view(2, 3)[:, ::2]}

        for _ in range(2):
            store = JobCache(tmp_path / "out", {"plan": 1})
            store.begin({}, {})
            found = store.tensors("model/job", compute, {"x"}, 2)
            assert torch.equal(found["x"], torch.tensor([[0.0, 2.0], [3.0, 5.0]]))
        assert len(calls) == 1

    def test_facts_stay_while_they_are_whole(self, tmp_path: Path) -> None:
        store = JobCache(tmp_path / "out", {"plan": 1})
        store.begin({}, {})
        file = tmp_path / "out/work/model/said.json"
        assert store.facts("model/said", lambda: {"a": [1.5, float("nan")]}, lambda _: True) == {"a": [1.5, None]}
        assert store.facts("model/said", lambda: {"a": "not asked again"}, lambda _: True) == {"a": [1.5, None]}
        for broken in ("{}", "[]", "3", "null", '{"a"', ""):
            file.write_text(broken)
            assert store.facts(
                "model/said", lambda: {"a": 2}, lambda found: isinstance(found, dict) and "a" in found
            ) == {"a": 2}
            assert json.loads(file.read_text()) == {"a": 2}

    def test_a_job_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        store = JobCache(tmp_path / "out", {})
        assert not (tmp_path / "out").exists()
        store.begin({}, {})

        def fails() -> dict[str, Tensor]:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.tensors("job", fails, (), 1)
        assert [file.name for file in (tmp_path / "out").rglob("*")] == ["plan.json"]

    def test_another_plan_and_other_folders_are_refused(self, tmp_path: Path) -> None:
        JobCache(tmp_path / "out", {"plan": {"pairs": 200, "seed": 0}}).begin({}, {})
        with pytest.raises(InputError, match=r"holds another run \(pairs: there 200, here 6\): choose another folder"):
            JobCache(tmp_path / "out", {"plan": {"pairs": 6, "seed": 0}})
        with pytest.raises(InputError, match=r"holds another run \(seed: there 0, here None\)"):
            JobCache(tmp_path / "out", {"plan": {"pairs": 200}})
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="is a file"):
            JobCache(tmp_path / "file", {})
        with pytest.raises(InputError, match="is not empty, and holds no reproduction"):
            JobCache(tmp_path, {})
        for broken, error in (("{", DataError), ("[]", InputError)):
            (tmp_path / "out" / "plan.json").write_text(broken)
            with pytest.raises(error, match=r"plan\.json cannot be read|its plan is none"):
                JobCache(tmp_path / "out", {})
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken/figures").write_text("")
        with pytest.raises(InputError, match="figures is a file"):
            JobCache(tmp_path / "taken", {})
        (tmp_path / "mac").mkdir()
        (tmp_path / "mac/.DS_Store").write_text("")
        JobCache(tmp_path / "mac", {}).begin({}, {})

    @pytest.mark.parametrize(
        ("made", "what"),
        [
            (b"torn", "InvalidHeader|header"),
            ({"y": torch.ones(3)}, "'x' is not in it"),
            ({"x": torch.ones(2)}, "'x' is not of 3 pairs"),
            ({"x": torch.tensor(1.0)}, "'x' is not of 3 pairs"),
        ],
    )
    def test_a_damaged_job_is_named(self, tmp_path: Path, made: Any, what: str) -> None:
        store = JobCache(tmp_path / "out", {})
        store.tensors("job", lambda: {"x": torch.ones(3)}, {"x"}, 3)
        content = made if isinstance(made, bytes) else save_tensors(made)
        (tmp_path / "out/work/job.safetensors").write_bytes(content)
        with pytest.raises(DataError, match=rf"job\.safetensors is damaged \(.*({what}).*remove it"):
            store.tensors("job", dict, {"x"}, 3)

    def test_data_sets_are_told_as_they_are_needed(self, tmp_path: Path) -> None:
        for images in ({}, {"celeba": 8900}, {"mnist": 60000, "celeba": 8900}, {"mnist": 60000}):
            assert JobCache(tmp_path, {"plan": 1}).begin(images, IMAGE_DEPENDENT_JOBS) == []
        content = json.loads((tmp_path / "plan.json").read_text())
        assert content == {"plan": 1, "real images": {"celeba": 8900, "mnist": 60000}}
        with pytest.raises(InputError, match=r"had 60,000 images of mnist: pass their folder \(--data\)"):
            JobCache(tmp_path, {"plan": 1}).begin(NONE, IMAGE_DEPENDENT_JOBS)
        with pytest.raises(InputError, match=r"images of mnist: there 60,000, here 59"):
            JobCache(tmp_path, {"plan": 1}).begin({"mnist": 59}, IMAGE_DEPENDENT_JOBS)

    def test_what_was_done_without_images_is_done_anew_with_them_and_nothing_else(self, tmp_path: Path) -> None:
        store = JobCache(tmp_path, {})
        store.begin(NONE, IMAGE_DEPENDENT_JOBS)
        kept = ["mnist-dcgan-normal/main-0000.safetensors", "mnist-dcgan-normal/alpha-0000.safetensors",
                "celeba-dcgan-normal/main-0000.safetensors", "celeba-wae/main-0000.safetensors",
                "celeba-wae/judged.json"]  # fmt: skip
        gone = ["mnist-dcgan-normal/indices-0000.safetensors", "mnist-dcgan-normal/judged.json",
                "mnist-dcgan-semicircle/judged-indices.json"]  # fmt: skip
        for name in kept + gone:
            (tmp_path / "work" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "work" / name).write_text("")
        assert JobCache(tmp_path, {}).begin({"mnist": 60000, "celeba": None}, IMAGE_DEPENDENT_JOBS) == ["mnist"]
        there = {str(file.relative_to(tmp_path / "work")) for file in (tmp_path / "work").rglob("*.*")}
        assert there == set(kept)
        assert JobCache(tmp_path, {}).begin({"celeba": 8900}, IMAGE_DEPENDENT_JOBS) == ["celeba"]
        there = {str(file.relative_to(tmp_path / "work")) for file in (tmp_path / "work").rglob("*.*")}
        assert there == set(kept[:3])
