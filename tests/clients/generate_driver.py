"""Runs the command line with a transport that a test chose, which no variable or flag of the program could do."""

from __future__ import annotations

import os
import ssl

import httpx

from bot.cli.generate import main
from bot.sandbox.glm.stand_in import loopback
from bot.timings import DownloadRetries
from tests.clients.glm_wire import leading_to

HASTY_SECONDS = 0.5


class Hasty(httpx.HTTPTransport):
    """Waits half a second for an answer, so that a test need not wait for minutes."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request."""
        request.extensions["timeout"]["read"] = HASTY_SECONDS
        return super().handle_request(request)


def drive() -> int:
    """Leads to the stand-in of TEST_GLM_ORIGIN, or by TLS to TEST_TLS_PORT (trusting TEST_TLS_CA); the exit code.

    Failed downloads are retried for TEST_RETRY_SECONDS.
    """
    if port := os.environ.get("TEST_TLS_PORT"):
        authority = os.environ.get("TEST_TLS_CA")
        tls = ssl.create_default_context(cafile=authority) if authority else None
        return main(transport=leading_to(int(port), tls=tls))
    inner = Hasty() if os.environ.get("TEST_HASTY") else None
    seconds = float(os.environ.get("TEST_RETRY_SECONDS", "20"))
    retries = DownloadRetries(seconds=seconds, first_wait=0.01, longest_wait=0.1)
    return main(transport=loopback(os.environ["TEST_GLM_ORIGIN"], inner=inner), retries=retries)
