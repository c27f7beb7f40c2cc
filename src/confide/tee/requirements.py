"""What a policy may require of the numbers in evidence: minimum values, and bits.

A measurement is right or wrong. A larger version number is also acceptable, and in a field of bits
only some matter: pinning the whole field would refuse a machine that is stronger than asked for.

Sources of the bits: AMD, *SEV Secure Nested Paging Firmware ABI Specification* (56860), tables
"Guest Policy" and "PLATFORM_INFO field"; Intel, *TDX Module Base Architecture*, table
"ATTRIBUTES"; Intel, *Software Developer's Manual*, volume 3D, §34.7.1 (SGX ATTRIBUTES).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from confide.errors import AttestationError, PlanError, Step
from confide.tee.attestation import Platform

__all__ = [
    "FIELDS",
    "VERSIONS",
    "Field",
    "Requirement",
    "mask_of",
    "named_bits",
    "version_number",
    "version_text",
]

VERSIONS: Final = frozenset({"guest_abi", "module_svn"})
"""Fields that are versions of two parts, written 'major.minor'."""

_LARGEST_BIT: Final = 127
_LARGEST_PART: Final = 255


@dataclass(frozen=True)
class Field:
    """A number that evidence of a platform states.

    Attributes:
        step: The step of the verification at which it is looked at.
        bits: Names of its bits and their places, if it is a field of bits; else it has a least
            value.
    """

    step: Step
    bits: Mapping[str, int] = field(default_factory=dict)


_GUEST_POLICY: Final = {
    "smt": 16,
    "migrate_ma": 18,
    "debug": 19,
    "single_socket": 20,
    "cxl_allow": 21,
    "mem_aes_256_xts": 22,
    "rapl_dis": 23,
    "ciphertext_hiding": 24,
    "page_swap_disable": 25,
}
_PLATFORM_INFO: Final = {
    "smt_en": 0,
    "tsme_en": 1,
    "ecc_en": 2,
    "rapl_dis": 3,
    "ciphertext_hiding_dram_en": 4,
    "alias_check_complete": 5,
    "tio_en": 7,
}
_TD_ATTRIBUTES: Final = {
    "sept_ve_disable": 28,
    "migratable": 29,
    "pks": 30,
    "kl": 31,
    "perfmon": 63,
}
_SGX_ATTRIBUTES: Final = {
    "init": 0,
    "debug": 1,
    "mode64bit": 2,
    "provision_key": 4,
    "einittoken_key": 5,
    "cet": 6,
    "kss": 7,
    "aex_notify": 10,
}

FIELDS: Final[Mapping[Platform, Mapping[str, Field]]] = {
    Platform.SNP: {
        "guest_svn": Field(Step.MEASUREMENT),
        "guest_abi": Field(Step.DEBUG),
        "guest_policy": Field(Step.DEBUG, _GUEST_POLICY),
        "platform_info": Field(Step.TCB, _PLATFORM_INFO),
    },
    Platform.TDX: {
        "module_svn": Field(Step.TCB),
        "attributes": Field(Step.DEBUG, _TD_ATTRIBUTES),
        "xfam": Field(Step.DEBUG, {"x87": 0, "sse": 1, "avx": 2}),
    },
    Platform.SGX: {
        "isv_svn": Field(Step.MEASUREMENT),
        "attributes": Field(Step.DEBUG, _SGX_ATTRIBUTES),
    },
    Platform.NITRO: {},
}
"""By platform, the numbers in its evidence that a policy may ask something of."""


@dataclass(frozen=True)
class Requirement:
    """The requirement on one number.

    Attributes:
        platform: Whose evidence states it.
        name: The field: see `FIELDS`.
        least: Its least value; None for a field of bits.
        set: A mask of the bits that must be 1.
        clear: A mask of the bits that must be 0.

    Raises:
        PlanError: If the field is not known, or nothing or a contradiction is asked of it.
    """

    platform: Platform
    name: str
    least: int | None = None
    set: int = 0
    clear: int = 0

    def __post_init__(self) -> None:
        where = f"{self.platform.value}.{self.name}"
        known = FIELDS[self.platform]
        if self.name not in known:
            raise PlanError(
                f"{where} is not a field that a policy may name; known are "
                f"{', '.join(known) or 'none'} of {self.platform.value}"
            )
        if bool(known[self.name].bits) == (self.least is not None):
            form = "{ set = […], clear = […] }" if known[self.name].bits else "a least number"
            raise PlanError(f"{where} takes {form}")
        if self.least is not None and not 0 <= self.least < 1 << 64:
            raise PlanError(f"{where} is {self.least}; it is a number from 0 to 2^64 - 1")
        if both := named_bits(self.set & self.clear, known[self.name].bits):
            raise PlanError(f"{where}: {', '.join(both)} cannot be set and clear at once")

    @property
    def step(self) -> Step:
        """The step of the verification at which it is looked at."""
        return FIELDS[self.platform][self.name].step

    def check(self, numbers: Mapping[str, int]) -> None:
        """Checks a number of verified evidence.

        Args:
            numbers: All that the evidence states, by field.

        Raises:
            AttestationError: If it is missing, too small, or has a bit otherwise than asked.
        """
        value = numbers.get(self.name)
        if value is None:
            raise self._error("is not stated by the evidence")
        if self.least is not None and value < self.least:
            raise self._error(f"is {self._text(value)}; the policy asks for {self._text()} or more")
        bits = FIELDS[self.platform][self.name].bits
        if missing := named_bits(self.set & ~value, bits):
            raise self._error(f"lacks {', '.join(missing)}, which the policy asks for")
        if odd := named_bits(self.clear & value, bits):
            raise self._error(f"has {', '.join(odd)}, which the policy refuses")

    def _text(self, value: int | None = None) -> str:
        number = self.least if value is None else value
        assert number is not None  # noqa: S101 - only least values are put in words
        return version_text(number) if self.name in VERSIONS else str(number)

    def _error(self, problem: str) -> AttestationError:
        return AttestationError(self.step, f"{self.platform.value}.{self.name} {problem}")


def named_bits(mask: int, bits: Mapping[str, int]) -> list[str]:
    """The names of the bits in a mask; 'bit 9' of one that has none."""
    names = {place: name for name, place in bits.items()}
    return [names.get(k, f"bit {k}") for k in range(mask.bit_length()) if mask >> k & 1]


def mask_of(given: Iterable[str | int], bits: Mapping[str, int], where: str) -> int:
    """A mask of bits that are given by name, or by place.

    Raises:
        PlanError: If a name is not known, or a place is not one.
    """
    mask = 0
    for item in given:
        place = bits.get(item) if isinstance(item, str) else item
        if place is None or not 0 <= place <= _LARGEST_BIT:
            raise PlanError(f"{where}: unknown bit {item!r}; known are {', '.join(bits)}, 0 to 127")
        mask |= 1 << place
    return mask


def version_number(text: str, where: str) -> int:
    """A version 'major.minor' as a number that grows with it.

    Raises:
        PlanError: If it is not such a version.
    """
    parts = text.split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise PlanError(f"{where} is {text[:20]!r}; it is a version such as '1.55'")
    major, minor = map(int, parts)
    if max(major, minor) > _LARGEST_PART:
        raise PlanError(f"{where} is {text!r}; each part is at most {_LARGEST_PART}")
    return major << 8 | minor


def version_text(number: int) -> str:
    """The same in words: 0x0137 is '1.55'."""
    return f"{number >> 8}.{number & 0xFF}"
