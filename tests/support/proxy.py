"""Proxies on loopback that lead names to ports of this machine."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import trustme

from tests.support.wire import PIECE, close


class ConnectProxy:
    """Takes ``CONNECT`` at ``url`` as a company's proxy does, and passes on bytes that it cannot read.

    ``ports`` are those of 127.0.0.1 to which each host leads; others are refused with 502. ``heads`` has what came
    before each tunnel, ``asked`` what each ``CONNECT`` named, ``seen`` every byte that was passed on. With ``answer``
    it opens no tunnel.
    """

    def __init__(self, ports: Mapping[str, int], *, answer: bytes = b"") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._ports, self._answer = ports, answer
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[bytes] = []
        self.seen = bytearray()

    @property
    def asked(self) -> list[str]:
        return [head.split()[1].decode() for head in self.heads]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        close(self._listener)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), name="proxy", daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            head = b""
            # One byte at a time, as what follows belongs to the tunnel.
            while not head.endswith(b"\r\n\r\n"):
                head += near.recv(1) or b"\r\n\r\n"
            self.heads.append(head)
            port = self._ports.get(head.split()[1].decode().rpartition(":")[0])
            if port is None or self._answer:
                near.sendall(self._answer or b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._tunnel(near, port)

    def _tunnel(self, near: socket.socket, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as far:
            while True:
                # What TLS has decrypted already makes no socket readable.
                decrypted = isinstance(near, ssl.SSLSocket) and near.pending()
                for source in [near] if decrypted else select.select([near, far], [], [])[0]:
                    piece = source.recv(PIECE)
                    if not piece:
                        return
                    self.seen += piece
                    (far if source is near else near).sendall(piece)


class TlsProxy(ConnectProxy):
    """Answers the handshake in the place of the host that is named, and passes on what is inside.

    ``authority`` is the certificate in ``folder`` by which the proxy's own are trusted.
    """

    def __init__(self, ports: Mapping[str, int], *, folder: Path) -> None:
        super().__init__(ports)
        self.authority = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*ports).configure_cert(self._tls)

    def _tunnel(self, near: socket.socket, port: int) -> None:
        with self._tls.wrap_socket(near, server_side=True) as plain:
            super()._tunnel(plain, port)
