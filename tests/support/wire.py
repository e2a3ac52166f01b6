"""A TCP connection between two ends that can be cut and mended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from sqlalchemy.engine import make_url

PIECE = 65536


class Wire:
    """Forwards connections on a port of 127.0.0.1 to a port of a host, until it is cut.

    While it is cut, what was connected is reset and nobody answers on its port: to the one end it looks as if the
    other had gone. Once it is deaf, packets vanish instead, and neither end is notified.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self._target = host, port
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self.port = 0
        self.mend()

    def cut(self) -> None:
        """Ends every connection and takes no new one."""
        with self._lock:
            ends, self._ends = [self._listener, *self._ends], set()
        for end in ends:
            close(end)

    def deafen(self) -> None:
        """Passes nothing on any more, and keeps the connections open."""
        self._deaf = True

    def mend(self) -> None:
        """Takes connections again, on the same port."""
        self._deaf = False
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._forward_all, args=(self._listener,), name="wire", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def _forward_all(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target, 2)
            except OSError:
                close(near)
                continue
            far.settimeout(None)
            with self._lock:
                self._ends |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), name="wire", daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                if not self._deaf:
                    sink.sendall(piece)
        close(source)
        close(sink)


@contextmanager
def wired(url: str) -> Iterator[tuple[Wire, str]]:
    """A wire to a PostgreSQL database, and the database's URL over it."""
    there = make_url(url)
    with Wire(there.port or 5432, host=there.host or "127.0.0.1") as wire:
        yield wire, there.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)


def close(end: socket.socket) -> None:
    # A close alone does not wake a thread that waits in accept or recv.
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
