"""Signed XML, only in the form of NVIDIA's manifests.

W3C, *XML Signature Syntax and Processing* 1.1 and *Canonical XML* 1.1. There is one signature, the
root's last child, over the whole document without it. The caller's content is parsed from exactly
the bytes whose hash is signed, so that nothing else in the file can be mistaken for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from xml.parsers import expat

from confide.errors import AttestationError, Step

__all__ = ["DSIG", "Element", "Signed", "read"]

_MAX_BYTES: Final = 128 << 10
_DEEPEST: Final = 16
DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_C14N: Final = "http://www.w3.org/2006/12/xml-c14n11"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_SIGNATURE: Final = (DSIG, "Signature")
_CERTIFICATES: Final = range(1, 9)


@dataclass
class Element:
    """An element as it is written.

    Attributes:
        written: Its name with its prefix.
        attributes: By their written names, without namespaces.
        spaces: The namespaces in scope, by prefix.
        children: Elements and texts, in order.
    """

    written: str
    attributes: dict[str, str]
    spaces: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def name(self) -> tuple[str, str]:
        """Its namespace and its local name."""
        return self.resolved(self.written, self.spaces.get("", ""))

    @property
    def named(self) -> dict[tuple[str, str], str]:
        """The attributes by namespace and local name."""
        return {self.resolved(name, ""): value for name, value in self.attributes.items()}

    @property
    def elements(self) -> list[Element]:
        """The children that are not texts."""
        return [child for child in self.children if isinstance(child, Element)]

    @property
    def text(self) -> str:
        """Its text, where it has no elements."""
        return "".join(child for child in self.children if isinstance(child, str))

    def resolved(self, written: str, default: str) -> tuple[str, str]:
        """A name's namespace and local name.

        Raises:
            AttestationError: If its prefix is not declared.
        """
        prefix, colon, local = written.rpartition(":")
        if colon and prefix not in self.spaces:
            _refuse(f"has the prefix {prefix[:20]!r}, which is not declared")
        return (self.spaces[prefix] if colon else default), local

    def all(self) -> Iterator[Element]:
        """It and all below it."""
        yield self
        for child in self.elements:
            yield from child.all()


@dataclass(frozen=True)
class Signed:
    """A document whose digest holds; of the signature itself, a caller verifies the key.

    Attributes:
        root: Of the bytes that are signed, without the signature.
        statement: The bytes that the key signed.
        signature: r and s, each half of it, the most significant byte first.
        certificates: In DER, of the key and upwards.
    """

    root: Element
    statement: bytes
    signature: bytes
    certificates: tuple[bytes, ...]


def read(document: bytes) -> Signed:
    """Reads a signed document and compares the digest in its signature.

    Raises:
        AttestationError: At the step `parse` if it is not of the one form, at `root` if it was
            changed after it was signed.
    """
    whole = _parse(document)
    signatures = [element for element in whole.all() if element.name == _SIGNATURE]
    if len(signatures) != 1 or not whole.elements or whole.elements[-1] is not signatures[0]:
        _refuse("has not exactly one signature, as the last element below its root")
    (signature,) = signatures
    content = _canonical(whole, {}, without=signature)
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    info, value, certificates = _parts(signature)
    if _shape(info) != _expected(digest):
        if _shape(info) == _expected(_stated(info)):
            raise AttestationError(Step.ROOT, "the manifest was changed after it was signed")
        _refuse("is signed by another procedure than NVIDIA's: C14N 1.1, SHA-384, ECDSA")
    return Signed(_parse(content), _canonical(info, {}), value, certificates)


def _parts(signature: Element) -> tuple[Element, bytes, tuple[bytes, ...]]:
    """What is signed, the signature's value and the certificates; a signature has just these."""
    names = [element.name for element in signature.elements]
    if names != [(DSIG, "SignedInfo"), (DSIG, "SignatureValue"), (DSIG, "KeyInfo")]:
        _refuse("has a signature of other parts than SignedInfo, SignatureValue and KeyInfo")
    info, value, key = signature.elements
    data = key.elements
    if [e.name for e in data] != [(DSIG, "X509Data")] or value.elements:
        _refuse("does not name its key by X.509 certificates")
    certificates = data[0].elements
    if len(certificates) not in _CERTIFICATES or any(
        e.name != (DSIG, "X509Certificate") or e.elements for e in certificates
    ):
        _refuse("does not have 1 to 8 certificates in its signature")
    return info, _base64(value.text), tuple(_base64(e.text) for e in certificates)


