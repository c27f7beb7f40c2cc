"""Folders of encrypted blocks: what was changed on the way is found before it is used."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide.encrypted.files import BlockWriter, Header, read_blocks, write_secret
from confide.errors import DataError, VerificationError

KEY = Ed25519PrivateKey.generate()
SIGNER = KEY.public_key().public_bytes_raw()
JOB = bytes(range(32))
HEADER = Header(what="rows", job=JOB)
BLOCKS = [b"first block", b"the second", b"third"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete folder."""
    with BlockWriter(tmp_path / "blocks", HEADER) as writer:
        for block in BLOCKS:
            writer.write(block)
        writer.complete(KEY)
    return tmp_path / "blocks"


def test_blocks_come_back_in_order(folder: Path) -> None:
    blocks = read_blocks(folder, "rows", JOB, SIGNER)
    assert list(blocks.read()) == BLOCKS
    assert blocks.header == HEADER
    assert len(blocks) == 3
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["000000.block", "000001.block", "000002.block", "manifest.json"]


def _swap(folder: Path) -> None:
    first, second = folder / "000000.block", folder / "000001.block"
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def _repeat(folder: Path) -> None:
    (folder / "000001.block").write_bytes((folder / "000000.block").read_bytes())


def _cut(folder: Path) -> None:
    path = folder / "000001.block"
    path.write_bytes(path.read_bytes()[:-1])


def _lengthen(folder: Path) -> None:
    path = folder / "000001.block"
    path.write_bytes(path.read_bytes() + b"x")


def _alter(folder: Path) -> None:
    (folder / "000002.block").write_bytes(b"thirD")


@pytest.mark.parametrize("change", [_swap, _repeat, _cut, _lengthen, _alter])
def test_changed_blocks_are_refused(folder: Path, change: Callable[[Path], None]) -> None:
    change(folder)
    with pytest.raises(VerificationError, match="is not the block that was signed"):
        list(read_blocks(folder, "rows", JOB).read())


def test_a_missing_block_is_refused(folder: Path) -> None:
    (folder / "000001.block").unlink()
    with pytest.raises(DataError, match="cannot read"):
        list(read_blocks(folder, "rows", JOB).read())


@pytest.mark.parametrize(
    "values",
    [
        {"blocks": []},
        {"of": "ff"},
        {"what": "scores"},
        {"job": "00" * 32},
        {"signature": "00" * 64},
        {"signer": "zz"},
        {"blocks": [[1]]},
        {"blocks": [[-1, "00"]]},
        {"blocks": None},
    ],
)
def test_an_altered_manifest_is_refused(folder: Path, values: dict[str, object]) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(VerificationError, match="was altered"):
        read_blocks(folder, "rows", JOB)


def test_a_manifest_of_other_work_is_refused(folder: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(VerificationError, match="signed by another key"):
        read_blocks(folder, "rows", JOB, other)
    with pytest.raises(VerificationError, match="another job"):
        read_blocks(folder, "rows", bytes(32))
    with pytest.raises(VerificationError, match="scores are needed"):
        read_blocks(folder, "scores", JOB)


def test_an_unfinished_folder_is_not_read(tmp_path: Path) -> None:
    with BlockWriter(tmp_path / "b", HEADER) as writer:
        writer.write(BLOCKS[0])
    with pytest.raises(DataError, match="unfinished"):
        read_blocks(tmp_path / "b", "rows", JOB)


def test_interrupted_work_goes_on(tmp_path: Path) -> None:
    with BlockWriter(tmp_path / "b", HEADER) as writer:
        writer.write(BLOCKS[0])
        writer.write(BLOCKS[1])
    (tmp_path / "b" / "000001.block").write_bytes(b"half")  # the power failed
    with BlockWriter(tmp_path / "b", HEADER) as writer:
        assert len(writer.finished) == 1
        for block in BLOCKS[1:]:
            writer.write(block)
        writer.complete(KEY)
    assert list(read_blocks(tmp_path / "b", "rows", JOB, SIGNER).read()) == BLOCKS


def test_work_is_gone_on_with_more_than_once(tmp_path: Path) -> None:
    for block in BLOCKS:
        with BlockWriter(tmp_path / "b", HEADER) as writer:
            # A list that the power cut off in the middle of a line, and a block that is lost.
            writer.write(block)
        with (tmp_path / "b" / "unfinished.jsonl").open("a") as file:
            file.write('[12, "ab')
    with BlockWriter(tmp_path / "b", HEADER) as writer:
        assert len(writer.finished) == 3
        writer.complete(KEY)
    assert list(read_blocks(tmp_path / "b", "rows", JOB).read()) == BLOCKS


def test_work_that_starts_again_leaves_nothing_behind(tmp_path: Path) -> None:
    with BlockWriter(tmp_path / "b", HEADER) as writer:
        for block in BLOCKS:
            writer.write(block)
    with BlockWriter(tmp_path / "b", HEADER, goes_on=False) as writer:
        writer.write(BLOCKS[2])
        writer.complete(KEY)
    assert list(read_blocks(tmp_path / "b", "rows", JOB).read()) == BLOCKS[2:]
    assert len(list((tmp_path / "b").iterdir())) == 2


def test_other_work_in_the_folder_is_left_alone(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="complete already"):
        BlockWriter(folder, HEADER).__enter__()
    with BlockWriter(tmp_path / "b", HEADER) as writer:
        writer.write(BLOCKS[0])
    with pytest.raises(DataError, match="another job or of other rows"):
        BlockWriter(tmp_path / "b", Header(what="rows", job=bytes(32))).__enter__()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "holiday.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="holds other files"):
        BlockWriter(tmp_path / "c", HEADER).__enter__()


def test_a_full_disk_leaves_no_half_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with BlockWriter(tmp_path / "b", HEADER) as writer:
        writer.write(BLOCKS[0])
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match="No space left on device"):
            writer.write(BLOCKS[1])
        with pytest.raises(DataError, match="No space left on device"):
            writer.complete(KEY)
    names = sorted(path.name for path in (tmp_path / "b").iterdir())
    assert names == ["000000.block", "unfinished.jsonl"]


def test_a_secret_is_for_its_owner_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_secret(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DataError, match="never overwritten"):
        write_secret(path, b"two")
    assert path.read_bytes() == b"one"
