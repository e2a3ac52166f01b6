"""The stand-in of the Feishu Open Platform as the page, the tests and the sandbox use it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bot.sandbox.faults import ArmedFaults
from bot.sandbox.feishu.api import MessageApi, mentioned_ids
from bot.sandbox.feishu.bitable import BitableApi
from bot.sandbox.feishu.delivery import RetrySchedule
from bot.sandbox.feishu.gateway import ApiCall, Gateway
from bot.sandbox.feishu.state import ChatMessage, FeishuState, Person, Upload
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
    card by the token of a press. ``scopes`` is what the tenant has granted; it is listed, not enforced: the fault
    ``scope`` rejects a call.
    """

    def __init__(self, state: FeishuState | None = None, *, delivery: RetrySchedule | None = None) -> None:
        LoopbackServer.__init__(self)
        UserActions.__init__(self, state=state or FeishuState(), delivery=delivery or RetrySchedule())
        self.app_id, self.app_secret = self.state.app_id, self.state.app_secret
        self.encrypt_key, self.verification_token = self.state.encrypt_key, self.state.verification_token
        self.scopes = set(SCOPES)
        self.faults = ArmedFaults("feishu")
        self.bases = BitableApi(state=self.state)
        self._gateway = Gateway(state=self.state, faults=self.faults)
        messages, bases = MessageApi(state=self.state, gateway=self._gateway), self.bases
        message, base = "/im/v1/messages/:message_id", "/bitable/v1/apps/:app_token/tables"
        for name, method, path, handler in (
            ("token", "POST", "/auth/v3/tenant_access_token/internal", self._gateway.give_token),
            ("bot_info", "GET", "/bot/v3/info", self._bot_info),
            ("scopes", "GET", "/application/v6/scopes", self._list_scopes),
            ("image", "POST", "/im/v1/images", messages.upload_image),
            ("own_image", "GET", "/im/v1/images/:image_key", messages.get_image),
            ("file", "POST", "/im/v1/files", messages.upload_file),
            ("create", "POST", "/im/v1/messages", partial(messages.send, to=messages.place_of_new)),
            ("reply", "POST", f"{message}/reply", partial(messages.send, to=messages.place_of_reply)),
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
            self.route(method, f"/open-apis{path}", partial(self._gateway.serve, name, handler))

    def __exit__(self, *_: object) -> None:
        self.stop_pushing()
        super().__exit__()

    @property
    def people(self) -> list[Person]:
        return list(self.state.people.values())

    @property
    def messages(self) -> list[ChatMessage]:
        return list(self.state.messages.values())

    @property
    def uploads(self) -> dict[str, Upload]:
        return dict(self.state.uploads)

    @property
    def pings(self) -> list[str]:
        """Whom the bot's messages would notify: open ids, or ``all``."""
        return [
            whom for one in self.messages for content in one.versions for whom in mentioned_ids(one.msg_type, content)
        ]

    @property
    def calls(self) -> list[ApiCall]:
        """The last five thousand, oldest first."""
        return list(self._gateway.calls)

    def replies(self, message_id: str) -> list[ChatMessage]:
        return [one for one in self.messages if one.parent_id == message_id and one.sender == self.app_id]

    def calls_named(self, name: str) -> list[ApiCall]:
        return [call for call in self.calls if call.name == name]

    def expire_tokens(self) -> None:
        self._gateway.token_ends.clear()

    def _bot_info(self, _: Request) -> Mapping[str, Any]:
        bot = {"activate_status": _ACTIVE, "app_name": self.bot_name, "open_id": self.bot_open_id}
        more = {"avatar_url": f"{self.origin}/avatar.png", "ip_white_list": []}
        return {"code": 0, "msg": "ok", "bot": {**bot, **more}}

    def _list_scopes(self, _: Request) -> Mapping[str, Any]:
        scopes = [{"scope_name": name, "grant_status": _GRANTED, "scope_type": "tenant"} for name in self.scopes]
        return {"scopes": scopes}
