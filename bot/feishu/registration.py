"""Creates an app, or extends one, with one scan: the device flow (RFC 8628) of the SDK's ``register_app``.

The SDK's function is not called: its requests have no timeout and follow redirects, and one lost or garbled answer to a
poll ends the registration of an app that may exist by then.

https://open.feishu.cn/document/mcp_open_tools/scan-to-create-an-app-in-one-click
https://github.com/larksuite/oapi-sdk-python/blob/v2_main/lark_oapi/scene/registration/__init__.py
"""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from bot.errors import AppNotRegistered
from bot.feishu.network import network

Brand = Literal["feishu", "lark"]

ACCOUNTS: Mapping[Brand, str] = {"feishu": "https://accounts.feishu.cn", "lark": "https://accounts.larksuite.com"}

TIMEOUT = httpx.Timeout(10)  # seconds per phase of a call

SLOWER = 5.0
"""Seconds by which ``slow_down`` lengthens the interval: https://datatracker.ietf.org/doc/html/rfc8628#section-3.5"""

_REFUSALS = {"access_denied": "setup.denied", "expired_token": "setup.expired"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredApp:
    """An app that was confirmed; ``open_id`` is that of the person who scanned, empty if the platform did not say."""

    app_id: str
    app_secret: str = field(repr=False)
    open_id: str
    brand: Brand


@dataclass(kw_only=True, repr=False)
class AppRegistration:
    """One registration; it begins on Feishu's accounts service, and goes on on Lark's for a tenant of Lark.

    ``accounts`` are the origins of both; ``proxy`` and ``ca_file`` are as for all calls of the platform. Once it has
    begun, ``page`` is where a person confirms it, within ``seconds``.
    """

    accounts: Mapping[Brand, str] = field(default_factory=lambda: ACCOUNTS)
    proxy: str = ""
    ca_file: str = ""
    timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    sleep: Callable[[float], None] = time.sleep
    page: str = ""
    seconds: float = 600.0
    interval: float = 5.0
    brand: Brand = "feishu"

    def begin(self) -> None:
        """Begins it; ``AppNotRegistered`` if the platform does not answer, or not as documented."""
        methods = self._post(action="init").get("supported_auth_methods")
        if not isinstance(methods, list) or "client_secret" not in methods:
            raise AppNotRegistered("setup.refused", "client_secret is not supported")
        wanted = {"archetype": "PersonalAgent", "auth_method": "client_secret", "request_user_info": "open_id"}
        answer = self._post(action="begin", **wanted)
        self._device_code, self.page = (str(answer.get(key)) for key in ("device_code", "verification_uri_complete"))
        if not (answer.get("device_code") and self.page.startswith("http")):
            raise AppNotRegistered("setup.refused", str(answer.get("error_description") or answer.get("error")))
        self.seconds = float(answer.get("expires_in") or self.seconds)
        self.interval = float(answer.get("interval") or self.interval)

    def link(self, addons: Mapping[str, object], *, app_id: str = "", **preset: str) -> str:
        """The link to scan or open.

        Args:
            addons: the scopes, events and callbacks that the page is filled in with.
            app_id: the app to extend; a new one is created if empty.
            preset: ``name``, ``desc`` and ``avatar`` of the new app.
        """
        packed = gzip.compress(json.dumps(addons, separators=(",", ":")).encode(), mtime=0)
        fields = {
            "from": "sdk",
            "tp": "sdk",
            "source": "python-sdk",
            **preset,
            "addons": base64.urlsafe_b64encode(packed).decode().rstrip("="),
            **({"clientID": app_id} if app_id else {"createOnly": "true"}),
        }
        parts = urlsplit(self.page)
        return parts._replace(query=urlencode([*parse_qsl(parts.query), *fields.items()])).geturl()

    def wait(self, *, on_status: Callable[[str], None]) -> RegisteredApp:
        """Polls until the app is confirmed; a call that gets no answer is repeated.

        ``on_status`` takes the key of a sentence: the tenant is Lark's, or the platform has stopped answering. Raises
        ``AppNotRegistered`` if the person or the tenant denied it, or nobody confirmed it in time.
        """
        ends_at, answered = time.monotonic() + self.seconds, True
        while time.monotonic() < ends_at:
            try:
                answer, answered = self._post(action="poll", device_code=self._device_code), True
            except AppNotRegistered:
                if answered:
                    on_status("setup.no_answer_yet")
                answer, answered = {"error": "authorization_pending"}, False
            error, detail = str(answer.get("error")), str(answer.get("error_description") or "")
            if error in _REFUSALS:
                raise AppNotRegistered(_REFUSALS[error], detail)
            given = answer.get("user_info")
            user = given if isinstance(given, dict) else {}
            brand: Brand = "lark" if user.get("tenant_brand") == "lark" else self.brand
            app_id, secret = (str(answer.get(name) or "") for name in ("client_id", "client_secret"))
            if app_id and secret:
                open_id = str(user.get("open_id") or "")
                return RegisteredApp(app_id=app_id, app_secret=secret, open_id=open_id, brand=brand)
            if brand != self.brand:
                self.brand = brand
                on_status("setup.lark_tenant")
                continue
            if error not in ("authorization_pending", "slow_down"):
                raise AppNotRegistered("setup.refused", detail or error)
            if error == "slow_down":
                self.interval += SLOWER
            self.sleep(self.interval)
        raise AppNotRegistered("setup.expired", "")

    def _post(self, **fields: str) -> Mapping[str, Any]:
        url = httpx.URL(self.accounts[self.brand] + "/oauth/v1/app/registration")
        transport = network(str(url), proxy=self.proxy, ca_file=self.ca_file)
        try:
            with httpx.Client(transport=transport, timeout=self.timeout) as http:
                # Waiting is announced with status 400, so only the body counts.
                answer = http.post(url, data=fields).json()
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            raise AppNotRegistered("setup.unanswered", f"{url.host}: {type(error).__name__}") from error
        if not isinstance(answer, dict):
            raise AppNotRegistered("setup.unanswered", f"{url.host}: no JSON object")
        return answer
