"""What the check learns from Feishu, with calls that send nothing unless a test card is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from bot.chat.cards import elements as el
from bot.chat.messages import Messages
from bot.cli import check_base
from bot.cli.check_result import CheckResult
from bot.cli.id_args import kind_of
from bot.errors import FeishuAction, FeishuError, SettingsError
from bot.feishu import fixes
from bot.feishu.client import FeishuClient
from bot.platform_clock import PlatformClock
from bot.settings import Settings

TOKEN, BOT, CLOCK, SCOPES, TEST_CARD = "Feishu token", "Bot ability", "Clock", "Scopes", "Test card"
REPLY, PATCH, UPLOAD = "Scope to reply", "Scope to update cards", "Scope to upload images"

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
"""For each thing that the bot does the scopes of which one is enough, the narrowest one first.

https://open.feishu.cn/document/server-docs/im-v1/message/events/receive and the pages of the calls
"""

NOWHERE = "om_0"
"""A message that nobody has sent, so that a call that names it changes nothing."""

_EVENTS = "event im.message.receive_v1, callback card.action.trigger, then publish; send the bot a message to see"
_AT_THE_DOOR = (
    f"事件与回调 Events & Callbacks: request URL https://YOUR-HOST/webhook/event in both tabs, {_EVENTS}; if the "
    "console does not accept the URL, its Encrypt Key or Verification Token differs from the one here: see the log"
)
_CONNECTED = (
    "事件与回调 Events & Callbacks, while `connect` runs: 使用长连接接收 Receive through persistent connection in both "
    f"tabs, {_EVENTS}"
)


def about_feishu(settings: Settings, *, recipient: str | None = None, webhook: bool = True) -> Iterator[CheckResult]:
    """Asks for a token, the bot, the scopes, and one call of each kind that needs a scope of its own.

    Each call but the token's counts to the month's of the plan: five, one for the Base log, one for the test card. It
    does not tell whether events and card actions are subscribed to, whether a version was published, or who may use
    the app: no call tells that without further scopes.

    Args:
        settings: the settings.
        recipient: the chat or person that a test card goes to.
        webhook: whether events are posted to the bot, or come over the long connection.

    Raises:
        SettingsError: the environment names a proxy that cannot be used; nothing was asked then.
    """
    codes: dict[str, int | None] = {}
    clock = PlatformClock()
    client = FeishuClient(
        domain=settings.domain,
        app_id=settings.app_id,
        app_secret=settings.app_secret.get_secret_value(),
        on_call=lambda name, _seconds, code: codes.update({name: code}),
        on_date=clock.learn,
    )
    try:
        bot = _bot(client, domain=settings.domain)
        if codes.get("token") != 0:
            yield CheckResult(name=TOKEN, ok=False, detail=bot.detail, fix=bot.fix)
            yield from unasked("no token", recipient=recipient)
            return
        yield CheckResult(name=TOKEN, ok=True, detail=f"obtained from {settings.domain}")
        yield bot
        yield _clock(clock)
        yield _scopes(client, settings)
        yield from _probes(client, domain=settings.domain)
        if settings.base.on:
            yield check_base.base_log(client, settings)
        yield _untold(webhook=webhook)
        if recipient is not None:
            yield _test_card(client, settings, recipient)
    finally:
        client.close()


def unasked(why: str, *, recipient: str | None = None) -> Iterator[CheckResult]:
    """The lines of what could not be asked for."""
    for name in (BOT, CLOCK, SCOPES, REPLY, PATCH, UPLOAD, *([TEST_CARD] if recipient else [])):
        yield CheckResult(name=name, ok=None, detail=f"not asked ({why})")


def _refused(name: str, error: FeishuError, *, domain: str) -> CheckResult:
    return CheckResult(name=name, ok=False, detail=fixes.describe(error), fix=fixes.suggest_fix(error, domain=domain))


def _bot(client: FeishuClient, *, domain: str) -> CheckResult:
    try:
        bot = client.bot_info()
    except FeishuError as error:
        return _refused(BOT, error, domain=domain)
    who = f"{bot.name}, open_id {bot.open_id}"
    if not bot.active:
        return CheckResult(name=BOT, ok=False, detail=f"{who}, is not active", fix=fixes.SWITCH_ON)
    return CheckResult(name=BOT, ok=True, detail=f"on: {who}")


def _clock(clock: PlatformClock) -> CheckResult:
    if not clock.is_known:
        return CheckResult(name=CLOCK, ok=None, detail="cannot be told: Feishu's answers have no Date")
    if clock.problem:
        fix = "set the clock of this machine, for example with NTP: timedatectl set-ntp true"
        return CheckResult(name=CLOCK, ok=False, detail=clock.problem, fix=fix)
    return CheckResult(name=CLOCK, ok=True, detail="agrees with Feishu's")


def _scopes(client: FeishuClient, settings: Settings) -> CheckResult:
    try:
        granted = client.granted_scopes()
    except FeishuError as error:
        # Nothing that the bot does rests on this call, so its failure alone is no fault.
        return CheckResult(name=SCOPES, ok=None, detail=f"the platform did not tell: {fixes.describe(error)}")
    needed = NEEDED | check_base.NEEDED if settings.base.on else NEEDED
    missing = {purpose: scopes[0] for purpose, scopes in needed.items() if granted.isdisjoint(scopes)}
    if not missing:
        return CheckResult(name=SCOPES, ok=True, detail=f"granted for {', '.join(needed)}")
    lacking = "; ".join(f"{purpose}: {scope}" for purpose, scope in missing.items())
    page = f"{settings.domain}/app/{settings.app_id}/auth?q={','.join(missing.values())}&token_type=tenant"
    return CheckResult(name=SCOPES, ok=False, detail=f"missing for {lacking}", fix=f"grant at {page} , {fixes.PUBLISH}")


def _probes(client: FeishuClient, *, domain: str) -> Iterator[CheckResult]:
    uuid = f"check-{secrets.token_hex(8)}"
    probes: dict[str, Callable[[], object]] = {
        REPLY: lambda: client.reply(NOWHERE, msg_type="text", content='{"text":""}', uuid=uuid, in_thread=False),
        PATCH: lambda: client.patch(NOWHERE, content="{}"),
        UPLOAD: lambda: client.upload_image(b"", filename="check.png"),
    }
    for name, call in probes.items():
        yield _probe(name, call, domain=domain)


def _probe(name: str, call: Callable[[], object], *, domain: str) -> CheckResult:
    """Makes a call that cannot succeed; the platform looks at the scope first, then at what is asked."""
    try:
        call()
    except FeishuError as error:
        if error.action in (FeishuAction.APP_REFUSED, FeishuAction.TELL_ADMIN):
            return _refused(name, error, domain=domain)
        if error.action is FeishuAction.RETRY:
            fix = fixes.suggest_fix(error, domain=domain)
            return CheckResult(name=name, ok=None, detail=f"cannot be told: {fixes.describe(error)}", fix=fix)
    return CheckResult(name=name, ok=True, detail="granted, as far as a call that sends nothing can tell")


def _untold(*, webhook: bool) -> CheckResult:
    detail = "the platform does not tell whether they are set up and published"
    return CheckResult(name="Events and callbacks", ok=None, detail=detail, fix=_AT_THE_DOOR if webhook else _CONNECTED)


def _test_card(client: FeishuClient, settings: Settings, recipient: str) -> CheckResult:
    try:
        words = Messages.load(settings.config_dir)
    except SettingsError:
        return CheckResult(name=TEST_CARD, ok=None, detail="not sent: its sentences cannot be read")
    text = el.line(el.label(words.both("check.text")))
    card = el.card(words.both("check.title"), colour="blue", elements=[text])
    try:
        message_id = client.send(
            recipient,
            receive_id_type=kind_of(recipient),
            msg_type="interactive",
            content=el.content(card),
            uuid=f"check-{secrets.token_hex(8)}",
        )
    except FeishuError as error:
        return _refused(TEST_CARD, error, domain=settings.domain)
    return CheckResult(name=TEST_CARD, ok=True, detail=f"sent to {recipient} as {message_id}")
