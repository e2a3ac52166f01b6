"""The web server: waitress, which reads a whole request before it spends a thread on it."""

from __future__ import annotations

import heapq
import resource
import threading
import time
from typing import Any, Protocol

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from bot.background import Background, Loop
from bot.logs import get_logger
from bot.web.connection_eviction import claim, is_being_answered
from bot.web.verification import LARGEST_BODY
from bot.web.waitress_channel import Channel

LARGEST_REQUEST = LARGEST_BODY + 64 * 1024
"""Bytes of a body, what stands between its chunks included, after which the server reads no further and answers 413."""

HELD_IN_MEMORY = 64 * 1024
"""Bytes of a body that are held in memory; the rest of it goes to a temporary file.

Feishu's have a few thousand. In memory alone the bodies of a thousand connections would take a gigabyte.
"""

FILES_A_CONNECTION = 2
"""Open files that a connection may need: its socket, and the file of a large body."""

ACCEPTED_A_ROUND = 32
"""Connections that are accepted, at the most, before what the others have sent is looked at."""

OWN_FILES = 512
"""Open files of the process beside those of its connections: database, calls to Feishu and the platform, originals."""

FINISH_SECONDS = 10.0
"""For how long a server that leaves waits for the answers to what it has read."""

log = get_logger(__name__)


class ServerConfig(Protocol):
    """What the server may take: see ``[server]`` in ``bot.toml``."""

    @property
    def host(self) -> str:
        """The address to listen on."""

    @property
    def threads(self) -> int:
        """How many requests are answered at once."""

    @property
    def connections(self) -> int:
        """How many connections may be open."""

    @property
    def idle_seconds(self) -> int:
        """Seconds after which an idle or slow connection is closed."""


class Server:
    """A listening socket with the Flask app behind it; port 0 takes a free one, which ``port`` tells.

    When nearly as many connections are open as may be, a new one takes the place of the one that has said nothing for
    longest, or has been sending one request for longest; or else of one that sends requests without waiting for
    answers, or does not read them. Whoever opens connections and leaves them, keeps no other out.
    """

    def __init__(self, app: Flask, *, port: int, bounds: ServerConfig, background: Background | None = None) -> None:
        self._most_sockets = _places(bounds.connections)
        self._places_kept_free = min(ACCEPTED_A_ROUND, 1 + self._most_sockets // 10)
        self._sockets: dict[int, Any] = {}
        server: Any = create_server(
            app,
            map=self._sockets,
            host=bounds.host,
            port=port,
            threads=bounds.threads,
            connection_limit=self._most_sockets,
            channel_timeout=bounds.idle_seconds,
            cleanup_interval=min(bounds.idle_seconds, 30),
            max_request_body_size=LARGEST_REQUEST,
            max_request_header_size=32 * 1024,
            inbuf_overflow=HELD_IN_MEMORY,
            clear_untrusted_proxy_headers=True,
            # A stack for each connection that breaks off would fill the disk.
            log_socket_errors=False,
            ident=None,
        )
        server.channel_class = Channel
        self._server = server
        self._background = background or Background()
        self._leaving = threading.Event()
        self._loop: Loop | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.effective_port)

    @property
    def places(self) -> int:
        """How many connections may be open: fewer than was asked for where the system allows too few open files."""
        return self._most_sockets

    def start(self) -> None:
        """Serves in a thread until ``close``."""
        seconds = self._server.adj.asyncore_loop_timeout
        self._loop = self._background.start(
            "web-server", lambda: self.look(seconds=seconds), longest_retry=1.0, stopping=self._leaving
        )

    def close(self) -> None:
        """Answers what has been read, then closes every connection.

        What was not read in whole is dropped, and so is what takes longer than :data:`FINISH_SECONDS`. That costs
        nothing: Feishu sends the event again, and it is known.
        """
        self._leaving.set()
        self._server.pull_trigger()
        if self._loop is not None:
            self._loop.join()
        # The listening socket alone: the server's own close would take the loop's trigger with it.
        wasyncore.dispatcher.close(self._server)
        ends_at = time.monotonic() + FINISH_SECONDS
        while self._answering and time.monotonic() < ends_at:
            self.look(seconds=0.1)
        self._server.task_dispatcher.shutdown(timeout=1)
        for one in list(self._sockets.values()):
            one.close()
        self._sockets.clear()

    def look(self, *, seconds: float) -> None:
        """One round of the loop that accepts, reads and writes; waits at most so long for something to do.

        ``start`` makes round after round.
        """
        self._make_room()
        # select() cannot watch files with numbers over 1,024.
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._sockets, count=1)
        # The loop accepts one connection a round, and a round looks at every open one: too slow where many come.
        for _ in range(self._places_kept_free - 1):
            before = len(self._sockets)
            if self._leaving.is_set() or before >= self._most_sockets:
                return
            self._server.handle_accept()
            if len(self._sockets) == before:
                return

    def _make_room(self) -> None:
        """Closes connections that have waited longest, where the server would soon stop accepting new ones."""
        excess = len(self._sockets) + self._places_kept_free - self._most_sockets
        if excess <= 0:
            return
        now = time.time()
        others = [one for one in self._server.active_channels.values() if not is_being_answered(one, now=now)]
        for one in heapq.nsmallest(excess, others, key=lambda one: claim(one, now=now)):
            one.handle_close()

    @property
    def _answering(self) -> bool:
        """Whether a request that was read waits for its answer, or an answer for its way out."""
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def _places(wanted: int) -> int:
    """How many connections may be open; where the system lets the process open too few files, fewer than wanted.

    It raises the process's own limit of open files, which is often 1,024, as far as that is needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES_A_CONNECTION * wanted + OWN_FILES
    if hard != resource.RLIM_INFINITY:
        files = min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    places = min(wanted, max((files - OWN_FILES) // FILES_A_CONNECTION, ACCEPTED_A_ROUND))
    if places < wanted:
        log.warning("fewer connections than configured", connections=places, configured=wanted, open_files=files)
    return places
