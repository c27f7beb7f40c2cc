"""Evidence by Nitro's security module: the messages, and the one ioctl that carries them."""

import ctypes
import struct

import cbor2
import pytest
from tests.tee.support import NOW, SimulatedAttester, relying_party
from tests.tee.test_workload import EXPECTED, NONCE, workload

from confide.errors import AttestationError, Step
from confide.tee import Platform
from confide.tee.providers import NitroNsm, nitro_nsm
from confide.tee.workload import Quoted

DATA, KEY = bytes(range(64)), b"k" * 32


def attest(call, **fields):
    return NitroNsm(call=call, **fields).attest(DATA, NONCE, KEY)


def answering(answer):
    return lambda _device, _request: answer


def refused(call, reason, **fields):
    with pytest.raises(AttestationError, match=reason) as raised:
        attest(call, **fields)
    assert raised.value.step is Step.PARSE
    assert "\n" not in str(raised.value)


class TestMessages:
    def test_ask_for_a_document_that_carries_all_three(self):
        asked = []

        def call(device, request):
            asked.append((str(device), cbor2.loads(request)))
            return cbor2.dumps({"Attestation": {"document": b"signed"}})

        assert attest(call) == Quoted(b"signed")
        fields = {"user_data": DATA, "nonce": NONCE, "public_key": KEY}
        assert asked == [("/dev/nsm", {"Attestation": fields})]

    @pytest.mark.parametrize(
        "answer",
        [
            {"Error": "InvalidArgument"},
            {"Attestation": {}},
            {"Attestation": {"document": "text"}},
            {"Attestation": {"document": None}},
            {"Attestation": b"signed"},
            {"GetRandom": {"random": b"x"}},
            "Attestation",
            7,
            None,
            [],
        ],
        ids=str,
    )
    def test_that_answer_something_else_are_refused(self, answer):
        refused(answering(cbor2.dumps(answer)), "/dev/nsm answers without a document")

    @pytest.mark.parametrize("answer", [b"", b"\xff", b"\xa1", b"\x5b" + b"\xff" * 8])
    def test_that_are_no_cbor_are_refused(self, answer):
        refused(answering(answer), "no evidence from /dev/nsm: .* It takes a Nitro enclave")

    def test_of_an_error_are_told_in_short(self):
        with pytest.raises(AttestationError) as raised:
            attest(answering(cbor2.dumps({"Error": "x" * 10_000})))
        assert "{'Error': 'xxx" in str(raised.value)
        assert len(str(raised.value)) < 150

    def test_to_no_device_say_so(self, tmp_path):
        refused(nitro_nsm._call, "No such file.* It takes a Nitro enclave", device=tmp_path / "nsm")

    def test_to_what_is_no_device_say_so(self, tmp_path):
        """A real ioctl, which a file does not know."""
        (tmp_path / "nsm").touch()
        refused(nitro_nsm._call, "Inappropriate ioctl", device=tmp_path / "nsm")

    def test_show_no_call(self):
        assert repr(NitroNsm()) == "NitroNsm(device=PosixPath('/dev/nsm'))"


class Kernel:
    """The driver's side of the ioctl, which sees 32 bytes and the memory that they point to.

    Linux, `include/uapi/linux/nsm.h`: struct nsm_raw of two struct nsm_iovec, each an address and
    a length of 64 bits.
    """

    LAYOUT = struct.Struct("<QQQQ")

    def __init__(self, answer):
        self.answer, self.seen = answer, []

    def ioctl(self, device, number, message):
        raw = bytes(message)
        request, size, response, room = self.LAYOUT.unpack(raw)
        self.seen.append((device.name, number, ctypes.string_at(request, size), room))
        answer = self.answer(ctypes.string_at(request, size))
        ctypes.memmove(response, answer, len(answer))
        memoryview(message).cast("B")[24:32] = len(answer).to_bytes(8, "little")
        return 0


class TestIoctl:
    @pytest.fixture
    def device(self, tmp_path):
        path = tmp_path / "nsm"
        path.touch()
        return path

    def test_is_the_number_of_the_drivers_header(self):
        """Linux, `asm-generic/ioctl.h`: _IOWR(0x0A, 0x0, struct nsm_raw)."""
        read_and_write, kind, number = 3, 0x0A, 0
        expected = read_and_write << 30 | Kernel.LAYOUT.size << 16 | kind << 8 | number
        assert expected == nitro_nsm._IOCTL
        assert ctypes.sizeof(nitro_nsm._Message) == Kernel.LAYOUT.size

    @pytest.mark.parametrize("size", [0, 1, 500, 0x3000])
    def test_carries_a_request_and_as_much_as_was_answered(self, device, monkeypatch, size):
        kernel = Kernel(lambda request: (request * size)[:size])
        monkeypatch.setattr(nitro_nsm, "ioctl", kernel.ioctl)
        request = b"a request of some bytes"
        assert nitro_nsm._call(device, request) == (request * size)[:size]
        assert kernel.seen == [(str(device), 0xC0200A00, request, 0x3000)]

    def test_brings_a_document_that_is_believed(self, device, monkeypatch):
        """The whole way: the device, the workload, what travels, and the party that verifies."""

        def hypervisor(request):
            fields = cbor2.loads(request)["Attestation"]
            quoted = SimulatedAttester(Platform.NITRO).attest(
                fields["user_data"], fields["nonce"], fields["public_key"]
            )
            return cbor2.dumps({"Attestation": {"document": quoted.document}})

        kernel = Kernel(hypervisor)
        monkeypatch.setattr(nitro_nsm, "ioctl", kernel.ioctl)
        answer = workload(NitroNsm(device)).answer(NONCE, NOW)
        peer = relying_party(Platform.NITRO).verify(answer.to_bytes(), EXPECTED)
        assert peer.claims == answer.claims
        assert len(kernel.seen) == 1
