"""Connections with a deadline for the whole call, to public addresses alone where required."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[tuple[str, int]]]
Allows = Callable[[Address], bool]
Remaining = Callable[[], float]

_WRITE_PIECE = 16 * 1024
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # the first half of an interface id whose second half is an IPv4 address (RFC 5214)

_NOT_PUBLIC = (
    ipaddress.ip_network("168.63.129.16/32"),  # the platform services of Azure
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments, and the metadata service of Oracle Cloud
    ipaddress.ip_network("192.88.99.0/24"),  # relays of 6to4, deprecated
    ipaddress.ip_network("3fff::/20"),  # documentation (RFC 9637)
    ipaddress.ip_network("5f00::/16"),  # segment routing (RFC 9602)
)
"""Addresses that the standard library counts as global and that serve no website."""


class AddressRejected(Exception):
    """A name leads to an address that may not be connected to."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also where an IPv6 address wraps an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        is_embedded = address in _NAT64 or int(address) >> 32 & 0xFFFFFFFF in _ISATAP
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if is_embedded else None
        if wrapped := embedded or address.ipv4_mapped or address.sixtofour:
            return is_public(wrapped)
        if address.is_site_local:
            return False
    if any(address.version == network.version and address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


class GuardedTransport(httpx.HTTPTransport):
    """An httpx transport that ignores the environment and always verifies TLS.

    A request may carry ``extensions={"remaining": function}``, which returns the seconds left for the whole call: no
    connecting, sending or receiving takes longer, however often a byte comes. One thread makes a call and reads its
    answer. The system's name resolver is not bounded.

    Args:
        allows: which addresses may be connected to; ``None`` allows all. Every address of a name must be allowed, and
            the connection goes to one of the very addresses that were checked.
        tls: by default the certificates of certifi.
        resolve: returns the numeric addresses and ports of a host name and a port.
        proxy: an HTTP proxy that connects to the host with ``CONNECT``, so that TLS is still verified end to end. The
            proxy finds the address itself: only a host that is a number, or a name that this machine can resolve too,
            is checked before.
    """

    def __init__(
        self,
        *,
        allows: Allows | None = None,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        proxy: str = "",
    ) -> None:
        tls = tls or httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=tls, trust_env=False)
        self._deadline = _Deadline()
        direct = _Backend(self._deadline, allows, resolve or _resolve)
        self._checked = direct if proxy else None
        # httpx accepts no network backend of its own, though its pools do.
        options: dict[str, Any] = {
            "ssl_context": tls,
            "max_connections": 50,
            "max_keepalive_connections": 10,
            "keepalive_expiry": 30.0,
            "network_backend": _Backend(self._deadline, None, _resolve) if proxy else direct,
        }
        if proxy:
            given = httpx.Proxy(proxy)
            options |= {"proxy_url": str(given.url), "proxy_auth": given.raw_auth}
            options |= {"proxy_ssl_context": tls} if given.url.scheme == "https" else {}
        self._pool = httpcore.HTTPProxy(**options) if proxy else httpcore.ConnectionPool(**options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request; raises ``AddressRejected`` if its host may not be connected to."""
        self._deadline.remaining = request.extensions.get("remaining")
        if self._checked is not None:
            # What only the proxy can resolve is the proxy's to judge.
            with suppress(httpcore.ConnectError):
                self._checked.addresses(request.url.host, request.url.port or 443)
        return super().handle_request(request)


def _resolve(host: str, port: int) -> list[tuple[str, int]]:
    return [(str(found[4][0]), port) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Deadline(threading.local):
    """The seconds left for the call that this thread makes."""

    remaining: Remaining | None = None

    def clamp(self, timeout: float | None, late: type[Exception]) -> float | None:
        """``timeout``, cut to what is left for the call; raises ``late`` if nothing is."""
        if self.remaining is None:
            return timeout
        left = self.remaining()
        if left <= 0:
            raise late("the time for the whole call ran out")
        return left if timeout is None else min(timeout, left)


@dataclass
class _Backend(httpcore.SyncBackend):
    deadline: _Deadline
    allows: Allows | None
    resolve: Resolve

    def addresses(self, host: str, port: int) -> list[tuple[str, int]]:
        """The addresses and ports of a host; raises ``AddressRejected`` where one of them is not allowed."""
        try:
            found = list(dict.fromkeys(self.resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        for address, _ in found:
            if self.allows is not None and not self.allows(ipaddress.ip_address(address)):
                raise AddressRejected(f"{host} leads to {address}, which is no public address")
        return found

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        last_error: Exception = httpcore.ConnectError(f"{host} has no address")
        for address, its_port in self.addresses(host, port):
            seconds = self.deadline.clamp(timeout, httpcore.ConnectTimeout)
            try:
                return _Stream(super().connect_tcp(address, its_port, seconds, *args, **options), self.deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last_error = error
        raise last_error


@dataclass
class _Stream(httpcore.NetworkStream):
    stream: httpcore.NetworkStream
    deadline: _Deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, self.deadline.clamp(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # A timeout is one of each send, so a receiver that takes a little now and then could prolong one write.
        for start in range(0, len(buffer), _WRITE_PIECE):
            seconds = self.deadline.clamp(timeout, httpcore.WriteTimeout)
            self.stream.write(buffer[start : start + _WRITE_PIECE], seconds)

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self.deadline.clamp(timeout, httpcore.ConnectTimeout)
        return _Stream(self.stream.start_tls(ssl_context, server_hostname, seconds), self.deadline)

    def get_extra_info(self, info: str) -> object:
        return self.stream.get_extra_info(info)
