"""The stand-in of the Feishu Open Platform as the page, the tests and the sandbox use it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bot.sandbox.faults import ArmedFaults
from bot.sandbox.feishu.api import MessageApi
from bot.sandbox.feishu.bitable import BitableApi
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.gateway import ApiCall, Gateway
from bot.sandbox.feishu.state import ChatMessage, FeishuState, Limits, Person, Ping, Upload
from bot.sandbox.feishu.user_actions import UserActions
from bot.sandbox.http import LoopbackServer, Request

SCOPES = (
    "im:message.p2p_msg:readonly",
    "im:message.group_at_msg:readonly",
    "im:message:send_as_bot",
    "im:resource",
)
_ACTIVE, _GRANTED = 2, 1


class FeishuStandIn(UserActions, LoopbackServer):
    """The platform, its chats and users; its ``origin`` is the value of ``FEISHU_DOMAIN``.

    It checks tokens, uploads, contents, cards and limits as documented, pushes events encrypted and signed, and pushes
    them again. It does not store anything, show read receipts, edit text messages (PUT), stream cards, or change a
    card by the token of a press, which ends after two uses or half an hour. ``scopes`` is what the tenant has granted;
    it is listed, not enforced: the fault ``scope`` rejects a call.

    Secrets are random where none is given; ``encrypt_key=""`` pushes plain and unsigned. ``clock`` gives the seconds
    since 1970 of message times, tokens, limits and ``uuid``.
    """

    def __init__(
        self,
        *,
        app_id: str = "cli_sandbox",
        app_secret: str | None = None,
        encrypt_key: str | None = None,
        verification_token: str | None = None,
        clock: Callable[[], float] = time.time,
        delivery: RetrySchedule | None = None,
        limits: Limits | None = None,
    ) -> None:
        state = FeishuState(
            app_id=app_id,
            app_secret=app_secret or secrets.token_hex(16),
            encrypt_key=secrets.token_hex(16) if encrypt_key is None else encrypt_key,
            verification_token=verification_token or secrets.token_hex(16),
            clock=clock,
            limits=limits or Limits(),
        )
        self.app_id, self.app_secret = state.app_id, state.app_secret
        self.encrypt_key, self.verification_token = state.encrypt_key, state.verification_token
        self.scopes = set(SCOPES)
        self.faults = ArmedFaults("feishu")
        LoopbackServer.__init__(self)
        UserActions.__init__(self, state=state, delivery=delivery or RetrySchedule())
        self.bases = BitableApi(state=state)
        self._gateway = Gateway(state=state, faults=self.faults)
        self._add_routes(MessageApi(state=state, gateway=self._gateway))

    def _add_routes(self, messages: MessageApi) -> None:
        gateway, bases = self._gateway, self.bases
        message, base = "/im/v1/messages/:message_id", "/bitable/v1/apps/:app_token/tables"
        for name, method, path, handler in (
            ("token", "POST", "/auth/v3/tenant_access_token/internal", gateway.give_token),
            ("bot_info", "GET", "/bot/v3/info", self._bot_info),
            ("scopes", "GET", "/application/v6/scopes", self._list_scopes),
            ("image", "POST", "/im/v1/images", messages.upload_image),
            ("own_image", "GET", "/im/v1/images/:image_key", messages.get_image),
            ("file", "POST", "/im/v1/files", messages.upload_file),
            ("create", "POST", "/im/v1/messages", messages.create),
            ("reply", "POST", f"{message}/reply", messages.reply),
            ("patch", "PATCH", message, messages.patch),
            ("recall", "DELETE", message, messages.recall),
            ("react", "POST", f"{message}/reactions", messages.react),
            ("base_create", "POST", "/bitable/v1/apps", bases.create),
            ("base_table", "POST", base, bases.create_table),
            ("base_delete_table", "DELETE", f"{base}/:table_id", bases.delete_table),
            ("base_fields", "GET", f"{base}/:table_id/fields", bases.list_fields),
            ("base_records", "POST", f"{base}/:table_id/records/batch_create", bases.add_records),
            ("base_share", "POST", "/drive/v1/permissions/:app_token/members", bases.share),
        ):
            self.route(method, f"/open-apis{path}", partial(gateway.serve, name, handler))

    def __exit__(self, *_: object) -> None:
        self.stop_pushing()
        super().__exit__()

    @property
    def people(self) -> list[Person]:
        return list(self.state.people.values())

    @property
    def messages(self) -> list[ChatMessage]:
        """All messages as they are now, oldest first."""
        return list(self.state.messages.values())

    @property
    def uploads(self) -> dict[str, Upload]:
        return dict(self.state.uploads)

    @property
    def pings(self) -> list[Ping]:
        return list(self.state.pings)

    @property
    def calls(self) -> list[ApiCall]:
        """The last five thousand calls, oldest first."""
        return list(self._gateway.calls)

    def replies(self, message_id: str) -> list[ChatMessage]:
        return [one for one in self.messages if one.parent_id == message_id and one.sender == self.app_id]

    def calls_named(self, name: str) -> list[ApiCall]:
        return [call for call in self.calls if call.name == name]

    def expire_tokens(self) -> None:
        self._gateway.token_ends.clear()

    def _bot_info(self, _: Request) -> Mapping[str, Any]:
        bot = {
            "activate_status": _ACTIVE,
            "app_name": self.bot_name,
            "avatar_url": f"{self.origin}/avatar.png",
            "ip_white_list": [],
            "open_id": self.bot_open_id,
        }
        return {"code": 0, "msg": "ok", "bot": bot}

    def _list_scopes(self, _: Request) -> Mapping[str, Any]:
        scopes = [{"scope_name": name, "grant_status": _GRANTED, "scope_type": "tenant"} for name in self.scopes]
        return {"scopes": scopes}
