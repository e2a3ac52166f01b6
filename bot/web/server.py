"""The web server: waitress, which reads a whole request before it spends a thread on it."""

from __future__ import annotations

import heapq
import resource
import signal
import threading
import time
from contextlib import suppress
from typing import Any, Protocol

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

LARGEST_REQUEST = 2 * 1024 * 1024
"""Bytes after which the server refuses a body unread; the door's own limit is lower and says so."""

ACCEPTED_A_ROUND = 32
"""Connections that are accepted, at the most, before what the others have sent is looked at."""

OWN_FILES = 512
"""Open files beside the connections: the database's, the clients' connections, originals, bodies on their way."""

HONEST_SECONDS = 3.0
"""Seconds after which Feishu waits no longer for an answer."""

UNREAD_SECONDS = 1.0
"""Seconds in which an answer, of a few hundred bytes, is taken in by whoever reads it."""

FINISH_SECONDS = 10.0
"""For how long a server that leaves waits for the answers to what it has read."""


class Bounds(Protocol):
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

    def __init__(self, app: Flask, *, port: int, bounds: Bounds) -> None:
        _allow_open_files(bounds.connections + OWN_FILES)
        self._most_sockets = bounds.connections
        self._places_kept_free = min(ACCEPTED_A_ROUND, 1 + bounds.connections // 10)
        self._sockets: dict[int, Any] = {}
        self._server: Any = create_server(
            app,
            map=self._sockets,
            host=bounds.host,
            port=port,
            threads=bounds.threads,
            connection_limit=bounds.connections,
            channel_timeout=bounds.idle_seconds,
            cleanup_interval=min(bounds.idle_seconds, 30),
            max_request_body_size=LARGEST_REQUEST,
            max_request_header_size=32 * 1024,
            # select() cannot watch more than 1,024 sockets.
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        self._leaving = False
        # The handler of a signal may come while its own thread is closing.
        self._closing = threading.RLock()
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.effective_port)

    def run(self) -> None:
        """Serves in the main thread until SIGTERM or SIGINT, then answers what it has read, and returns.

        What was not read in whole is dropped, and so is what takes longer than :data:`FINISH_SECONDS`. That costs
        nothing: Feishu sends the event again, and it is known.
        """
        signal.signal(signal.SIGTERM, lambda *_: self._leave())
        self._serve()

    def start(self) -> None:
        """Serves in a thread until ``close``."""
        self._thread.start()

    def close(self) -> None:
        """Ends a server that was started in a thread, as SIGTERM ends one in the main thread."""
        self._leave()
        self._thread.join()

    def _leave(self) -> None:
        # The loop may see it at once and close what wakes it, whose number is then some other file's.
        with self._closing:
            self._leaving = True
            if self._sockets:
                self._server.pull_trigger()

    def _serve(self) -> None:
        with suppress(KeyboardInterrupt):
            while not self._leaving:
                self._look(seconds=self._server.adj.asyncore_loop_timeout)
        # The listening socket alone: the server's own close would take the loop's trigger with it.
        wasyncore.dispatcher.close(self._server)
        ends_at = time.monotonic() + FINISH_SECONDS
        while self._answering and time.monotonic() < ends_at:
            self._look(seconds=0.1)
        self._server.task_dispatcher.shutdown(timeout=1)
        with self._closing:
            for one in list(self._sockets.values()):
                one.close()
            self._sockets.clear()

    def _look(self, *, seconds: float) -> None:
        """One round of the loop that accepts, reads and writes; waits at most so long for something to do."""
        self._make_room()
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._sockets, count=1)
        # The loop accepts one connection a round, and a round looks at every open one: too slow where many come.
        for _ in range(self._places_kept_free - 1):
            before = len(self._sockets)
            if self._leaving or before >= self._most_sockets:
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
        others = [one for one in self._server.active_channels.values() if not _is_being_answered(one, now=now)]
        for one in heapq.nsmallest(excess, others, key=lambda one: _claim(one, now=now)):
            one.handle_close()

    @property
    def _answering(self) -> bool:
        """Whether a request that was read waits for its answer, or an answer for its way out."""
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def _is_being_answered(channel: Any, *, now: float) -> bool:
    """Whether a connection has one request that was read, or takes its answer in.

    Neither Feishu nor a proxy sends a second request before the first was answered. The server's own timeout does not
    end a connection whose answers are not read.
    """
    if channel.requests:
        return len(channel.requests) == 1
    return bool(channel.total_outbufs_len) and channel.last_activity > now - UNREAD_SECONDS


def _claim(channel: Any, *, now: float) -> tuple[int, float]:
    """What a connection's claim to its place is; the one with the lowest goes first."""
    if channel.requests or channel.total_outbufs_len:
        return 1, float(channel.creation_time)
    since = _waits_since(channel)
    return 2 if since > now - HONEST_SECONDS else 0, since


def _waits_since(channel: Any) -> float:
    """Since when a connection has brought no whole request; a byte now and then does not count."""
    return float(channel.creation_time if channel.request else channel.last_activity)


def _allow_open_files(count: int) -> None:
    """Raises the process's own limit of open files, which is often 1,024, to ``count`` or as far as the system lets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
