"""What the tests of the GLM client stand on: servers below the stand-in's level."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import trustme

from bot.glm.transport import Allows, GuardedTransport

_SIP = 100_000
"""Bytes that a server takes in at once, and that wait for it at the most."""

FAKE_KEY = "fake-key-of-the-tests.not-a-secret"


@dataclass(frozen=True)
class TlsServer:
    """A server on loopback that speaks TLS with the certificate of one host name and answers each connection once."""

    port: int
    requests: list[bytes]
    """What was received; handshakes that failed leave nothing."""
    names: list[str | None]
    """The host names that the handshakes asked for."""


@contextmanager
def tls_server(authority: trustme.CA, host: str, *, answer: bytes) -> Iterator[TlsServer]:
    """Serves ``answer`` with a certificate for ``host`` that ``authority`` has signed."""
    settings = certified(authority, host)
    served: list[bytes] = []
    names: list[str | None] = []
    settings.sni_callback = lambda _socket, name, _settings: names.append(name)

    def serve(connection: socket.socket) -> None:
        with settings.wrap_socket(connection, server_side=True) as encrypted:
            served.append(_request(encrypted))
            encrypted.sendall(answer)

    with _listening(serve) as port:
        yield TlsServer(port=port, requests=served, names=names)


@contextmanager
def dripping_server(start: bytes, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answers each connection with ``start`` and then, for ever, one byte every 20 ms; gives its port."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with tls.wrap_socket(connection, server_side=True) if tls else connection as plain:
            _request(plain)
            plain.sendall(start)
            while not over.wait(0.02):
                plain.sendall(b"x")

    with _listening(serve) as port:
        yield port
        over.set()


@contextmanager
def sipping_server(sipped: threading.Event) -> Iterator[int]:
    """Takes in a little of a request every 20 ms, which it says in ``sipped``, and never answers; gives its port."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        while not over.wait(0.02) and connection.recv(_SIP):
            sipped.set()

    with _listening(serve, buffer=_SIP) as port:
        yield port
        over.set()


def certified(authority: trustme.CA, host: str) -> ssl.SSLContext:
    """The TLS settings of a server whose certificate for ``host`` ``authority`` has signed."""
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(settings)
    return settings


@contextmanager
def _listening(serve: Callable[[socket.socket], None], *, buffer: int | None = None) -> Iterator[int]:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        if buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)

        def accept() -> None:
            while not over.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    connection.settimeout(5)
                    with connection, suppress(OSError):
                        serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join(5)


def _request(connection: socket.socket) -> bytes:
    """A whole request; what is left unread would turn the end of the connection into a reset."""
    received = b""
    while part := connection.recv(65536):
        received += part
        head, end, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if end and len(body) >= (int(length[1]) if length else 0):
            break
    return received


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """TLS settings that trust ``authority`` alone."""
    settings = ssl.create_default_context()
    authority.configure_trust(settings)
    return settings


def leading_to(port: int, *, tls: ssl.SSLContext | None = None, allows: Allows | None = None) -> GuardedTransport:
    """The real transport, but with a resolver for which every name is on loopback."""
    return GuardedTransport(tls=tls, allows=allows, resolve=lambda _host, _port: [("127.0.0.1", port)])


def http_answer(body: bytes, *, head: bytes = b"") -> bytes:
    """200 with a body, as it goes over the wire."""
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (head, len(body), body)
