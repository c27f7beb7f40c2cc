"""Verifiers of AMD's and AWS' evidence that share no code with the simulator.

They go on after a finding, so that a bad case can be shown to be bad in one way.
"""

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

PSS = padding.PSS(padding.MGF1(SHA384()), 48)
AMD = "1.3.6.1.4.1.3704.1."


def snp_findings(emitted, root, at):
    """Everything that is wrong with a report and its collateral, of AMD's 56860 and 57230."""
    report = emitted.evidence
    *chain, listed = emitted.collateral
    leaf, intermediate, last = (x509.load_pem_x509_certificate(pem) for pem in chain)
    revoked = x509.load_pem_x509_crl(listed)
    ark = x509.load_der_x509_certificate(root)
    wrong = {
        "root": last.public_bytes(Encoding.DER) != root,
        "root's signature": not _signed(ark, ark),
        "intermediate's signature": not _signed(intermediate, ark),
        "leaf's signature": not _signed(leaf, intermediate),
        "list's signature": not _holds(
            ark.public_key(), revoked.signature, revoked.tbs_certlist_bytes
        ),
        "list's dates": not revoked.last_update_utc <= at <= revoked.next_update_utc,
        "revoked": any(
            revoked.get_revoked_certificate_by_serial_number(c.serial_number) is not None
            for c in (leaf, intermediate)
        ),
        "leaf's dates": not _lives(leaf, at),
        "authorities' dates": not (_lives(intermediate, at) and _lives(ark, at)),
        "report's signature": not _holds(leaf.public_key(), _amd_signature(report), report[:0x2A0]),
        "debug": bool(report[0x0A] & 1 << 3),
        "migration agent": bool(report[0x0A] & 1 << 2),
        **_amd_extensions(leaf, report),
    }
    return {what for what, is_wrong in wrong.items() if is_wrong}


def nitro_findings(document, root, at):
    """Everything that is wrong with a document, of AWS' specification and RFC 9052."""
    protected, unprotected, payload, signature = cbor2.loads(document)
    fields = cbor2.loads(payload)
    bundle = [x509.load_der_x509_certificate(der) for der in fields["cabundle"]]
    leaf = x509.load_der_x509_certificate(fields["certificate"])
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = (int.from_bytes(part, "big") for part in (signature[:48], signature[48:]))
    pairs = zip([*bundle[1:], leaf], bundle, strict=True)
    *above, last = [_signed(child, parent) for child, parent in pairs]
    wrong = {
        "header": (protected, unprotected) != (b"\xa1\x01\x38\x22", {}),
        "root": fields["cabundle"][0] != root,
        "authorities' signatures": not (all(above) and _signed(bundle[0], bundle[0])),
        "leaf's signature": not last,
        "authorities' dates": not all(_lives(certificate, at) for certificate in bundle),
        "leaf's dates": not _lives(leaf, at),
        "document's signature": not _holds(leaf.public_key(), encode_dss_signature(r, s), signed),
        "debug": not any(any(fields["pcrs"][index]) for index in (0, 1, 2)),
    }
    return {what for what, is_wrong in wrong.items() if is_wrong}


def _amd_signature(report):
    assert not any(report[0x2A0 + 144 :])
    parts = report[0x2A0:][:72], report[0x2A0 + 72 :][:72]
    return encode_dss_signature(*(int.from_bytes(part, "little") for part in parts))


def _amd_extensions(leaf, report):
    values = {
        extension.oid.dotted_string.removeprefix(AMD): extension.value.value
        for extension in leaf.extensions
    }
    product = values["2"][2:].decode().split("-")[0]
    places = {"3.1": 0, "3.2": 1, "3.3": 6, "3.8": 7}
    if product == "Turin":
        places = {"3.9": 0, "3.1": 1, "3.2": 2, "3.3": 3, "3.8": 7}
    (name,) = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    certified = {arc: int.from_bytes(values[arc][2:], "big") for arc in places}
    by_vlek = report[0x48] >> 2 & 7 == 1
    assert ("4" in values, "5" in values) == (not by_vlek, by_vlek)
    assert ("3.9" in values, "3.4" in values) == (product == "Turin", product != "Turin")
    return {
        "levels": certified != {arc: report[0x180 + place] for arc, place in places.items()},
        "chip": not by_vlek and report[0x1A0:0x1E0] != values["4"].ljust(64, b"\0"),
        "signer": name.value != ("SEV-VLEK" if by_vlek else "SEV-VCEK"),
    }


def _signed(child, parent):
    same = child.issuer == parent.subject
    return same and _holds(parent.public_key(), child.signature, child.tbs_certificate_bytes)


def _holds(key, signature, message):
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, PSS, SHA384())
        else:
            key.verify(signature, message, ec.ECDSA(SHA384()))
    except InvalidSignature:
        return False
    return True


def _lives(certificate, at):
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
