"""The web server: waitress, which reads a whole request before it takes a thread, and a drain at shutdown.

Stock waitress stops accepting at its limit of connections, so a client that opens that many keeps all others out. The
proxy in front limits the connections of an address and passes on whole requests only: ``config/deploy/nginx.conf``.
"""

from __future__ import annotations

import resource
import threading
import time
from functools import partial
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from bot.background import Background, Loop
from bot.logs import get_logger
from bot.settings import ServerSettings
from bot.web.verification import MAX_BODY

OWN_FILES = 512  # the open files beside those of connections: database, calls to Feishu and the platform, originals
DRAIN_SECONDS = 10.0  # how long a server that shuts down waits for the answers to the requests that it has read

log = get_logger(__name__)


class Server:
    """A listening socket for the Flask app; port 0 takes a free one, see ``port``.

    ``connections`` is how many may be open: fewer than set where the system allows too few open files.
    """

    def __init__(self, app: Flask, *, port: int, bounds: ServerSettings, background: Background | None = None) -> None:
        self.connections = _connection_limit(bounds.connections)
        self._sockets: dict[int, Any] = {}
        self._server: Any = create_server(
            app,
            map=self._sockets,
            host=bounds.host,
            port=port,
            threads=bounds.threads,
            connection_limit=self.connections,
            channel_timeout=bounds.idle_seconds,
            cleanup_interval=min(bounds.idle_seconds, 30),
            # Chunked bodies carry their chunk lines too; the webhook rejects more than its limit.
            max_request_body_size=MAX_BODY + 64 * 1024,
            max_request_header_size=32 * 1024,
            # The rest of a body goes to a temporary file: a thousand bodies of 1 MiB would fill the memory.
            inbuf_overflow=64 * 1024,
            clear_untrusted_proxy_headers=True,
            # A traceback for each connection that breaks off would fill the disk.
            log_socket_errors=False,
            ident=None,
        )
        # select() cannot watch files with numbers over 1,024.
        self._poll = partial(wasyncore.loop, timeout=1.0, use_poll=True, map=self._sockets, count=1)
        self._background = background or Background()
        self._stopping = threading.Event()
        self._loop: Loop | None = None

    @property
    def port(self) -> int:
        return int(self._server.effective_port)

    def start(self) -> None:
        """Serves in a thread until ``close``."""
        self._loop = self._background.start("web-server", self._poll, longest_retry=1.0, stopping=self._stopping)

    def close(self) -> None:
        """Answers what has been read, at most for :data:`DRAIN_SECONDS`, then closes every connection.

        Waitress alone would discard responses that are not sent yet, and a card action is never delivered again.
        """
        self._stopping.set()
        self._server.pull_trigger()
        if self._loop is not None:
            self._loop.thread.join()
        # The listening socket alone: the server's own close would take the loop's trigger with it.
        wasyncore.dispatcher.close(self._server)
        ends_at = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < ends_at and any(
            channel.requests or channel.total_outbufs_len for channel in list(self._server.active_channels.values())
        ):
            self._poll(timeout=0.1)
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._sockets)


def _connection_limit(wanted: int) -> int:
    """``wanted``, or fewer where the system allows too few open files: a socket and a body's file for each connection.

    Raises the process's own limit of open files, often 1,024, as far as needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + OWN_FILES
    files = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), hard))
    allowed = min(wanted, max((files - OWN_FILES) // 2, 32))
    if allowed < wanted:
        log.warning("fewer connections than configured", connections=allowed, configured=wanted, open_files=files)
    return allowed
