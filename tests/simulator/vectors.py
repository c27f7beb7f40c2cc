"""Real evidence: `tests/tee/vectors`, whose MANIFEST says where it is from."""

import warnings
from pathlib import Path

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

FOLDER = Path(__file__).parents[1] / "tee" / "vectors"


def vector(name):
    return (FOLDER / name).read_bytes()


def amd_chip_certificate():
    der = vector("snp_milan_v2.vcek.der")
    with warnings.catch_warnings():
        # AMD numbers the certificates of its chips 0, which RFC 5280 does not allow.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def pem_chain(data):
    """The certificates in a quote, or in any bytes that hold PEM."""
    start = data.index(b"-----BEGIN CERTIFICATE")
    end = data.rindex(b"-----END CERTIFICATE-----") + len(b"-----END CERTIFICATE-----")
    return x509.load_pem_x509_certificates(data[start:end])
