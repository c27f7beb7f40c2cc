"""Getting a vendor's document: by HTTPS, of a bounded size, once more if the vendor is busy."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from confide._version import __version__
from confide.errors import DataError
from confide.tee.collateral import MAX_COLLATERAL_BYTES

__all__ = ["Client", "NotFoundError", "Response", "check_url"]

_BUSY: Final = (429, 500, 502, 503, 504)
_LONGEST_WAIT: Final = 60.0


class NotFoundError(DataError):
    """The vendor has no such document."""


@dataclass(frozen=True)
class Response:
    """What a server answered.

    Attributes:
        body: The document.
        headers: By name in lower case.
    """

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Client:
    """Asks servers of vendors.

    Attributes:
        timeout: Seconds to wait for an answer.
        attempts: How often to ask a server that is busy.
        sleep: Waits between.
    """

    timeout: float = 20.0
    attempts: int = 4
    sleep: Callable[[float], None] = time.sleep

    def get(self, url: str) -> Response:
        """Gets a document.

        Raises:
            NotFoundError: If there is none.
            DataError: If the server cannot be reached or trusted, stays busy, sends too much, or
                sends elsewhere.
        """
        check_url(url)
        for attempt in range(self.attempts):
            try:
                return self._once(url)
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    raise NotFoundError(f"there is nothing at {url} (404)") from error
                if error.code not in _BUSY or attempt == self.attempts - 1:
                    raise DataError(f"{url} answers {error.code} {error.reason}") from error
                self.sleep(_wait(error.headers, attempt))
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                raise DataError(f"cannot fetch {url}: {reason}") from error
        raise AssertionError("the last attempt returns or raises")

    def _once(self, url: str) -> Response:
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context()), _NoRedirects()
        )
        request = urllib.request.Request(url, headers={"User-Agent": f"confide/{__version__}"})  # noqa: S310 - `check_url` knows the schemes
        with opener.open(request, timeout=self.timeout) as answer:
            body = answer.read(MAX_COLLATERAL_BYTES + 1)
            headers = {name.lower(): value for name, value in answer.headers.items()}
        if len(body) > MAX_COLLATERAL_BYTES:
            raise DataError(
                f"{url} sends more than {MAX_COLLATERAL_BYTES:,} bytes, which no collateral has"
            )
        return Response(body, headers)


def check_url(url: str) -> None:
    """Checks that a server can be trusted to be who it is: by HTTPS, or on this machine.

    Raises:
        DataError: If it cannot.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _is_here(host):
        return
    raise DataError(f"{url!r} is not an allowed address: use https://…, or http:// on this machine")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: no vendor uses them."""

    def redirect_request(self, req: urllib.request.Request, *where: Any) -> None:
        raise DataError(
            f"{req.full_url} sends elsewhere, to {str(where[-1])[:200]!r}: not followed"
        )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wait(headers: Message, attempt: int) -> float:
    """Seconds until the next attempt: as the server asks for, within reason, or doubling."""
    asked = headers.get("Retry-After", "")
    seconds = float(asked) if asked.isdigit() else float(2**attempt)
    return min(seconds, _LONGEST_WAIT)
