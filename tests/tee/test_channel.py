"""Messages to an attested peer: they open there, as what they are, whole, or not at all."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from tests.tee.support import BUILD, NOW, SimulatedAttester, relying_party

from confide import canonical
from confide.errors import AttestationError, ProtocolError, Step, VerificationError
from confide.randomness import InsecureReplayableRandom, SystemRandom
from confide.tee import AttestedPeer, Evidence, Expected
from confide.tee.channel import CHUNK_BYTES, framed, open_sealed, seal, sealed_bytes
from confide.tee.workload import Workload, WorkloadKeys

HEADER = b"round 1, p000"
STEP = CHUNK_BYTES + 16
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 5]


@cache
def attested(copy=0):
    """A peer that was verified, and the private half of its key; other copies have others."""
    keys = WorkloadKeys.generate(InsecureReplayableRandom(bytes([copy])))
    workload = Workload(
        SimulatedAttester(), keys, "aggregate", BUILD, bytes(32), "test", bytes(32), 0,
        timedelta(hours=1),
    )  # fmt: skip
    nonce = bytes([copy]) * 32
    evidence = workload.answer(nonce, NOW).to_bytes()
    expected = Expected(nonce, "aggregate", bytes(32), "test")
    return relying_party().verify(evidence, expected), keys.hpke


def sealed_of(payload, header=HEADER, copy=0):
    return seal(attested(copy)[0], header, payload, at=NOW, random=SystemRandom())


def opened(sealed, header=HEADER, copy=0, max_bytes=8 * CHUNK_BYTES):
    peer, key = attested(copy)
    return open_sealed(key, peer.claims, header, sealed, max_bytes)


def parts_of(sealed):
    end = 2 + int.from_bytes(sealed[:2], "big")
    return {**canonical.decode(sealed[2:end], 1 << 30), "chunks": sealed[end:]}


def framed_of(front, chunks=b""):
    """A message whose front is this value, whatever it is."""
    encoded = canonical.encode(front)
    return len(encoded).to_bytes(2, "big") + encoded + chunks


def altered(sealed, **parts):
    front = {**parts_of(sealed), **parts}
    return framed_of(front, front.pop("chunks"))


def chunks_of(sealed):
    data = parts_of(sealed)["chunks"]
    return [data[start : start + STEP] for start in range(0, len(data), STEP)]


@cache
def of_four_chunks():
    return sealed_of(payload_of(3 * CHUNK_BYTES + 5))


def payload_of(size):
    return InsecureReplayableRandom(b"payload").bytes(size)


def refused(sealed, reason="does not open", error=VerificationError, **arguments):
    with pytest.raises(error, match=reason):
        opened(sealed, **arguments)


class TestSizes:
    @pytest.mark.parametrize("size", SIZES)
    def test_open_as_they_were(self, size):
        payload = payload_of(size)
        sealed = sealed_of(payload)
        assert opened(sealed) == payload
        assert opened(sealed, max_bytes=size) == payload
        assert len(sealed) <= sealed_bytes(size, len(HEADER))

    @pytest.mark.parametrize("size", SIZES)
    def test_are_told_before(self, size):
        """What a quote of traffic counts is what travels."""
        assert len(sealed_of(payload_of(size))) == len(framed(HEADER, chunks=size))

    @pytest.mark.parametrize("size", SIZES[1:])
    def test_have_a_limit_to_the_byte(self, size):
        sealed = sealed_of(payload_of(size))
        with pytest.raises(ProtocolError):
            opened(sealed, max_bytes=size - 1)

    def test_above_the_limit_are_not_even_decrypted(self):
        refused(sealed_of(bytes(11)), "of more than 10 bytes", ProtocolError, max_bytes=10)
        large = framed(HEADER, bytes(80), bytes(1 << 20))
        refused(large, "of more than 10 bytes", ProtocolError, max_bytes=10)
        refused(framed(bytes(1 << 10)), "at most", ProtocolError)

    @given(st.binary(max_size=300), st.binary(max_size=60))
    def test_and_headers_of_all_kinds_open(self, payload, header):
        sealed = sealed_of(payload, header)
        assert opened(sealed, header, max_bytes=len(payload)) == payload
        assert len(sealed) <= sealed_bytes(len(payload), len(header))


class TestChunks:
    @pytest.fixture
    def sealed(self):
        return of_four_chunks()

    @pytest.mark.parametrize(
        "order",
        [
            [1, 0, 2, 3],
            [0, 2, 1, 3],
            [3, 2, 1, 0],
            [0, 1, 3],
            [1, 2, 3],
            [0, 1, 2],
            [0],
            [3],
            [0, 1, 2, 2, 3],
            [0, 1, 2, 3, 3],
            [0, 1, 2, 3, 0],
            [0, 0, 2, 3],
            [],
        ],
        ids=str,
    )
    def test_open_in_their_order_and_all_together_only(self, sealed, order):
        chunks = chunks_of(sealed)
        assert len(chunks) == 4
        refused(altered(sealed, chunks=b"".join(chunks[k] for k in order)))

    @pytest.mark.parametrize("cut", [1, 15, 16, 20, 21, 22, STEP, STEP + 21, 4 * STEP])
    def test_that_are_cut_off_do_not_open(self, sealed, cut):
        refused(altered(sealed, chunks=parts_of(sealed)["chunks"][:-cut]))

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("more", [1, 15, 16, 17, STEP])
    def test_with_bytes_after_them_do_not_open(self, size, more):
        """Sixteen bytes after a full chunk look like an empty one, which nobody would decrypt."""
        sealed = sealed_of(payload_of(size))
        longer = parts_of(sealed)["chunks"] + bytes(more)
        refused(altered(sealed, chunks=longer))

    def test_of_a_full_last_one_do_not_open_with_an_empty_one_behind(self):
        """What a sender that counts otherwise would write: one way of writing each payload."""
        peer, key = attested()
        bound = hashlib.sha256(peer.claims.to_bytes() + HEADER).digest()
        data_key, payload = bytes(32), payload_of(CHUNK_BYTES)
        cipher = AESGCM(data_key)
        full = cipher.encrypt(bytes(12), payload, bound)
        empty = cipher.encrypt((1).to_bytes(11, "big") + b"\1", b"", bound)
        wrapped = wrap(key.public_key(), secrets.token_bytes(32), bound, data_key)
        refused(framed(HEADER, wrapped, full + empty))

    def test_of_another_message_do_not_fit_in(self, sealed):
        other = chunks_of(sealed_of(payload_of(3 * CHUNK_BYTES + 5)))
        mixed = [*chunks_of(sealed)[:3], other[3]]
        refused(altered(sealed, chunks=b"".join(mixed)))

    @given(st.binary(min_size=1, max_size=100), st.data())
    def test_with_one_bit_changed_do_not_open(self, payload, data):
        """The last bit of a point, too: X25519 ignores it, and HPKE's key schedule does not."""
        sealed = sealed_of(payload)
        part = data.draw(st.sampled_from(["chunks", "key"]))
        found = bytearray(parts_of(sealed)[part])
        place = data.draw(st.integers(0, 8 * len(found) - 1))
        found[place // 8] ^= 1 << place % 8
        refused(altered(sealed, **{part: bytes(found)}))


class TestBinding:
    def test_of_another_header_is_refused(self):
        refused(sealed_of(b"x", b"round 2"), "of another step, round or party", ProtocolError)

    def test_under_another_header_does_not_open(self):
        sealed = altered(sealed_of(b"x", b"round 2"), header=HEADER)
        refused(sealed)

    def test_to_another_key_does_not_open(self):
        refused(sealed_of(b"x", copy=1))

    @pytest.mark.parametrize(
        "change",
        [
            {"purpose": "another"},
            {"nonce": b"x" * 32},
            {"signing_key": b"x" * 32},
            {"tls_key": b"x" * 32},
            {"workload": b"x" * 32},
            {"plan": b"x" * 32},
            {"task": "another"},
            {"instance": b"x" * 32},
            {"epoch": 1},
            {"expires": 1},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_to_other_claims_of_the_same_key_does_not_open(self, change):
        peer, key = attested()
        other = replace(peer.claims, **change)
        with pytest.raises(VerificationError, match="encrypted to other claims"):
            open_sealed(key, other, HEADER, sealed_of(b"x"), 10)

    def test_has_a_fresh_key_each_time(self):
        first, second = parts_of(sealed_of(b"same")), parts_of(sealed_of(b"same"))
        assert first["key"][:32] != second["key"][:32]
        assert first["key"][32:] != second["key"][32:]
        assert first["chunks"] != second["chunks"]

    def test_hides_what_it_says(self):
        sealed = sealed_of(b"a secret number")
        assert b"secret" not in sealed
        assert HEADER in sealed


class TestForms:
    @pytest.mark.parametrize(
        "message",
        [
            b"",
            b"\0",
            b"\0\0",
            b"\0\5\xa0",
            framed_of({}),
            framed_of([HEADER, bytes(80)]),
            framed_of({"header": HEADER}),
            framed_of({"header": HEADER, "key": "text"}, bytes(16)),
            framed_of({"header": "text", "key": bytes(80)}, bytes(16)),
            framed_of({"header": HEADER, "key": bytes(80), "chunks": bytes(16)}),
        ],
    )
    def test_that_are_none_are_refused(self, message):
        refused(message, "a message", ProtocolError)

    def test_with_something_more_are_refused(self):
        refused(altered(sealed_of(b"x"), more=b""), "not deterministic CBOR", ProtocolError)

    @pytest.mark.parametrize("size", [0, 31, 32, 33, 79, 81])
    def test_with_a_key_of_another_size_do_not_open(self, size):
        refused(altered(sealed_of(b"x"), key=bytes(size)))

    def test_with_a_key_of_no_order_do_not_open(self):
        """RFC 9180, §7.1.4: a point that gives zero with every key."""
        found = parts_of(sealed_of(b"x"))["key"]
        refused(altered(sealed_of(b"x"), key=bytes(32) + found[32:]))


class TestPeer:
    def test_is_sent_to_until_it_expires(self):
        peer, _ = attested()
        assert seal(peer, HEADER, b"x", at=peer.expires, random=SystemRandom())
        later = peer.expires + timedelta(seconds=1)
        with pytest.raises(AttestationError, match="was verified until 2026-11-24 13:00") as raised:
            seal(peer, HEADER, b"x", at=later, random=SystemRandom())
        assert raised.value.step is Step.FRESHNESS

    def test_that_nobody_verified_cannot_be_made(self):
        peer, _ = attested()
        with pytest.raises(TypeError, match="made by verify_peer"):
            AttestedPeer(peer.claims, peer.attestation, NOW, bytes(32), object())
        with pytest.raises(ValueError, match="must be specified"):
            replace(peer, claims=replace(peer.claims, hpke_key=bytes(range(32))))

    def test_that_claims_a_key_for_everybody_is_sent_nothing(self):
        claims = replace(attested()[0].claims, hpke_key=bytes(32))
        quoted = SimulatedAttester().attest(claims.report_data, claims.nonce, claims.hpke_key)
        evidence = Evidence(quoted.document, claims, collateral=quoted.collateral)
        expected = Expected(claims.nonce, "aggregate", bytes(32), "test")
        open_to_all = relying_party().verify(evidence.to_bytes(), expected)
        with pytest.raises(AttestationError, match="which anybody can open") as raised:
            seal(open_to_all, HEADER, b"x", at=NOW, random=SystemRandom())
        assert raised.value.step is Step.CLAIMS


# HPKE after RFC 9180, written from its text and primitives alone.


@dataclass(frozen=True)
class Aead:
    """An AES-GCM of RFC 9180, §7.3: its identifier and the bytes of its key."""

    number: int
    key_bytes: int


AES_128, AES_256 = Aead(1, 16), Aead(2, 32)
KEM_SUITE = b"KEM" + (0x20).to_bytes(2, "big")


def labeled_extract(suite, salt, label, secret):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")


def labeled_expand(suite, key, label, info, size):
    """RFC 5869, §2.3, for at most the 32 bytes of one block."""
    labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labeled + b"\1", "sha256")[:size]


def schedule(shared, info, aead):
    """RFC 9180, §5.1, in base mode: the key and the first nonce."""
    suite = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (0x20, 1, aead.number))
    context = b"\0" + labeled_extract(suite, b"", b"psk_id_hash", b"")
    context += labeled_extract(suite, b"", b"info_hash", info)
    secret = labeled_extract(suite, shared, b"secret", b"")
    key = labeled_expand(suite, secret, b"key", context, aead.key_bytes)
    return key, labeled_expand(suite, secret, b"base_nonce", context, 12)


def shared_secret(exchanged, encapsulated, public):
    """RFC 9180, §4.1."""
    key = labeled_extract(KEM_SUITE, b"", b"eae_prk", exchanged)
    return labeled_expand(KEM_SUITE, key, b"shared_secret", encapsulated + public, 32)


def raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def wrap(public, ephemeral_key, info, message, *, aead=AES_256, aad=b""):
    ephemeral = X25519PrivateKey.from_private_bytes(ephemeral_key)
    encapsulated = raw(ephemeral.public_key())
    shared = shared_secret(ephemeral.exchange(public), encapsulated, raw(public))
    key, nonce = schedule(shared, info, aead)
    return encapsulated + AESGCM(key).encrypt(nonce, message, aad)


def unwrap(private, info, wrapped, *, aead=AES_256, aad=b""):
    exchanged = private.exchange(X25519PublicKey.from_public_bytes(wrapped[:32]))
    shared = shared_secret(exchanged, wrapped[:32], raw(private.public_key()))
    key, nonce = schedule(shared, info, aead)
    return AESGCM(key).decrypt(nonce, wrapped[32:], aad)


class TestHpke:
    def test_of_the_tests_gives_the_published_answer(self):
        """RFC 9180, appendix A.1.1, the first encryption."""
        private = X25519PrivateKey.from_private_bytes(
            bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
        )
        ephemeral = "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"
        info, aad = b"Ode on a Grecian Urn", b"Count-0"
        message = b"Beauty is truth, truth beauty"
        wrapped = wrap(
            private.public_key(), bytes.fromhex(ephemeral), info, message, aead=AES_128, aad=aad
        )
        assert wrapped.hex() == (
            "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"
            "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9"
            "6d8770ac83d07bea87e13c512a"
        )
        assert unwrap(private, info, wrapped, aead=AES_128, aad=aad) == message

    @pytest.mark.parametrize("size", [0, 5, CHUNK_BYTES, 2 * CHUNK_BYTES + 5])
    def test_of_the_tests_opens_what_is_sent(self, size):
        peer, key = attested()
        payload = payload_of(size)
        parts = parts_of(sealed_of(payload))
        bound = hashlib.sha256(peer.claims.to_bytes() + HEADER).digest()
        cipher = AESGCM(unwrap(key, bound, parts["key"]))
        assert read_chunks(cipher, bound, parts["chunks"]) == payload

    @given(st.binary(max_size=50), st.binary(min_size=32, max_size=32), st.binary(max_size=20))
    def test_of_the_tests_is_opened(self, payload, secret, header):
        peer, key = attested()
        bound = hashlib.sha256(peer.claims.to_bytes() + header).digest()
        data_key = hashlib.sha256(secret).digest()
        wrapped = wrap(key.public_key(), secret, bound, data_key)
        chunk = AESGCM(data_key).encrypt(bytes(11) + b"\1", payload, bound)
        assert opened(framed(header, wrapped, chunk), header) == payload

    @pytest.mark.parametrize("bound_to", ["claims", "header", "nothing"])
    def test_binds_claims_and_header(self, bound_to):
        peer, key = attested()
        covered = {"claims": peer.claims.to_bytes(), "header": HEADER, "nothing": b""}[bound_to]
        bound = hashlib.sha256(covered).digest()
        wrapped = wrap(key.public_key(), bytes(32), bound, bytes(32))
        chunk = AESGCM(bytes(32)).encrypt(bytes(11) + b"\1", b"x", bound)
        refused(framed(HEADER, wrapped, chunk))


def read_chunks(cipher, bound, data):
    """STREAM (Hoang et al. 2015, §7): the number of each chunk and whether it is the last."""
    pieces = [data[start : start + STEP] for start in range(0, len(data), STEP)]
    last = len(pieces) - 1
    return b"".join(
        cipher.decrypt(k.to_bytes(11, "big") + bytes([k == last]), piece, bound)
        for k, piece in enumerate(pieces)
    )
