"""Builds are the same wherever they are made, say what they cannot compute, and hide nothing."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from confide_operator.image import Description, Manifest, build, differences
from tests.operator.image.support import boot

from confide._version import __version__
from confide.errors import DataError, PlanError
from confide.tee import Platform

ROOT = Path(__file__).parents[3]
IMAGE = """
name = "small"
version = "1"
entrypoint = "/app/run"
[[files]]
source = "tree"
target = "/app"
"""
SGX = '[sgx]\nenclave_size = "512M"\nmax_threads = 4\n'
SNP = """
[snp]
firmware = "boot/OVMF.fd"
kernel = "boot/vmlinuz"
initrd = "boot/initrd.img"
command_line = "quiet confide.workload={workload}"
vcpus = 2
vcpu_type = "EPYC-v4"
"""


@pytest.fixture
def folder(tmp_path):
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "run").write_text("#!/bin/sh\n")
    (tree / "run").chmod(0o755)
    (tree / "inner" / "data").write_bytes(b"data")
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "run.pyc").write_bytes(b"differs from machine to machine")
    return tmp_path


def described(folder, text=IMAGE):
    (folder / "image.toml").write_text(text)
    return Description.read(folder / "image.toml")


class TestManifest:
    def test_lists_every_file_by_its_hash(self, folder):
        manifest = Manifest.of(described(folder))
        assert [(f.path, f.size, f.executable) for f in manifest.files] == [
            ("/app/inner/data", 4, False),
            ("/app/run", 10, True),
        ]
        assert manifest.files[0].sha256 == (
            "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
        )

    def test_is_read_back_as_it_was(self, folder):
        manifest = Manifest.of(described(folder, IMAGE + SGX))
        assert Manifest.from_json(manifest.to_json()) == manifest

    @pytest.mark.parametrize(
        "change",
        [
            lambda tree: (tree / "inner" / "data").write_bytes(b"Data"),
            lambda tree: (tree / "inner" / "data").chmod(0o755),
            lambda tree: (tree / "inner" / "data").rename(tree / "inner" / "date"),
            lambda tree: (tree / "inner" / "more").write_bytes(b""),
        ],
    )
    def test_changes_with_every_file(self, folder, change):
        before = Manifest.of(described(folder)).hash
        change(folder / "tree")
        assert Manifest.of(described(folder)).hash != before

    @pytest.mark.parametrize(
        "line",
        [
            'arguments = ["x"]',
            'version = "2"',
            'environment = {A = "1"}',
            'base = {image = "b", digest = "sha256:' + "0" * 64 + '"}',
        ],
    )
    def test_changes_with_every_option(self, folder, line):
        before = Manifest.of(described(folder)).hash
        text = IMAGE.replace('version = "1"', "") if line.startswith("version") else IMAGE
        assert Manifest.of(described(folder, f"{line}\n{text}" if line in text else
                                     text.replace('name = "small"', f'name = "small"\n{line}')
                                     )).hash != before  # fmt: skip

    def test_does_not_change_with_times(self, folder):
        before = Manifest.of(described(folder)).hash
        os.utime(folder / "tree" / "run", (0, 0))
        assert Manifest.of(described(folder)).hash == before

    def test_a_link_is_refused(self, folder):
        (folder / "tree" / "link").symlink_to("/etc/passwd")
        with pytest.raises(DataError, match="is a link or not a plain file"):
            Manifest.of(described(folder))

    def test_a_pipe_is_refused(self, folder):
        os.mkfifo(folder / "tree" / "pipe")
        with pytest.raises(DataError, match="is a link or not a plain file"):
            Manifest.of(described(folder))

    def test_two_files_in_one_place_are_refused(self, folder):
        twice = IMAGE + '[[files]]\nsource = "tree/run"\ntarget = "/app/run"\n'
        with pytest.raises(DataError, match="two files go to /app/run"):
            Manifest.of(described(folder, twice))

    def test_what_runs_is_in_it_or_in_a_base(self, folder):
        text = IMAGE.replace("/app/run", "/usr/bin/python3")
        with pytest.raises(DataError, match="what would run is not measured"):
            Manifest.of(described(folder, text))
        base = f'[base]\nimage = "b"\ndigest = "sha256:{"0" * 64}"\n'
        assert Manifest.of(described(folder, text + base)).base is not None

    @pytest.mark.parametrize("pattern", ["/etc/*", "../*", "x/../../*"])
    def test_patterns_stay_in_their_folder(self, folder, pattern):
        with pytest.raises(DataError, match=r"leaves .*; name a folder of its own"):
            Manifest.of(described(folder, IMAGE + f'include = ["{pattern}"]\n'))

    def test_nothing_is_no_image(self, folder):
        with pytest.raises(DataError, match="has no file that"):
            Manifest.of(described(folder, IMAGE + 'include = ["*.none"]\n'))

    @pytest.mark.parametrize(
        "text", ["", "{}", "[]", '{"format": "confide image 1"}', '{"format": "other"}', "[" * 9999]
    )
    def test_that_is_none_is_refused(self, text):
        with pytest.raises(DataError, match="not a valid manifest"):
            Manifest.from_json(text)

    def test_written_in_another_way_is_refused(self, folder):
        text = Manifest.of(described(folder)).to_json()
        for other in (text + " ", json.dumps(json.loads(text)), text.replace(": 4", ":  4")):
            with pytest.raises(DataError, match="not written as this program writes it"):
                Manifest.from_json(other)
        with pytest.raises(DataError, match="size is no int"):
            Manifest.from_json(text.replace('"size": 4', '"size": 4.0'))


class TestDescription:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("name = ", "Invalid value"),
            (IMAGE.replace('"small"', '"Small one"'), "'name' is 'Small one'"),
            (IMAGE.replace("entrypoint", "entry"), "unknown key 'entry'"),
            (IMAGE.replace('"/app"', '"app"'), "not an absolute path"),
            (IMAGE.replace('"/app"', '"/app/../etc"'), "not an absolute path"),
            (IMAGE.replace('"/app"', '"//app"'), "not an absolute path"),
            (IMAGE.replace('"/app"', '"/"'), "not an absolute path"),
            (IMAGE + SGX + 'sealed = [{path = "/app", key = "_sgx_mrsigner"}]', "would hide"),
            (IMAGE + SGX + 'sealed = [{path = "/app/run/x", key = "_sgx_mrsigner"}]', "would hide"),
            (IMAGE + SNP.replace("{workload}", "none"), "does not name {workload}"),
            ('environment = {"A-B" = "1"}\n' + IMAGE, "which no variable is called"),
            (IMAGE + SGX.replace("512M", "500M"), "is a power of two, as 512M or 2G"),
            (IMAGE + SGX.replace("512M", "big"), "is a power of two, as 512M or 2G"),
            (IMAGE + SGX + 'sealed = [{path = "/s", key = "mine"}]', "key 'mine'; it is"),
            (IMAGE + SNP.replace("vcpus = 2", "vcpus = 0"), "'snp.vcpus' is 0"),
            (IMAGE + '[base]\nimage = "b"\ndigest = "latest"', "'base.digest' is 'latest'"),
        ],
    )
    def test_that_describes_no_image(self, folder, text, problem):
        with pytest.raises(PlanError, match=problem):
            described(folder, text)

    def test_that_is_not_there(self, folder):
        with pytest.raises(PlanError, match="cannot read"):
            Description.read(folder / "absent.toml")

    def test_a_platform_can_be_left_out(self, folder):
        description = described(folder, IMAGE + SGX + SNP)
        assert description.without([Platform.SNP]).snp is None
        assert description.without([Platform.SNP]).sgx is not None
        with pytest.raises(PlanError, match=r"no section \[tdx\] to skip"):
            description.without([Platform.TDX])


class TestMeasurements:
    def test_say_why_they_cannot_be_computed(self, folder):
        made = build(described(folder, IMAGE + SGX))
        assert made.release is None
        why = {m.platform: m.source for m in made.measurements if m.value is None}
        assert set(why) == set(Platform)
        assert "gramine-sgx-sign" in why[Platform.SGX]
        assert "nitro-cli" in why[Platform.NITRO]

    def test_of_other_tools_are_taken(self, folder):
        given = {(Platform.SGX, "mrenclave"): b"e" * 32, (Platform.SGX, "isv_svn"): b"\0\1"}
        made = build(described(folder, IMAGE + SGX), given)
        assert made.release is not None
        release = made.release.release
        assert release.workload == made.manifest.hash
        assert release.measurements == {Platform.SGX: {"mrenclave": b"e" * 32, "isv_svn": b"\0\1"}}

    def test_that_are_incomplete_make_no_release(self, folder):
        assert build(described(folder), {(Platform.TDX, "mrtd"): bytes(48)}).release is None

    def test_that_contradict_what_is_computed_are_refused(self, folder):
        boot(folder / "boot")
        given = {(Platform.SNP, "measurement"): bytes(48)}
        with pytest.raises(DataError, match="one of the two is of another image"):
            build(described(folder, IMAGE + SNP), given)

    def test_boot_files_that_are_not_there(self, folder):
        with pytest.raises(DataError, match="leave the platform out with --skip snp"):
            build(described(folder, IMAGE + SNP))

    def test_a_release_of_before_does_not_stay(self, folder):
        out = folder / "out"
        build(described(folder), {(Platform.SGX, "mrenclave"): b"e" * 32}).write(out)
        assert (out / "release.json").exists()
        build(described(folder)).write(out)
        assert not (out / "release.json").exists()


def copy_of_the_project(folder: Path, *, umask: int, reverse: bool) -> Path:
    """The parts of this repository that its image is made of, copied in another order."""
    old = os.umask(umask)
    try:
        files = sorted(
            p
            for part in ("src/confide", "images/aggregator")
            for p in (ROOT / part).rglob("*")
            if p.is_file() and "__pycache__" not in p.parts and "boot" not in p.parts
        )
        files.append(ROOT / "constraints.txt")
        for path in reversed(files) if reverse else files:
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            if os.access(path, os.X_OK):
                target.chmod(0o700 if reverse else 0o755)
        boot(folder / "images" / "aggregator" / "boot")
    finally:
        os.umask(old)
    return folder / "images" / "aggregator" / "image.toml"


def test_the_projects_image_is_built_twice_with_equal_bytes(tmp_path):
    """In other folders, in another order, at other times and with another umask."""
    first = copy_of_the_project(tmp_path / "here", umask=0o022, reverse=False)
    second = copy_of_the_project(tmp_path / "elsewhere" / "deep", umask=0o077, reverse=True)
    shutil.copytree(ROOT / "docs", first.parents[2] / "src" / "docs")  # beside what is built
    outputs = []
    for path in (first, second):
        made = build(Description.read(path))
        made.write(path.parent / "out")
        outputs.append({f.name: f.read_bytes() for f in (path.parent / "out").iterdir()})
    assert outputs[0] == outputs[1]
    assert set(outputs[0]) == {
        "manifest.json",
        "confide-aggregator.manifest.template",
        "release.json",
    }
    paths = [f.path for f in Manifest.from_json(outputs[0]["manifest.json"].decode()).files]
    assert "/app/confide/aggregation/enclave/aggregator.py" in paths
    assert not any(path.endswith(".pyc") for path in paths)


class TestDifferences:
    def test_are_none_between_equals(self, folder):
        manifest = Manifest.of(described(folder))
        assert differences(manifest, manifest) == []

    def test_are_named(self, folder):
        old = Manifest.of(described(folder, IMAGE + SGX))
        (folder / "tree" / "inner" / "data").write_bytes(b"other")
        (folder / "tree" / "more").write_bytes(b"")
        (folder / "tree" / "run").chmod(0o644)
        text = IMAGE.replace('"1"', '"2"') + SGX.replace("= 4", "= 8")
        new = Manifest.of(described(folder, text))
        found = differences(old, new, {"snp.measurement": "00"}, {"sgx.mrenclave": "11"})
        assert [(d.what, d.kind, d.name) for d in found] == [
            ("option", "changed", "sgx.max_threads"),
            ("option", "changed", "version"),
            ("measurement", "added", "sgx.mrenclave"),
            ("measurement", "removed", "snp.measurement"),
            ("file", "changed", "/app/inner/data"),
            ("file", "added", "/app/more"),
            ("file", "changed", "/app/run"),
        ]


def test_what_this_projects_image_runs_is_no_usage_error():
    folder = ROOT / "images" / "aggregator"
    described = tomllib.loads((folder / "image.toml").read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, folder / "aggregator", *described["arguments"]],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == __version__
