"""The stand-in of the Feishu Open Platform as a page, a test or the sandbox uses it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from bot.sandbox.feishu.acts import Acts
from bot.sandbox.feishu.bases import BitableClient
from bot.sandbox.feishu.changes import Changes, Subscription
from bot.sandbox.feishu.codes import Refusal
from bot.sandbox.feishu.crypto import seal
from bot.sandbox.feishu.delivery import Attempt, EventPusher, RetrySchedule
from bot.sandbox.feishu.events import Event, Events
from bot.sandbox.feishu.faults import Faults
from bot.sandbox.feishu.gateway import ApiCall, Gateway, fields_of
from bot.sandbox.feishu.limits import Limits, Rates
from bot.sandbox.feishu.messages import Messages
from bot.sandbox.feishu.reactions import Reactions
from bot.sandbox.feishu.tokens import Tokens
from bot.sandbox.feishu.uploads import Uploads
from bot.sandbox.feishu.world import Chat, ChatMessage, Person, Ping, Upload, World
from bot.sandbox.server import Call, LoopbackServer

BOT_OPEN_ID = "ou_sandbox_bot"
BOT_NAME = "画图"
TENANT_KEY = "sandbox_tenant"

SCOPES = (
    "im:message.p2p_msg:readonly",
    "im:message.group_at_msg:readonly",
    "im:message:send_as_bot",
    "im:resource",
)

_ACTIVE = 2
_GRANTED = 1
_WRONG_APP = 10003
_WRONG_SECRET = 10014
_GLANCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeOutcome:
    """Whether the console would save the request URL, and why not; the time is in seconds."""

    good: bool
    seconds: float
    reason: str


class FeishuStandIn(Acts):
    """The platform, its chats and its people, on 127.0.0.1; a context manager that serves while it is entered.

    It checks tokens, uploads, contents, cards and limits as the documentation says, pushes events encrypted and
    signed, and pushes them again. It does not keep anything, show read receipts, edit text messages (PUT), stream
    cards, or change a card by the token of a press (POST /interactive/v1/card/update): that token ends after two uses
    or half an hour, so a bot changes the message instead. The long connection is offered by
    :class:`bot.sandbox.feishu.connected.ConnectedStandIn`.

    Args:
        port: 0 takes a free one.
        app_id: the app's id.
        app_secret: its secret; made at random where none is given, as are the next two.
        encrypt_key: ``""`` pushes plain and unsigned.
        verification_token: what every event carries.
        webhook_url: where events are pushed; can be set later.
        clock: seconds since 1970; drives message times, token ends, windows of limits and of ``uuid``.
        delivery: how events are pushed; can be set later.
        limits: the platform's numbers.

    ``scopes`` is what the tenant has granted; it is told, not enforced: the fault ``scope`` refuses a call.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        app_id: str = "cli_sandbox",
        app_secret: str | None = None,
        encrypt_key: str | None = None,
        verification_token: str | None = None,
        webhook_url: str | None = None,
        clock: Callable[[], float] = time.time,
        delivery: RetrySchedule | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.app_id = app_id
        self.app_secret = app_secret or secrets.token_hex(16)
        self.encrypt_key = secrets.token_hex(16) if encrypt_key is None else encrypt_key
        self.verification_token = verification_token or secrets.token_hex(16)
        self.scopes = set(SCOPES)
        self.faults = Faults()
        limits = limits or Limits()
        changes = Changes(clock=clock)
        world = World(changes=changes, clock=clock)
        super().__init__(
            world=world,
            events=Events(
                app_id=app_id, verification_token=self.verification_token, tenant_key=TENANT_KEY, clock=clock
            ),
            courier=EventPusher(
                encrypt_key=self.encrypt_key, clock=clock, delivery=delivery or RetrySchedule(), changes=changes
            ),
            uploads=Uploads(world=world, limits=limits, app_id=app_id),
            changes=changes,
            bot=(BOT_OPEN_ID, BOT_NAME),
        )
        self.webhook_url = webhook_url
        self._tokens = Tokens(limits, clock=clock)
        self._server = LoopbackServer(port=port)
        self._serve(limits, Rates(limits, clock=clock))
        world.furnish()

    def _serve(self, limits: Limits, rates: Rates) -> None:
        self._gateway = Gateway(
            world=self.world,
            tokens=self._tokens,
            rates=rates,
            faults=self.faults,
            changes=self._changes,
            app_id=self.app_id,
        )
        self._gateway.route(self._server, "token", "POST", "/auth/v3/tenant_access_token/internal", self._give_token)
        self._gateway.route(self._server, "bot_info", "GET", "/bot/v3/info", self._tell_bot)
        self._gateway.route(self._server, "scopes", "GET", "/application/v6/scopes", self._tell_scopes)
        self._uploads.serve(self._server, self._gateway)
        self.bases = BitableClient(world=self.world)
        self.bases.serve(self._server, self._gateway)
        Messages(world=self.world, limits=limits, rates=rates, app_id=self.app_id, tenant_key=TENANT_KEY).serve(
            self._server, self._gateway
        )
        Reactions(world=self.world, changes=self._changes, app_id=self.app_id).serve(self._server, self._gateway)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._changes.close()
        self._courier.close()
        self._server.__exit__()

    @property
    def origin(self) -> str:
        """What ``FEISHU_DOMAIN`` is set to."""
        return self._server.origin

    @property
    def webhook_url(self) -> str | None:
        """Where events are pushed; ``None`` is an app without a request URL."""
        return self._courier.address

    @webhook_url.setter
    def webhook_url(self, address: str | None) -> None:
        self._courier.address = address

    @property
    def delivery(self) -> RetrySchedule:
        """How events are pushed from now on."""
        return self._courier.delivery

    @delivery.setter
    def delivery(self, delivery: RetrySchedule) -> None:
        self._courier.delivery = delivery

    @property
    def people(self) -> list[Person]:
        """Everybody but the bot."""
        with self.world.lock:
            return list(self.world.people.values())

    @property
    def chats(self) -> list[Chat]:
        """All chats."""
        with self.world.lock:
            return list(self.world.chats.values())

    @property
    def messages(self) -> list[ChatMessage]:
        """All messages as they stand, oldest first."""
        with self.world.lock:
            return list(self.world.messages.values())

    @property
    def uploads(self) -> dict[str, Upload]:
        """All pictures and files by their keys."""
        with self.world.lock:
            return dict(self.world.uploads)

    @property
    def pings(self) -> list[Ping]:
        """Everybody whom the bot's messages would have notified."""
        with self.world.lock:
            return list(self.world.pings)

    @property
    def calls(self) -> list[ApiCall]:
        """The last five thousand calls, oldest first."""
        return list(self._gateway.calls)

    @property
    def attempts(self) -> list[Attempt]:
        """The last five thousand pushes, oldest first."""
        return list(self._courier.attempts)

    def replies(self, message_id: str) -> list[ChatMessage]:
        """What the bot replied to a message."""
        return [
            message for message in self.messages if message.parent_id == message_id and message.sender == self.app_id
        ]

    def calls_named(self, name: str) -> list[ApiCall]:
        """The calls of one API."""
        return [call for call in self.calls if call.name == name]

    def expire_tokens(self) -> None:
        """Ends every token that was given out, as at the end of their two hours."""
        with self.world.lock:
            self._tokens.expire()

    def seal(self, event: Event) -> tuple[bytes, dict[str, str]]:
        """The body and headers with which an event is pushed."""
        return seal(event, encrypt_key=self.encrypt_key, now=self.world.clock())

    def push(self, event: Event, *, times: int = 1, together: bool = False) -> list[Attempt]:
        """Pushes an event as it is, ``times`` times, after one another or at the same moment, and waits."""
        if together:
            return self._courier.push_together(event, times=times)
        return [self._courier.push(event) for _ in range(times)]

    def challenge(self) -> ChallengeOutcome:
        """What the console does when a request URL is saved: the answer has to come within 1 s."""
        word = secrets.token_urlsafe(20)
        allowed = self.delivery.challenge_seconds
        attempt = self._courier.push(self._events.challenge(word), seconds=allowed, signed=False)
        reason: str = "" if attempt.outcome == "acknowledged" else attempt.outcome
        if not reason and _echo(attempt.body) != word:
            reason = "the challenge was not echoed"
        return ChallengeOutcome(good=not reason, seconds=attempt.seconds, reason=reason)

    def listen(self) -> Subscription:
        """All that happens from now on: messages, changed cards, calls, deliveries, toasts."""
        return self._changes.subscribe()

    def wait_for(self, condition: Callable[[FeishuStandIn], bool], *, seconds: float = 10.0) -> bool:
        """Waits until ``condition`` holds for this stand-in; tells whether it did in time."""
        deadline = time.monotonic() + seconds
        with self.listen() as changes:
            while not condition(self):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                changes.wait(min(left, _GLANCE))
        return True

    def _give_token(self, call: Call) -> Mapping[str, Any]:
        fields = fields_of(call)
        if fields.get("app_id") != self.app_id:
            raise Refusal(_WRONG_APP)
        if fields.get("app_secret") != self.app_secret:
            raise Refusal(_WRONG_SECRET)
        token, seconds = self._tokens.give()
        return {"code": 0, "msg": "ok", "tenant_access_token": token, "expire": seconds}

    def _tell_bot(self, _: Call) -> Mapping[str, Any]:
        bot = {
            "activate_status": _ACTIVE,
            "app_name": self.bot_name,
            "avatar_url": f"{self.origin}/avatar.png",
            "ip_white_list": [],
            "open_id": self.bot_open_id,
        }
        return {"code": 0, "msg": "ok", "bot": bot}

    def _tell_scopes(self, _: Call) -> Mapping[str, Any]:
        scopes = [{"scope_name": name, "grant_status": _GRANTED, "scope_type": "tenant"} for name in self.scopes]
        return {"code": 0, "msg": "success", "data": {"scopes": scopes}}


def _echo(body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer.get("challenge") if isinstance(answer, dict) else None
