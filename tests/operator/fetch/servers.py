"""Intel's and AMD's services on this machine: what simulated vendors publish, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

from confide_sim import Emitted
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Service:
    """A server: what it has, by path with query, and what it was asked for."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    busy: int = 0
    url: str = ""

    def answer(self, path: str) -> Answer:
        self.asked.append(path)
        if self.busy:
            self.busy -= 1
            return 429, {"Retry-After": "3"}, b"busy"
        return self.answers.get(path, (404, {}, b"nothing here"))


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = service.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pccs(emitted: Emitted, kind: str, family: str, issuer: str = "platform") -> dict[str, Answer]:
    """The answers of a PCCS about one kind of machine."""
    given = json.loads(emitted.collateral[0])

    def chain(key: str) -> str:
        return quote(given[key])

    levels = f'{{"tcbInfo":{given["tcb_info"]},"signature":"{given["tcb_info_signature"]}"}}'
    identity = (
        f'{{"enclaveIdentity": {given["qe_identity"]}, '
        f'"signature": "{given["qe_identity_signature"]}"}}'
    )
    own, sgx = f"/{kind}/certification/v4", "/sgx/certification/v4"
    return {
        f"{own}/tcb?fmspc={family}&update=standard": (
            200,
            {"TCB-Info-Issuer-Chain": chain("tcb_info_issuer_chain")},
            levels.encode(),
        ),
        f"{own}/qe/identity?update=standard": (
            200,
            {"SGX-Enclave-Identity-Issuer-Chain": chain("qe_identity_issuer_chain")},
            identity.encode(),
        ),
        f"{sgx}/pckcrl?ca={issuer}&encoding=der": (
            200,
            {"SGX-PCK-CRL-Issuer-Chain": chain("pck_crl_issuer_chain")},
            bytes.fromhex(given["pck_crl"]),
        ),
        f"{sgx}/rootcacrl": (200, {}, given["root_ca_crl"].encode()),
    }


def kds(emitted: Emitted, query: str, product: str, signer: str = "vcek") -> dict[str, Answer]:
    """The answers of AMD's service about one chip."""
    leaf, issuer, root, revoked = emitted.collateral
    certificate = x509.load_pem_x509_certificate(leaf).public_bytes(Encoding.DER)
    der = x509.load_pem_x509_crl(revoked).public_bytes(Encoding.DER)
    answers: dict[str, Answer] = {
        f"/{signer}/v1/{product}/cert_chain": (200, {}, issuer + root),
        f"/{signer}/v1/{product}/crl": (200, {}, der),
    }
    if query:
        answers[f"/{query}"] = (200, {}, certificate)
    return answers
