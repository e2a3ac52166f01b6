"""A connection of the web server, which refuses what waitress by itself would break at or hold too much of."""

from __future__ import annotations

from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.utilities import BadRequest

LONGEST_CHUNK_LINE = 1024
"""Bytes of a line between the chunks of a body, which names a length."""


class Parser(HTTPRequestParser):
    """Reads one request; whatever is wrong with it is answered with a status, and no reason for a stack in the log."""

    def parse_header(self, header_plus: bytes) -> None:
        """Reads the first line and the headers.

        Raises:
            ParsingError: they are not those of a request; it becomes a 400.
        """
        try:
            super().parse_header(header_plus)
        except ValueError:
            # An address with half a bracket, or a length of five thousand digits.
            raise ParsingError("Invalid request") from None

    def received(self, data: bytes) -> int:
        """Takes further bytes; gives how many of them belong to this request."""
        taken = int(super().received(data))
        body = self.body_rcv
        if isinstance(body, ChunkedReceiver) and max(len(body.control_line), len(body.trailer)) > LONGEST_CHUNK_LINE:
            self.error = BadRequest("Chunk line too long")
            self.completed = True
        return taken


class Channel(HTTPChannel):
    """A connection whose requests :class:`Parser` reads."""

    parser_class = Parser

    def del_channel(self, map: Any = None) -> None:  # noqa: A002 - its name in waitress
        """Forgets a connection that is being closed, and closes the file of a body that was on its way."""
        super().del_channel(map)
        if self.request is not None:
            self.request.close()
