"""Real images: what is read, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from latentpath.errors import InputError, LatentPathError
from latentpath.paper.real_images import read_real_images


class TestRealImages:
    """A folder that the user names and that cannot be read is an error, and never "left out"."""

    def test_each_data_set_is_read_or_said_to_be_missing(self, tmp_path: Path) -> None:
        self.digits(tmp_path)
        found = read_real_images(("mnist", "celeba"), str(tmp_path))
        assert found.counts == {"mnist": 5, "celeba": None}
        assert found.missing == {"celeba": "there are no images of celeba: celeba/ is not in the folder of --data"}
        assert read_real_images((), str(tmp_path)).counts == {}

    @pytest.mark.parametrize(("count", "kept"), [(10, None), (100, None), (103, 3)])
    def test_faces_are_kept_out_of_training(self, tmp_path: Path, count: int, kept: int | None) -> None:
        import zipfile

        buffer = io.BytesIO()
        Image.new("RGB", (89, 109)).save(buffer, "png")
        (tmp_path / "celeba").mkdir()
        with zipfile.ZipFile(tmp_path / "celeba/img_align_celeba.zip", "w") as archive:
            for i in range(count):
                archive.writestr(f"img_align_celeba/{i:06}.png", buffer.getvalue())
        if kept is None:
            with pytest.raises(InputError, match=f"has {count} images of faces .*more than 100 are needed"):
                read_real_images(("celeba",), str(tmp_path))
        else:
            found = read_real_images(("celeba",), str(tmp_path))
            assert found.counts == {"celeba": kept}
            assert found.held_out is not None
            assert len(found.held_out) == 100

    def test_what_is_damaged_is_named(self, tmp_path: Path) -> None:
        self.digits(tmp_path)
        file = tmp_path / "mnist/train-images-idx3-ubyte.gz"
        file.write_bytes(file.read_bytes()[:-10])
        with pytest.raises(LatentPathError, match="the images of mnist in --data cannot be read: .*train-images"):
            read_real_images(("mnist",), str(tmp_path))
        file.rename(tmp_path / "mnist/t10k-images-idx3-ubyte.gz")
        with pytest.raises(LatentPathError, match="the images of mnist in --data cannot be read"):
            read_real_images(("mnist",), str(tmp_path))
        (tmp_path / "celeba").mkdir()
        (tmp_path / "celeba/img_align_celeba.zip").write_bytes(b"PK torn")
        with pytest.raises(LatentPathError, match="the images of celeba in --data cannot be read: .*celeba.zip"):
            read_real_images(("celeba",), str(tmp_path))

    @staticmethod
    def digits(folder: Path) -> None:
        import gzip

        (folder / "mnist").mkdir()
        for name, dims, size in (("images-idx3", (5, 28, 28), 5 * 784), ("labels-idx1", (5,), 5)):
            head = bytes([0, 0, 8, len(dims)]) + b"".join(n.to_bytes(4, "big") for n in dims)
            (folder / f"mnist/train-{name}-ubyte.gz").write_bytes(gzip.compress(head + bytes(size)))
