"""Gramine's manifests: what is made opens nothing, and what opens an enclave is found."""

import json
import tomllib

import jinja2
import pytest
from confide_operator.image import build, lint
from tests.operator.image.test_build import IMAGE, SGX, described, folder

from confide.errors import PlanError

__all__ = ["folder"]

SEALED = 'sealed = [{path = "/state", key = "_sgx_mrenclave"}]\n'


@pytest.fixture
def text(folder):
    made = build(
        described(folder, 'environment = {A = "quote \\" and \\\\"}\n' + IMAGE + SGX + SEALED)
    )
    assert made.gramine is not None
    return made.gramine


def test_what_is_made_is_clean_toml_once_gramine_fills_it_in(text):
    assert lint(text) == []
    filled = tomllib.loads(text.replace("{{ gramine.libos }}", "/g/libos").replace(
        "{{ gramine.runtimedir() }}", "/g/lib"))  # fmt: skip
    assert filled["libos"]["entrypoint"] == "/app/run"
    assert filled["loader"]["argv"] == ["/app/run"]
    assert filled["loader"]["env"] == {"A": 'quote " and \\'}
    assert filled["sgx"]["debug"] is False
    assert filled["sgx"]["remote_attestation"] == "dcap"
    trusted = {f["uri"]: f["sha256"] for f in filled["sgx"]["trusted_files"] if isinstance(f, dict)}
    assert trusted["file:app/inner/data"] == (
        "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
    )
    sealed = [m for m in filled["fs"]["mounts"] if m.get("type") == "encrypted"]
    assert sealed == [
        {"type": "encrypted", "path": "/state", "uri": "file:state", "key_name": "_sgx_mrenclave"}
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("sgx.debug = false", "sgx.debug = true", "sgx.debug"),
        ("sgx.debug = false\n", "", "sgx.debug"),
        ('remote_attestation = "dcap"', 'remote_attestation = "none"', "sgx.remote_attestation"),
        ('sgx.remote_attestation = "dcap"\n', "", "sgx.remote_attestation"),
        ("sgx.max_threads = 4\n", "", "sgx.max_threads"),
        ('libos.entrypoint = "/app/run"\n', "", "libos.entrypoint"),
        ('loader.argv = ["/app/run"]', "", "loader.argv"),
        ("sgx.isvsvn", "loader.insecure__use_cmdline_argv = true\nsgx.isvsvn",
         "loader.insecure__use_cmdline_argv"),
        ("sgx.isvsvn", "loader.insecure__use_host_env = true\nsgx.isvsvn",
         "loader.insecure__use_host_env"),
        ("sgx.isvsvn", "sys.insecure__allow_eventfd = true\nsgx.isvsvn",
         "sys.insecure__allow_eventfd"),
        ("sgx.isvsvn", "loader.insecure__disable_aslr = true\nsgx.isvsvn",
         "loader.insecure__disable_aslr"),
        ("sgx.isvsvn", 'sgx.file_check_policy = "allow_all_but_log"\nsgx.isvsvn',
         "sgx.file_check_policy"),
        ("sgx.isvsvn", 'sgx.allowed_files = ["file:log"]\nsgx.isvsvn', "sgx.allowed_files"),
        ("sgx.isvsvn", "loader.env.TOKEN = { passthrough = true }\nsgx.isvsvn",
         "loader.env.TOKEN.passthrough"),
        ("sgx.isvsvn", 'loader.argv_src_file = "file:args"\nsgx.isvsvn', "loader.argv_src_file"),
        ("sgx.isvsvn", 'loader.env_src_file = "file:env"\nsgx.isvsvn', "loader.env_src_file"),
        ('sgx.trusted_files = [\n', 'sgx.trusted_files = [\n  "file:app/other",\n',
         "sgx.trusted_files"),
        ("3a6eb0790f39", "3A6EB0790F39", "sgx.trusted_files"),
        ('sgx.trusted_files = [\n', 'sgx.trusted_files = [\n  "file:gramine/other",\n',
         "sgx.trusted_files"),
        ("sgx.isvsvn", "sys.allowed_ioctls = [{ request_code = 1 }]\nsgx.isvsvn",
         "sys.allowed_ioctls"),
        ("fs.mounts = [\n", 'fs.mounts = [\n  { type = "untrusted_shm", path = "/s" },\n',
         "fs.mounts"),
        ("fs.mounts = [\n", 'fs.mounts = [\n  { path = "/d", uri = "dev:/dev/x" },\n', "fs.mounts"),
        ("_sgx_mrenclave", "hosts", "fs.mounts"),
        ("# gramine-manifest", "# {{ '' }} gramine-manifest", "template"),
        ("sgx.isvsvn", 'loader.env.B = "{% if x %}"\nsgx.isvsvn', "template"),
        ("sgx.isvsvn", 'loader.env.B = "{# #}"\nsgx.isvsvn', "template"),
    ],
)  # fmt: skip
def test_what_opens_an_enclave_is_found_where_it_stands(text, old, new, key):
    assert old in text
    changed = text.replace(old, new, 1)
    findings = lint(changed)
    assert [finding.key for finding in findings] == [key]
    (finding,) = findings
    if finding.line:
        changed_lines = set(changed.splitlines()) - set(text.splitlines())
        assert changed.splitlines()[finding.line - 1] in changed_lines


def test_nothing_of_a_description_runs_when_gramine_renders_the_template(folder):
    """gramine-manifest renders with Jinja: an argument must stay an argument."""
    evil = '{{ \'"]\nsgx.allowed_files = ["file:x"]\nx = ["\' }}{% if 1 %}{# #}'
    image = IMAGE.replace('version = "1"', f"version = {json.dumps(evil)}").replace(
        'entrypoint = "/app/run"', f'entrypoint = "/app/run"\narguments = [{json.dumps(evil)}]'
    )
    made = build(described(folder, f"environment = {{ A = {json.dumps(evil)} }}\n{image}{SGX}"))
    assert made.gramine is not None

    class Gramine:
        libos = "/g/libos"

        def runtimedir(self):
            return "/g/lib"

    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    rendered = tomllib.loads(template.from_string(made.gramine).render(gramine=Gramine()))
    assert rendered["loader"]["argv"] == ["/app/run", evil]
    assert rendered["loader"]["env"] == {"A": evil}
    assert "allowed_files" not in rendered["sgx"]


def test_a_manifest_without_trusted_files_runs_nothing(text):
    start = text.index("sgx.trusted_files")
    assert [f.key for f in lint(text[:start])] == ["sgx.trusted_files"]


def test_insecure_options_that_are_off_are_fine(text):
    assert lint(text + "loader.insecure__use_host_env = false\n") == []


@pytest.mark.parametrize("text_", ["no toml", "a = [", "[" * 5000, "x" * 100])
def test_what_is_no_manifest(text_):
    findings = lint(text_)
    assert findings[0].key == "file"
    assert str(findings[0]).startswith("file (missing): no TOML")


def test_a_build_that_would_open_the_enclave_is_refused(folder, monkeypatch):
    monkeypatch.setattr("confide_operator.image.image.render", lambda *_: "sgx.debug = true\n")
    with pytest.raises(PlanError, match="the image's enclave would be open"):
        build(described(folder, IMAGE + SGX))
