"""The one way to the stand-in: an httpx transport that leads the platform's host names to loopback."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from bot.sandbox.tls import shared_tls

API_HOST = "open.bigmodel.cn"
IMAGE_HOST = "maas-watermark-prod-new.cn-wlcb.ufileos.com"
ELSEWHERE = "elsewhere.example"
"""The host to which the stand-in's redirects lead; nobody should ever follow one there."""


class LoopbackTransport(httpx.BaseTransport):
    """Leads requests for known hosts to other origins; every other host cannot be reached.

    Args:
        routes: for each host name, the origin that answers for it, with a path that goes before the request's own.
        inner: what makes the connections; by default a plain httpx transport that heeds no environment variable.

    Only https requests are led, as only they would reach the platform.
    """

    def __init__(self, routes: Mapping[str, str], *, inner: httpx.BaseTransport | None = None) -> None:
        self._routes = {host: httpx.URL(origin) for host, origin in routes.items()}
        self._inner = inner or httpx.HTTPTransport(trust_env=False, verify=shared_tls())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request to the origin of its host, its headers and body unchanged.

        Raises:
            httpx.TransportError: the host is not known, or the connection failed.
        """
        origin = self._routes.get(request.url.host)
        if origin is None or request.url.scheme != "https":
            raise httpx.ConnectError(f"the sandbox does not know {request.url.scheme}://{request.url.host}")
        led = request.url.copy_with(
            scheme=origin.scheme,
            host=origin.host,
            port=origin.port,
            raw_path=origin.raw_path.rstrip(b"/") + request.url.raw_path,
        )
        return self._inner.handle_request(
            httpx.Request(
                request.method, led, headers=request.headers, stream=request.stream, extensions=request.extensions
            )
        )

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()
