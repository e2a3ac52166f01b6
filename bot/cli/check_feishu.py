"""Checks of the Feishu app, with calls that send nothing unless a test card is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC
from typing import Any

from bot.chat.cards.elements import CardContext, content
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.cli.check_local import CheckResult, Outcome
from bot.errors import FeishuAction, FeishuError, SettingsError
from bot.feishu import error_codes as fixes
from bot.feishu.bitable import FIELDS, BitableClient
from bot.feishu.client import FeishuClient
from bot.settings import Settings
from bot.timings import PlatformClock

NEEDED: dict[str, tuple[str, ...]] = {
    "direct messages": ("im:message.p2p_msg:readonly", "im:message.p2p_msg", "im:message"),
    "mentions in groups": (
        "im:message.group_at_msg:readonly",
        "im:message.group_at_msg",
        "im:message.group_msg",
        "im:message",
    ),
    "sending": ("im:message:send_as_bot", "im:message"),
    "uploading images": ("im:resource", "im:resource:upload"),
}
"""The scopes of which one is enough for each purpose, the narrowest one first.

https://open.feishu.cn/document/server-docs/im-v1/message/events/receive and the pages of the calls
"""

NEEDED_FOR_BASE: dict[str, tuple[str, ...]] = {"exporting to a Base": ("base:record:create", "bitable:app")}
"""https://open.feishu.cn/document/server-docs/docs/bitable-v1/app-table-record/batch_create"""

NO_MESSAGE = "om_0"  # a message that does not exist, so that a call that names it changes nothing

_EVENTS = "event im.message.receive_v1, callback card.action.trigger, then publish; send the bot a message to see"
_WEBHOOK = (
    f"事件与回调 Events & Callbacks: request URL https://YOUR-HOST/webhook/event in both tabs, {_EVENTS}; if the "
    "console does not accept the URL, its Encrypt Key or Verification Token differs from the one here: see the log"
)
_CONNECTED = (
    "事件与回调 Events & Callbacks, while `connect` runs: 使用长连接接收 Receive through persistent connection in both "
    f"tabs, {_EVENTS}"
)


def check_feishu(
    settings: Settings, *, recipient: str | None = None, webhook: bool = True, skip: str = ""
) -> Iterator[CheckResult]:
    """Requests a token, the bot, the scopes, and one call of each kind that needs a scope of its own.

    Each call but the token's counts towards the month's of the plan: five, one for the Base, one for the test card,
    which is sent to ``recipient``. No call tells, without further scopes, whether events and card actions are
    subscribed to, whether a version was published, or who may use the app; ``webhook`` says how events are to come.
    ``skip`` is why nothing is to be called. ``SettingsError`` if the environment names a proxy that cannot be used.
    """
    clock = PlatformClock()
    message: Any = {"msg_type": "text", "content": '{"text":""}', "uuid": f"check-{secrets.token_hex(8)}"}
    unknown = "the platform does not tell whether they are set up and published"
    checks: dict[str, Callable[[], Outcome]] = {
        "Feishu token": lambda: _token(client),
        "Bot ability": lambda: _bot(client),
        "Clock": lambda: _clock(clock),
        "Scopes": lambda: _scopes(client, settings),
        "Scope to reply": lambda: _probe(client, lambda: client.reply(NO_MESSAGE, **message, in_thread=False)),
        "Scope to update cards": lambda: _probe(client, lambda: client.patch(NO_MESSAGE, content="{}")),
        "Scope to upload images": lambda: _probe(client, lambda: client.upload_image(b"", filename="check.png")),
        "Base log": lambda: _base(client, settings),
        "Events and callbacks": lambda: (None, unknown, _WEBHOOK if webhook else _CONNECTED),
        "Test card": lambda: _test_card(client, settings, str(recipient)),
    }
    with ExitStack() as stack:
        if not skip:
            client = stack.enter_context(closing(FeishuClient(**settings.feishu_access, on_date=clock.learn)))
        for name, check in checks.items():
            if (name == "Base log" and not settings.base.app_token) or (name == "Test card" and recipient is None):
                continue
            if not skip:
                try:
                    result = CheckResult(name, *check())
                except FeishuError as error:
                    fix = fixes.suggest_fix(error, domain=settings.domain)
                    result = CheckResult(name, ok=False, detail=fixes.describe(error), fix=fix)
                yield result
                skip = "no token" if name == "Feishu token" and not result.ok else ""
            elif name not in ("Base log", "Events and callbacks"):
                yield CheckResult(name, None, f"skipped ({skip})")


def _token(client: FeishuClient) -> Outcome:
    client.token.get()
    return True, f"obtained from {client.domain}"


def _bot(client: FeishuClient) -> Outcome:
    bot = client.bot_info()
    who = f"{bot.name}, open_id {bot.open_id}"
    return (True, f"on: {who}") if bot.active else (False, f"{who}, is not active", fixes.SWITCH_ON)


def _clock(clock: PlatformClock) -> Outcome:
    if not clock.is_known:
        return None, "cannot be checked: Feishu's answers have no Date"
    if clock.problem:
        return False, clock.problem, "set the clock of this machine, for example with NTP: timedatectl set-ntp true"
    return True, "agrees with Feishu's"


def _scopes(client: FeishuClient, settings: Settings) -> Outcome:
    try:
        granted = client.granted_scopes()
    except FeishuError as error:
        # The bot itself does not make this call.
        return None, f"the platform did not tell: {fixes.describe(error)}"
    needed = NEEDED | NEEDED_FOR_BASE if settings.base.app_token else NEEDED
    missing = {purpose: scopes[0] for purpose, scopes in needed.items() if granted.isdisjoint(scopes)}
    if not missing:
        return True, f"granted for {', '.join(needed)}"
    details = "; ".join(f"{purpose}: {scope}" for purpose, scope in missing.items())
    page = f"{settings.domain}/app/{settings.app_id}/auth?q={','.join(missing.values())}&token_type=tenant"
    return False, f"missing for {details}", f"grant at {page} , {fixes.PUBLISH}"


def _probe(client: FeishuClient, call: Callable[[], object]) -> Outcome:
    """Makes a call that cannot succeed; the platform checks the scope first, and the rest afterwards."""
    try:
        call()
    except FeishuError as error:
        if error.action in (FeishuAction.APP_REFUSED, FeishuAction.TELL_ADMIN):
            raise
        if error.action is FeishuAction.RETRY:
            return None, f"cannot be checked: {fixes.describe(error)}", fixes.suggest_fix(error, domain=client.domain)
    return True, "granted, as far as a call that sends nothing can tell"


def _base(client: FeishuClient, settings: Settings) -> Outcome:
    """Whether the table exists and has its fields; not whether it is full or may be written."""
    base = settings.base
    present = BitableClient(client.call).fields(base.app_token, base.table_id)
    wrong = [field.name for field in FIELDS if present.get(field.name) != field.kind]
    if wrong:
        return False, f"missing or of another type: {', '.join(wrong)}", fixes.RESTORE_FIELDS
    return True, f"table {base.table_id} exists, with its {len(FIELDS)} fields"


def _test_card(client: FeishuClient, settings: Settings, recipient: str) -> Outcome:
    try:
        messages = Messages.load(settings.config_dir)
    except SettingsError:
        return None, "not sent: its text cannot be read"
    cards = CardContext(messages=messages, styles=Styles(()), zone=UTC)
    card = cards.card("check.title", [cards.paragraph("check.text")])
    uuid = f"check-{secrets.token_hex(8)}"
    message_id = client.send(recipient, msg_type="interactive", content=content(card), uuid=uuid)
    return True, f"sent to {recipient} as {message_id}"
