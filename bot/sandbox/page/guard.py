"""Who may talk to the page: the page itself, from this machine, and nobody else's web page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from http import HTTPStatus

from bot.sandbox.server import Answer, Call, Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The content-security policy: nothing but the page's own files, and no text that becomes markup."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer carries."""

_OWN_SITE = ("same-origin", "none")


def guarded(route: Route, *, hosts: Collection[str]) -> Route:
    """The route behind the checks, with :data:`HEADERS` on each of its answers.

    Args:
        route: what answers a request that passes.
        hosts: the values of ``Host`` under which the page is reached. A page elsewhere that had its name resolved to
            this machine (DNS rebinding) comes with its own.
    """

    def answer(call: Call) -> Answer:
        given = _refusal(call, hosts) or route(call)
        return replace(given, headers={**HEADERS, **given.headers})

    return answer


def _refusal(call: Call, hosts: Collection[str]) -> Answer | None:
    host = call.headers.get("host", "")
    if host not in hosts:
        return refused(HTTPStatus.MISDIRECTED_REQUEST, "this page is reached by its loopback address only")
    # A link or bookmark may open the page ("none"); what another site's page asks for may not be answered.
    if call.headers.get("sec-fetch-site", "none") not in _OWN_SITE and call.path != "/":
        return refused(HTTPStatus.FORBIDDEN, "the request comes from another site")
    if call.method == "GET":
        return None
    if call.headers.get("origin") != f"http://{host}":
        return refused(HTTPStatus.FORBIDDEN, "the request comes from another origin")
    if call.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON is expected")
    return None


def refused(status: int, why: str, *, sentence: str | None = None) -> Answer:
    """An answer that says in English why nothing was done, and by a key of the page's words what is told."""
    return Answer.of_json({"error": why, "sentence": sentence}, status=int(status))
