"""Network namespaces as hosts of their own, connected by virtual cables, and relays between them for the stand-ins."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

_NEW_NETWORK = 0x40000000
_PIECE = 65536


def skip_without_namespaces() -> None:
    """Skips where network namespaces can't be made, unless ``REQUIRE_NAMESPACES`` is set."""
    say = pytest.fail if os.environ.get("REQUIRE_NAMESPACES") else pytest.skip
    if shutil.which("ip") is None or os.geteuid() != 0:
        say("network namespaces need root and the program ip")
    name = f"try{secrets.token_hex(3)}"
    if subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode != 0:
        say("network namespaces can't be made here (ip netns add fails)")
    _ip("netns", "delete", name)


def enter(namespace: str) -> None:
    """Moves the calling thread into a namespace; sockets that it makes from now on belong there."""
    _move(Path("/run/netns") / namespace)


@contextmanager
def inside(namespace: str | None) -> Iterator[None]:
    """Makes sockets within a namespace for the length of the block; ``None`` stays where the thread is."""
    if namespace is None:
        yield
        return
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        enter(namespace)
        try:
            yield
        finally:
            _move(home.fileno())


def _move(where: Path | int) -> None:
    descriptor = os.open(where, os.O_RDONLY) if isinstance(where, Path) else where
    try:
        # os.setns comes with Python 3.12.
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEW_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        if isinstance(where, Path):
            os.close(descriptor)


class Hosts:
    """Namespaces in a star: each has one cable to the first, which is the database's host.

    Args:
        names: what the hosts are called; the first is the centre.
    """

    def __init__(self, *names: str) -> None:
        self._mark = secrets.token_hex(3)
        self.names = names

    def namespace(self, name: str) -> str:
        """The namespace of a host."""
        return f"{name}-{self._mark}"

    def centre_seen_from(self, name: str) -> str:
        """The address of the centre on a host's cable."""
        return f"10.213.{self.names.index(name)}.1"

    def unplug(self, name: str) -> None:
        """Takes a host's cable out: packets vanish, and nobody is told."""
        _ip("-n", self.namespace(self.names[0]), "link", "set", f"to-{name}", "down")

    def plug(self, name: str) -> None:
        """Puts the cable in again."""
        _ip("-n", self.namespace(self.names[0]), "link", "set", f"to-{name}", "up")

    def __enter__(self) -> Self:
        for name in self.names:
            _ip("netns", "add", self.namespace(name))
            _ip("-n", self.namespace(name), "link", "set", "lo", "up")
        centre = self.namespace(self.names[0])
        for number, name in enumerate(self.names[1:], start=1):
            peer = self.namespace(name)
            _ip("-n", centre, "link", "add", f"to-{name}", "type", "veth", "peer", "name", "cable", "netns", peer)
            _ip("-n", centre, "addr", "add", f"10.213.{number}.1/24", "dev", f"to-{name}")
            _ip("-n", peer, "addr", "add", f"10.213.{number}.2/24", "dev", "cable")
            _ip("-n", centre, "link", "set", f"to-{name}", "up")
            _ip("-n", peer, "link", "set", "cable", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", self.namespace(name)], check=False, capture_output=True)


class Relay:
    """A port on one host's loopback that leads to a port on another's.

    Args:
        port: where it leads, on 127.0.0.1 of ``far``.
        near: the namespace in which it listens; ``None`` is the test's own.
        far: the namespace in which ``port`` is.
    """

    def __init__(self, port: int, *, near: str | None = None, far: str | None = None) -> None:
        self._target = port
        self._far = far
        self._ends: list[socket.socket] = []
        with inside(near):
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._forward_all, name="relay", daemon=True).start()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT`` on the near host."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Ends every connection."""
        for end in (self._listener, *self._ends):
            _close(end)

    def _forward_all(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                with inside(self._far):
                    far = socket.create_connection(("127.0.0.1", self._target), 2)
            except OSError:
                _close(near)
                continue
            far.settimeout(None)
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), name="relay", daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    _close(source)
    _close(sink)


def _close(end: socket.socket) -> None:
    # A close alone does not wake a thread that waits in accept or recv.
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
