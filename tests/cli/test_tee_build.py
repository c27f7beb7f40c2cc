"""`confide tee build`, `diff`, `lint` and `sign` as who builds an image uses them."""

import json
from pathlib import Path

import pytest
from confide_operator.image import Manifest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.operator.image.support import boot
from tests.operator.image.test_build import IMAGE, SGX, SNP
from tests.operator.registry.support import key, public

from confide.tee import Platform, SignedRelease

ROOT = Path(__file__).parents[2]


@pytest.fixture
def image(folder):
    (folder / "tree").mkdir()
    (folder / "tree" / "run").write_text("#!/bin/sh\n")
    (folder / "image.toml").write_text(IMAGE + SGX + SNP)
    boot(folder / "boot")
    return folder


def test_says_what_is_measured_and_what_cannot_be(image, confide):
    done = confide("tee", "build", "image.toml", "--out", "out")
    assert done.code == 0, done.err
    manifest = Manifest.from_json((image / "out" / "manifest.json").read_text())
    assert f"workload {manifest.hash.hex()}" in done.out
    assert "small 1: 1 files, 10 bytes" in done.out
    assert "no base image is named" in done.out
    release = SignedRelease.from_json((image / "out" / "release.json").read_text()).release
    digest = release.measurements[Platform.SNP]["measurement"].hex()
    assert f"snp    measurement {digest} (computed)" in done.out
    assert "sgx    mrenclave not computed here: MRENCLAVE takes Gramine" in done.out
    assert "wrote manifest.json, small.manifest.template, release.json to out" in done.err


def test_as_json(image, confide):
    done = confide("tee", "build", "image.toml", "--out", "out", "--skip", "snp", "--json")
    found = json.loads(done.out)
    assert found["files"] == 1
    assert {m["platform"]: m["value"] for m in found["measurements"]}["sgx"] is None
    assert "no section [snp]" in str(found["measurements"])


def test_the_projects_own_image_is_built_as_its_file_says(folder, confide):
    done = confide(
        "tee", "build", ROOT / "images" / "aggregator" / "image.toml", "--skip", "snp", "--out", "o"
    )
    assert done.code == 0, done.err
    assert "there is nothing to sign yet" in done.out
    assert confide("tee", "lint", "o/confide-aggregator.manifest.template").code == 0


def test_a_build_goes_on_to_be_signed(image, confide):
    (image / "alder.key").write_bytes(
        key("alder").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    confide(
        "tee", "build", "image.toml", "--out", "out", "--measurement",
        f"sgx.mrenclave={'ab' * 32}",
    )  # fmt: skip
    done = confide("tee", "sign", "out/release.json", "--key", "alder.key")
    assert done.code == 0, done.err
    assert "small 1: 1 signatures" in done.err
    signed = SignedRelease.from_json((image / "out" / "release.json").read_text())
    release = signed.verify([public("alder")], threshold=1)
    assert release.measurements[Platform.SGX] == {"mrenclave": bytes.fromhex("ab" * 32)}


def test_differences_are_named_and_the_exit_code_tells(image, confide):
    confide("tee", "build", "image.toml", "--out", "one")
    assert confide("tee", "diff", "one", "one").code == 0
    (image / "tree" / "run").write_text("#!/bin/sh\nbackdoor\n")
    confide("tee", "build", "image.toml", "--out", "two")
    done = confide("tee", "diff", "one", "two")
    assert done.code == 1
    assert "changed  file         /app/run" in done.out
    assert "changed  measurement  snp.measurement" in done.out
    found = json.loads(confide("tee", "diff", "one", "two", "--json").out)
    assert [(d["what"], d["kind"]) for d in found] == [
        ("measurement", "changed"),
        ("file", "changed"),
    ]


def test_lint_names_the_line(folder, confide):
    (folder / "bad.manifest").write_text('sgx.debug = true\nsgx.allowed_files = ["file:log"]\n')
    done = confide("tee", "lint", "bad.manifest")
    assert done.code == 1
    assert "sgx.debug (line 1): is True: the host reads a debug enclave" in done.out
    assert "sgx.allowed_files (line 2)" in done.out
    assert json.loads(confide("tee", "lint", "bad.manifest", "--json").out)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (("build", "absent.toml", "--out", "o"), 2, "cannot read absent.toml"),
        (("build", "image.toml", "--out", "o", "--skip", "tdx"), 2, "no section [tdx] to skip"),
        (("build", "image.toml", "--out", "o", "--measurement", "sgx=00"), 3, "PLATFORM.NAME=HEX"),
        (("build", "image.toml", "--out", "o", "--measurement", "abacus.x=00"), 3, "PLATFORM.NAME"),
        (("build", "image.toml", "--out", "o", "--measurement", "sgx.x=zz"), 3, "not a hexadeci"),
        (("build", "image.toml", "--out", "o", "--measurement", "sgx.x=00", "--measurement",
          "sgx.x=00"), 3, "names 'sgx.x' twice"),
        (("diff", "boot", "boot"), 3, "cannot read boot/manifest.json"),
        (("lint", "absent"), 3, "cannot read absent"),
        (("sign", "image.toml", "--key", "absent"), 10, "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_clear_line(image, refused, command, code, message):
    assert message in refused("tee", *command, code=code)
