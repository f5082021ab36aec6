"""Archives of images: truncated, damaged, encrypted and foreign ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import Load, pack, picture, values

from latentpath.errors import DataError, MissingDataError


def test_every_truncation_of_an_archive_is_noticed(tmp_path: Path, load: Load) -> None:
    archive = pack(tmp_path / "faces.zip", {f"{i}.png": picture(i) for i in range(3)})
    content = archive.read_bytes()
    for length in range(0, len(content), 7):
        archive.write_bytes(content[:length])
        wanted = "truncated or damaged.*fetch it again" if length > 1 else "is not a zip archive"
        with pytest.raises(DataError, match=rf"faces\.zip {'is a zip archive that is ' * (length > 1)}{wanted}"):
            load(archive)


def test_every_flipped_byte_of_an_archive_is_noticed_or_harmless(tmp_path: Path, load: Load) -> None:
    archive = pack(tmp_path / "faces.zip", {"1.png": picture(1)})
    content = archive.read_bytes()
    for place in range(0, len(content), 3):
        archive.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        try:
            found = values(load(archive).pixels)
        except (DataError, MissingDataError) as error:
            found = [1] if "faces.zip" in str(error) else [0]
        assert found == [1]


def test_what_is_no_archive(tmp_path: Path, load: Load) -> None:
    (tmp_path / "face.png").write_bytes(picture(0))
    with pytest.raises(DataError, match=r"face.png is not a zip archive \(.*'89 50 4e 47'\): pass a zip archive of"):
        load(tmp_path / "face.png")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b\x08\0")
    with pytest.raises(DataError, match="not a zip archive.*for MNIST pass the folder of its four files"):
        load(tmp_path / "train-images-idx3-ubyte.gz")


def test_an_encrypted_archive(tmp_path: Path, load: Load) -> None:
    archive = pack(tmp_path / "secret.zip", {"1.png": picture(1), "2.png": picture(2)})
    content = bytearray(archive.read_bytes())
    second = content.rindex(b"PK\x01\x02")
    content[second + 8] |= 1  # the flag in the list of contents
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"secret.zip is encrypted \(2.png needs a password\): extract it, and pass"):
        load(archive)


def test_an_archive_packed_in_an_unknown_way(tmp_path: Path, load: Load) -> None:
    archive = pack(tmp_path / "new.zip", {"1.png": picture(1)})
    content = bytearray(archive.read_bytes())
    content[8], content[content.rindex(b"PK\x01\x02") + 10] = 97, 97  # the method, at both places
    archive.write_bytes(content)
    with pytest.raises(DataError, match="1.png in .*new.zip cannot be unpacked.*extract it, and pass the folder"):
        load(archive)
