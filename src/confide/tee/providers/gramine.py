"""Gramine's interface to SGX: `/dev/attestation`, files that only exist inside an enclave.

Gramine, *Attestation and Secret Provisioning*, "Low-level /dev/attestation interface".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confide.errors import AttestationError, Step
from confide.tee.workload import Quoted

__all__ = ["Gramine"]

_KEY_BYTES: Final = 16
_REPORT_DATA_BYTES: Final = 64


@dataclass(frozen=True)
class Gramine:
    """Evidence of SGX by DCAP, and keys of the enclave to seal with.

    Attributes:
        folder: Where Gramine offers it.
    """

    folder: Path = Path("/dev/attestation")

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        """See `confide.tee.workload.Attester`."""
        del nonce, public_key  # These are in the claims, whose hash the report data are.
        if len(report_data) != _REPORT_DATA_BYTES:
            raise AttestationError(
                Step.REPORT_DATA,
                f"{len(report_data)} bytes for evidence to carry; it carries {_REPORT_DATA_BYTES}",
            )
        try:
            kind = (self.folder / "attestation_type").read_text("ascii").strip()
            if kind != "dcap":
                raise AttestationError(
                    Step.PARSE,
                    f"Gramine's attestation_type is {kind!r}; build the enclave with "
                    "sgx.remote_attestation = 'dcap'",
                )
            (self.folder / "user_report_data").write_bytes(report_data)
            return Quoted((self.folder / "quote").read_bytes())
        except (OSError, ValueError) as error:
            raise AttestationError(
                Step.PARSE, f"no evidence from {self.folder}: {error}. It takes Gramine on SGX"
            ) from error

    def sealing_secret(self, bound_to: str) -> bytes:
        """A key that the processor derives, 16 bytes: the same for the same enclave or signer.

        Args:
            bound_to: 'mrenclave', which no other build has, or 'mrsigner', which later builds of
                the same signer have too.

        Raises:
            AttestationError: If there is none.
        """
        if bound_to not in ("mrenclave", "mrsigner"):
            raise AttestationError(
                Step.PARSE, f"a key bound to {bound_to!r}; it is to 'mrenclave' or 'mrsigner'"
            )
        try:
            key = (self.folder / "keys" / f"_sgx_{bound_to}").read_bytes()
        except OSError as error:
            raise AttestationError(Step.PARSE, f"no sealing key: {error}") from error
        if len(key) != _KEY_BYTES:
            raise AttestationError(Step.PARSE, f"a sealing key of {len(key)} bytes, not 16")
        return key
