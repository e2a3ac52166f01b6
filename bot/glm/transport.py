"""A connection whose whole call ends by a deadline, made to public addresses alone where that is asked."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterable

import httpcore
import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[tuple[str, int]]]
Allows = Callable[[Address], bool]
Remaining = Callable[[], float]

_PIECE = 16 * 1024
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The first half of an interface id whose second half is an IPv4 address (RFC 5214)."""

_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # the platform services of Azure
            "192.0.0.0/24",  # protocol assignments, and the metadata service of Oracle Cloud
            "192.88.99.0/24",  # relays of 6to4, deprecated
            "3fff::/20",  # documentation (RFC 9637)
            "5f00::/16",  # segment routing (RFC 9602)
        ),
    )
)
"""Addresses that the standard library counts as global and that serve no website."""


class AddressRejected(Exception):
    """A name leads to an address that may not be connected to."""


class GuardedTransport(httpx.HTTPTransport):
    """An httpx transport that no environment variable changes and that always verifies TLS.

    A request may carry ``extensions={"remaining": function}``; the function tells how many seconds are left for the
    whole call, and no connecting, sending or receiving goes on for longer, however often a byte comes. One thread makes
    a call and reads its answer. The name resolver of the system keeps its own time, which is not bounded here.

    Args:
        allows: which addresses may be connected to; ``None`` allows all. Every address of a name must be allowed, and
            the connection is made to one of the very addresses that were looked at.
        tls: the TLS settings; by default the certificates of certifi. Tests bring their own authority.
        resolve: the addresses and ports, in numbers, of a host name and a port; by default the system's resolver.
    """

    def __init__(
        self, *, allows: Allows | None = None, tls: ssl.SSLContext | None = None, resolve: Resolve | None = None
    ) -> None:
        tls = tls or httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=tls, trust_env=False)
        self._left = _Left()
        # httpx takes no network backend of its own, though its pool does.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=50,
            max_keepalive_connections=10,
            keepalive_expiry=30.0,
            network_backend=_Backend(left=self._left, allows=allows, resolve=resolve or _resolve),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request.

        Raises:
            AddressRefused: its host may not be connected to.
            httpx.TransportError: it failed; a timeout where the time for the call ran out.
        """
        self._left.remaining = request.extensions.get("remaining")
        return super().handle_request(request)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also where an IPv6 address wraps an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        if wrapped := _wrapped(address):
            return is_public(wrapped)
        if address.is_site_local:
            return False
    if any(address.version == network.version and address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64 or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _resolve(host: str, port: int) -> list[tuple[str, int]]:
    return [(str(found[4][0]), port) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Left(threading.local):
    """The time left for the call that this thread makes."""

    remaining: Remaining | None = None

    def within(self, timeout: float | None, *, late: type[Exception]) -> float | None:
        """``timeout`` in seconds, cut to what is left for the call; raises ``late`` when nothing is."""
        if self.remaining is None:
            return timeout
        left = self.remaining()
        if left <= 0:
            raise late("the time for the whole call ran out")
        return left if timeout is None else min(timeout, left)


class _Backend(httpcore.SyncBackend):
    def __init__(self, *, left: _Left, allows: Allows | None, resolve: Resolve) -> None:
        self._left = left
        self._allows = allows
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        fault: Exception | None = None
        for address, its_port in self._addresses(host, port):
            seconds = self._left.within(timeout, late=httpcore.ConnectTimeout)
            try:
                stream = super().connect_tcp(address, its_port, seconds, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
            else:
                return _Stream(stream, left=self._left)
        raise fault or httpcore.ConnectError(f"{host} has no address")

    def _addresses(self, host: str, port: int) -> list[tuple[str, int]]:
        try:
            addresses = list(dict.fromkeys(self._resolve(host, port)))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        for address, _ in addresses:
            if self._allows is not None and not self._allows(ipaddress.ip_address(address)):
                raise AddressRejected(f"{host} leads to {address}, which is no public address")
        return addresses


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, *, left: _Left) -> None:
        self._stream = stream
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left.within(timeout, late=httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # The timeout is one of each byte that goes out, so who takes in a little now and then could prolong one write.
        for start in range(0, len(buffer), _PIECE):
            seconds = self._left.within(timeout, late=httpcore.WriteTimeout)
            self._stream.write(buffer[start : start + _PIECE], seconds)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._left.within(timeout, late=httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, seconds), left=self._left)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
