"""Servers on loopback that keep what they are asked, some with a certificate, and the transports that lead to them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trustme

from bot.glm.transport import GuardedTransport
from bot.sandbox.glm.images import render
from bot.sandbox.http import LoopbackServer, Request, Response, Route

FAKE_KEY = "fake-key-of-the-tests.not-a-secret"
GOOD = Response.of_json({"created": 1, "data": [{"url": "https://pictures.example/a.png"}]})
PICTURE = render("猫", width=64, height=64, image_id="1", watermark=False)


class RecordingServer(LoopbackServer):
    """Gives every request the one answer, or what the function ``reply`` makes of it, and keeps it in ``requests``.

    With ``tls`` it keeps the hosts that the handshakes asked for in ``names``.
    """

    def __init__(self, reply: Response | Route, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.names: list[str | None] = []
        self._reply = reply
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def answer(self, request: Request) -> Response:
        self.requests.append(request)
        return self._reply if isinstance(self._reply, Response) else self._reply(request)


@contextmanager
def dripping_server(tls: ssl.SSLContext) -> Iterator[int]:
    """Begins the head of an answer, and goes on for ever with one byte every 20 ms; gives its port."""
    over = threading.Event()

    def drip() -> None:
        with suppress(OSError), listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Endless: ")
            while not over.wait(0.02):
                connection.sendall(b"x")

    with tls.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listener:
        threading.Thread(target=drip, daemon=True).start()
        yield listener.getsockname()[1]
        over.set()


def certified(authority: trustme.CA, host: str) -> ssl.SSLContext:
    """The TLS settings of a server whose certificate for ``host`` ``authority`` has signed."""
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(settings)
    return settings


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """TLS settings that trust ``authority`` alone."""
    settings = ssl.create_default_context()
    authority.configure_trust(settings)
    return settings


def leading_to(port: int, *, tls: ssl.SSLContext | None = None) -> GuardedTransport:
    """The real transport, but with a resolver for which every name is on loopback."""
    return GuardedTransport(tls=tls, resolve=lambda _host, _port: [("127.0.0.1", port)])
