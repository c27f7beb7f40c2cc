"""Evidence as text: what people paste is read, and nothing that is evidence is taken for text."""

import base64
import textwrap

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.simulator.vectors import FOLDER, vector

from confide.tee.textual import from_text

DOCUMENTS = sorted(p.name for p in FOLDER.iterdir() if p.suffix in (".bin", ".cose"))


def block(data):
    body = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
    return (
        f"-----BEGIN ATTESTATION REPORT-----\n{body}\n-----END ATTESTATION REPORT-----\n".encode()
    )


FORMS = {
    "hex": lambda data: data.hex().encode(),
    "HEX with a prefix": lambda data: b"0x" + data.hex().upper().encode() + b"\n",
    "hex in lines": lambda data: "\n".join(textwrap.wrap(data.hex(), 80)).encode(),
    "base64": base64.b64encode,
    "base64url": lambda data: base64.urlsafe_b64encode(data).rstrip(b"="),
    "a block": block,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_form_of_real_evidence_is_read(name, form):
    document = vector(name)
    assert from_text(FORMS[form](document)) == document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_evidence_is_not_taken_for_text(name):
    assert from_text(vector(name)) == vector(name)


@given(st.binary(max_size=300))
def test_whatever_is_no_text_stays_as_it_is(data):
    if not data.isascii() or len(data) < 64:
        assert from_text(data) == data


@given(st.binary(min_size=64, max_size=300), st.sampled_from(sorted(FORMS)))
def test_texts_are_read_back(data, form):
    # Zeros in base64 are hexadecimal digits too, and read as such; no evidence is like that.
    assume("base64" not in form or not set(FORMS[form](data)) <= set(b"0123456789abcdefABCDEF"))
    assert from_text(FORMS[form](data)) == data


@pytest.mark.parametrize(
    "text", [b"x" * 64 + b"!", b"ab" * 40 + b"a" + b"\n!", b"-----BEGIN X-----"]
)
def test_what_is_no_such_text_stays_as_it_is(text):
    assert from_text(text) == text