def _stated(info: Element) -> str:
    return next((e.text for e in info.all() if e.name == (DSIG, "DigestValue")), "")


def _shape(element: Element) -> list[Any]:
    """Names, attributes, texts: all content of an element, except prefixes."""
    inner = [c if isinstance(c, str) else _shape(c) for c in element.children]
    return [element.name, element.named, inner]


def _expected(digest: str) -> list[Any]:
    def part(name: str, algorithm: str) -> list[Any]:
        return [(DSIG, name), {("", "Algorithm"): algorithm}, []]

    transforms = [
        part("Transform", DSIG + "enveloped-signature"),
        part("Transform", _C14N),
    ]
    reference = [
        [(DSIG, "Transforms"), {}, transforms],
        part("DigestMethod", _MORE + "sha384"),
        [(DSIG, "DigestValue"), {}, [digest]],
    ]
    inner = [
        part("CanonicalizationMethod", _C14N),
        part("SignatureMethod", _MORE + "ecdsa-sha384"),
        [(DSIG, "Reference"), {("", "URI"): ""}, reference],
    ]
    return [(DSIG, "SignedInfo"), {}, inner]


def _parse(document: bytes) -> Element:
    if len(document) > _MAX_BYTES:
        _refuse(f"has {len(document):,} bytes; at most {_MAX_BYTES:,} are read")
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.ordered_attributes = True
    top = Element("", {}, {"xml": "http://www.w3.org/XML/1998/namespace"})
    path = [top]

    def start(name: str, pairs: list[str]) -> None:
        if len(path) > _DEEPEST:
            _refuse(f"has elements more than {_DEEPEST} deep")
        element = _element(name, dict(zip(pairs[::2], pairs[1::2], strict=True)), path[-1])
        path[-1].children.append(element)
        path.append(element)

    def end(_: str) -> None:
        path.pop()

    def text(characters: str) -> None:
        path[-1].children.append(characters)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = lambda *_: _refuse("declares a document type")
    parser.ProcessingInstructionHandler = lambda *_: _refuse("has a processing instruction")
    parser.CommentHandler = lambda *_: _refuse("has a comment, which no signature covers")
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError) as error:
        raise AttestationError(Step.PARSE, "the manifest is not XML") from error
    return top.elements[0]


def _element(name: str, written: Mapping[str, str], parent: Element) -> Element:
    declared = {k: v for k, v in written.items() if k == "xmlns" or k.startswith("xmlns:")}
    spaces = parent.spaces | {k.partition(":")[2]: v for k, v in declared.items()}
    element = Element(name, {k: v for k, v in written.items() if k not in declared}, spaces)
    if odd := [key for key in element.attributes if key.startswith("xml:")]:
        _refuse(f"has the attribute {odd[0][:20]!r}, which canonical forms disagree about")
    if len(element.named) != len(element.attributes):
        _refuse("has an attribute twice, under two prefixes")
    return element


def _canonical(
    element: Element, above: Mapping[str, str], *, without: Element | None = None
) -> bytes:
    """Canonical XML 1.1, §2.3, inclusive and without comments, of an element and what is below."""
    return "".join(_written(element, {"xml": element.spaces["xml"], **above}, without)).encode()


def _written(element: Element, above: Mapping[str, str], without: Element | None) -> Iterator[str]:
    yield f"<{element.written}"
    for prefix, space in sorted(element.spaces.items()):
        if above.get(prefix, "") != space:
            yield f' xmlns{":" if prefix else ""}{prefix}="{_escaped(space)}"'
    key = {name: element.resolved(name, "") for name in element.attributes}
    for name in sorted(element.attributes, key=key.__getitem__):
        yield f' {name}="{_escaped(element.attributes[name])}"'
    yield ">"
    for child in element.children:
        if isinstance(child, str):
            text = child.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            yield text.replace("\r", "&#xD;")
        elif child is not without:
            yield from _written(child, element.spaces, without)
    yield f"</{element.written}>"


def _escaped(value: str) -> str:
    for character, reference in {
        "&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;",
    }.items():  # fmt: skip
        value = value.replace(character, reference)
    return value


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise AttestationError(Step.PARSE, "the manifest has malformed base64") from error


def _refuse(problem: str) -> NoReturn:
    raise AttestationError(Step.PARSE, f"the manifest {problem}")
