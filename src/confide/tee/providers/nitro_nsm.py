"""AWS Nitro's interface: `/dev/nsm`, which takes one ioctl with CBOR in and out.

aws-nitro-enclaves-nsm-api, `src/driver` (the ioctl) and `src/api` (the messages).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from typing import Final

import cbor2

from confide.errors import AttestationError, Step
from confide.tee.workload import Quoted

__all__ = ["NitroNsm"]

_RESPONSE_BYTES: Final = 0x3000
_IOCTL: Final = 0xC0200A00
"""_IOWR(0x0A, 0, struct nsm_message): two buffers of an address and a length, 32 bytes."""


class _Message(ctypes.Structure):
    _fields_ = (
        ("request", ctypes.c_void_p),
        ("request_size", ctypes.c_size_t),
        ("response", ctypes.c_void_p),
        ("response_size", ctypes.c_size_t),
    )


def _call(path: Path, request: bytes) -> bytes:
    """Sends one request to the device."""
    sent = ctypes.create_string_buffer(request, len(request))
    received = ctypes.create_string_buffer(_RESPONSE_BYTES)
    message = _Message(
        ctypes.addressof(sent), len(request), ctypes.addressof(received), _RESPONSE_BYTES
    )
    with path.open("r+b", buffering=0) as device:
        ioctl(device, _IOCTL, message)
    return received.raw[: message.response_size]


@dataclass(frozen=True)
class NitroNsm:
    """Evidence of a Nitro enclave.

    Attributes:
        device: The security module.
        call: How a request reaches it.
    """

    device: Path = Path("/dev/nsm")
    call: Callable[[Path, bytes], bytes] = field(default=_call, repr=False)

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        """See `confide.tee.workload.Attester`."""
        fields = {"user_data": report_data, "nonce": nonce, "public_key": public_key}
        try:
            answer = cbor2.loads(self.call(self.device, cbor2.dumps({"Attestation": fields})))
        except (OSError, cbor2.CBORError, ValueError) as error:
            raise AttestationError(
                Step.PARSE, f"no evidence from {self.device}: {error}. It takes a Nitro enclave"
            ) from error
        match answer:
            case {"Attestation": {"document": bytes(document)}}:
                return Quoted(document)
            case _:
                raise AttestationError(
                    Step.PARSE, f"{self.device} answers without a document: {str(answer)[:80]!r}"
                )
