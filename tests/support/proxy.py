"""A proxy on loopback that leads names to ports of this machine, by TLS with certificates of its own authority."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import trustme

_PIECE = 65536


class _Proxy(ABC):
    """Listens on a free port of loopback at ``url``, and serves each connection in a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A close alone does not wake a thread that waits in accept.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), name="proxy", daemon=True).start()

    @abstractmethod
    def _serve(self, near: socket.socket) -> None:
        """Serves one connection to its end."""


class TlsProxy(_Proxy):
    """Takes ``CONNECT``, answers the handshake in the place of the host that is named, and passes on what is inside.

    ``ports`` are those of 127.0.0.1 to which each host leads; others are refused with 502. ``asked`` is what each
    ``CONNECT`` named, ``authority`` the certificate in ``folder`` by which the proxy's own are trusted.
    """

    def __init__(self, ports: Mapping[str, int], *, folder: Path) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.authority = folder / "authority.pem"
        self._ports = ports
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*ports).configure_cert(self._tls)

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            target = _head(near).split()[1].decode()
            self.asked.append(target)
            port = self._ports.get(target.rpartition(":")[0])
            if port is None:
                near.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with (
                self._tls.wrap_socket(near, server_side=True) as plain,
                socket.create_connection(("127.0.0.1", port)) as far,
            ):
                _pass_on(plain, far)


def _head(near: socket.socket) -> bytes:
    head = b""
    # One byte at a time, as what follows belongs to the handshake.
    while not head.endswith(b"\r\n\r\n"):
        head += near.recv(1) or b"\r\n\r\n"
    return head


def _pass_on(plain: ssl.SSLSocket, far: socket.socket) -> None:
    while True:
        ready = [plain] if plain.pending() else select.select([plain, far], [], [])[0]
        for source in ready:
            piece = source.recv(_PIECE)
            if not piece:
                return
            (far if source is plain else plain).sendall(piece)


class ConnectProxy(_Proxy):
    """Takes ``CONNECT`` as a company's proxy does, and passes on bytes that it cannot read.

    ``heads`` has what came before each tunnel, ``seen`` every byte that was passed on. With ``answer`` it opens none.

    Args:
        ports: for each host the port of 127.0.0.1 to which it leads.
    """

    def __init__(self, ports: Mapping[str, int], *, answer: bytes = b"") -> None:
        super().__init__()
        self.heads: list[bytes] = []
        self.seen = bytearray()
        self._ports, self._answer = ports, answer

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            head = _head(near)
            self.heads.append(head)
            port = self._ports.get(head.split()[1].decode().rpartition(":")[0])
            if port is None or self._answer:
                near.sendall(self._answer or b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", port)) as far:
                while True:
                    for source in select.select([near, far], [], [])[0]:
                        piece = source.recv(_PIECE)
                        if not piece:
                            return
                        self.seen += piece
                        (far if source is near else near).sendall(piece)
