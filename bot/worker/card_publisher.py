"""Publishes a request in the chat: one card that is sent once and then patched, or what replaces a refused card."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bot.chat.cards.command_cards import render_moved, render_notice
from bot.chat.cards.elements import Card, content, text_of
from bot.db.leases import Leases
from bot.db.requests import RequestStore
from bot.db.tables import NOTIFICATION, RECALLED, Request
from bot.db.timers import SendRateLimiter
from bot.errors import FeishuAction, FeishuError, LeaseLost, SendDelayed
from bot.feishu.client import FeishuClient
from bot.feishu.error_codes import FOR_NOW, refusal_level
from bot.logs import get_logger
from bot.models import GenerationView
from bot.timings import Timings
from bot.worker.bitable_export import month_csv
from bot.worker.image_cache import OriginalUploader
from bot.worker.request_renderer import RenderedRequest, RequestRenderer

log = get_logger(__name__)

MOST_FALLBACKS = 6  # how many refusals in a row one publication handles at once before it is postponed

MESSAGE_RECALLED = 230011
"""The code of a reply to a recalled message: https://open.feishu.cn/document/server-docs/im-v1/message/reply"""

# The states of a card about which a sender who has waited is notified, and the sentences.
NOTIFIED = {"result": "notification.result", "failed": "notification.failed"}

FILES = {"original", "export"}  # the commands whose answer is a file
THANKS = "THUMBSUP"  # https://open.feishu.cn/document/server-docs/im-v1/message-reaction/emojis-introduce

_FALLBACKS: Mapping[FeishuAction, Mapping[str, Any]] = {
    FeishuAction.SEND_WITHOUT_PROMPT: {"hide_prompt": True},
    FeishuAction.SHORTEN: {"hide_prompt": True},
    FeishuAction.SEND_PLAIN: {"delivery_mode": "messages"},
    FeishuAction.SEND_WITHOUT_QUOTE: {"reply_to": None},
    FeishuAction.SEND_OUTSIDE_TOPIC: {"in_topic": False},
}


def send_uuid(request_id: str, step: str) -> str:
    """The ``uuid`` of a send: derived from the request and the step, never from the attempt.

    Feishu delivers at most one message a uuid (50 characters at most) within an hour:
    https://open.feishu.cn/document/server-docs/im-v1/message/reply
    """
    return hashlib.sha256(f"{request_id}:{step}".encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPublisher:
    """Brings what the chat shows of a request up to what the database says, with its lease confirmed before every call.

    ``on_end`` is called with the model and the images of a request whose last card was published. A sender who has
    waited for ``notify_after`` seconds is notified of the end; 0 notifies nobody.
    """

    store: RequestStore
    feishu: FeishuClient
    renderer: RequestRenderer
    originals: OriginalUploader
    leases: Leases
    limiter: SendRateLimiter
    timings: Timings
    notify_after: float = 0.0
    on_end: Callable[[str, tuple[GenerationView, ...]], None] = lambda _model, _images: None
    clock: Callable[[], float] = time.time

    def publish(self, request: Request, images: tuple[GenerationView, ...]) -> None:
        """Publishes a claimed request and releases it; not the first time when that would be too late."""
        if request.kind == "thanks":
            self._react(request)
            return
        unanswered = request.answer_id is None and request.delivery_mode == "card"
        if unanswered and self.clock() - request.accepted_at > self.timings.resend_in_all:
            log.warning("answer too late")
            self.store.give_up(request, outcome="too_late")
            return
        for _ in range(MOST_FALLBACKS):
            rendered = self.renderer.render(request, images)
            try:
                if self._publish_once(request, rendered):
                    return
            except SendDelayed as delayed:
                self.store.postpone(request, seconds=delayed.seconds, refused=False)
                return
            except LeaseLost:
                if request.answer_id is not None:
                    # The process that took the request over may have published its end before this older card
                    # overwrote it, also where the outcome of this patch is not known.
                    self.store.reopen(request.request_id)
                raise
            request, images = self.store.read(request.request_id)
        self.store.postpone(request, seconds=self.timings.resend_longest)

    def publish_stalled(self, claimed: Request) -> None:
        """Says that a claimed request could not be shown."""
        card = render_notice(self.renderer.cards, "stalled")
        if claimed.answer_id is None:
            self._post(claimed, "card", "interactive", card)
        else:
            self._patch(claimed, claimed.answer_id, card)

    def _publish_once(self, request: Request, rendered: RenderedRequest) -> bool:
        """Publishes what was rendered; false where another way has to be tried at once."""
        answer_id = None
        try:
            if request.delivery_mode == "messages":
                self._send_messages(request, rendered)
            elif request.answer_id is not None:
                self._patch(request, request.answer_id, rendered.card)
            elif rendered.state in FILES:
                answer_id = self._send_file(request, rendered)
            else:
                answer_id = self._post(request, "card", "interactive", rendered.card)
            waited = self.clock() - request.accepted_at
            if rendered.state in NOTIFIED and rendered.state != request.card_state and 0 < self.notify_after <= waited:
                self._notify(request, NOTIFIED[rendered.state])
        except FeishuError as error:
            return not self._handle_refusal(request, rendered, error)
        self.store.mark_published(
            request,
            card_state=rendered.state,
            last=rendered.last,
            shown_position=rendered.position_key,
            answer_id=answer_id,
        )
        log.info("card published", state=rendered.state, mode=request.delivery_mode)
        if request.recalled and answer_id is not None:
            # An earlier attempt may have sent the text: then this one was given the id of that message.
            self.store.reopen(request.request_id)
        if rendered.last and rendered.view is not None and rendered.state != request.card_state:
            self.on_end(request.options.model, rendered.view.images)
        return True

    def _send_file(self, request: Request, rendered: RenderedRequest) -> str:
        """Sends the file that was asked for, or the card that says that it is gone or that Feishu did not take it."""
        kind, argument, card = rendered.state, request.content["argument"], rendered.card
        # A file that was refused is not tried again when only the card had to wait.
        refused = "file" in self.store.sent(request.request_id)
        try:
            if not refused and (file_key := self._upload(request, kind, argument)) is not None:
                return self._post(request, "file", "file", {"file_key": file_key})
        except FeishuError as error:
            if not _is_about_content(error.action, request):
                raise
            log.warning("file rejected", kind=kind, code=error.code, help=error.help_url)
            if kind == "original":
                # It may be the key that is refused, as another app's.
                self.originals.store_key(argument, None)
            self.store.record_send(request, "file", "")
            refused = True
        if refused:
            card = render_notice(self.renderer.cards, f"{kind}_refused")
        return self._post(request, "card", "interactive", card)

    def _upload(self, request: Request, kind: str, argument: str) -> str | None:
        """Uploads an original, or a month's usage; returns the file key, or ``None`` where the image is gone."""
        confirm = partial(self.leases.confirm, request.request_id)
        if kind == "original":
            return self.originals.upload(argument, confirm=confirm)
        limits = self.renderer.limits
        table = month_csv(self.store.database, argument, prices=limits.prices, periods=limits.periods)
        confirm()
        return self.feishu.upload_file(table, filename=f"usage-{argument}.csv")

    def _send_messages(self, request: Request, rendered: RenderedRequest) -> None:
        """The images as image messages, the rest as text, and a pointer on the old card where there is one."""
        sent = self.store.sent(request.request_id)
        if request.recalled and "text" in sent:
            for message_id in filter(None, (sent["text"], request.answer_id)):
                self._replace_old(request, message_id, None)
            return
        if not rendered.last:
            return
        for index, image in enumerate(rendered.view.images if rendered.view else ()):
            step = f"image{index}"
            if image.image_key and step not in sent:
                self._send_image(request, step, image.image_key)
        if "text" not in sent:
            text = {"text": text_of(rendered.card, request.language)}
            message_id = self._post(request, "text", "text", text)
            self.store.record_send(request, "text", message_id)
        if request.answer_id is not None:
            self._replace_old(request, request.answer_id, render_moved(self.renderer.cards))

    def _send_image(self, request: Request, step: str, image_key: str) -> None:
        try:
            message_id = self._post(request, step, "image", {"image_key": image_key})
        except FeishuError as error:
            if not _is_about_content(error.action, request):
                raise
            # The text that follows holds the link, so a refused image does not take the answer with it. The refusal
            # is stored, because the text may have to wait and the image would then be sent again before it.
            log.warning("image not sent", code=error.code)
            message_id = ""
        self.store.record_send(request, step, message_id)

    def _notify(self, request: Request, sentence: str) -> None:
        """Mentions the sender in a reply to the finished card, once: a card that is patched notifies nobody."""
        if request.answer_id is None or NOTIFICATION in self.store.sent(request.request_id):
            return
        text = self.renderer.cards.messages.text(sentence, request.language)
        body = {"text": f'<at user_id="{request.sender}"></at> {text}'}
        try:
            message_id = self._post(replace(request, reply_to=request.answer_id), NOTIFICATION, "text", body)
        except FeishuError as error:
            if error.action in FOR_NOW:
                raise
            log.info("sender not notified", code=error.code)
            message_id = ""
        self.store.record_send(request, NOTIFICATION, message_id)

    def _handle_refusal(self, request: Request, rendered: RenderedRequest, error: FeishuError) -> bool:
        """Decides what a refusal means; true where the request is to be published another way at once."""
        mode, code, action = request.delivery_mode, error.code, error.action.name
        ids = {"log_id": error.log_id, "help": error.help_url}
        log.log(refusal_level(error), "card rejected", mode=mode, code=code, action=action, **ids)
        if error.action in FOR_NOW:
            self._retry_later(request, error)
            return False
        patching = mode == "card" and request.answer_id is not None
        recalled = code == MESSAGE_RECALLED and request.reply_to == request.dedup_key and not patching
        if recalled and (request.kind != "images" or rendered.state == "cancelled"):
            # Nobody expects an answer to a recalled message, and its images are cancelled.
            self.store.give_up(request, outcome=RECALLED)
            return False
        change = _fallback(error.action, request, patching=patching)
        if not change:
            self._give_up(request, error)
            return False
        if recalled:
            # Its words do not come back into the chat; Feishu may know of the recall before we do.
            change["hide_prompt"] = True
        self.store.change(request, **change)
        return True

    def _give_up(self, request: Request, error: FeishuError) -> None:
        """Ends a request whose answer is refused for good, and what its old card says of it."""
        if request.answer_id is not None and (request.delivery_mode == "messages" or request.recalled):
            try:
                card = None if request.recalled else render_notice(self.renderer.cards, "unshown")
                self._replace_old(request, request.answer_id, card)
            except FeishuError as later:
                self._retry_later(request, later)
                return
        self.store.give_up(request, outcome=f"feishu_{error.code}")

    def _retry_later(self, request: Request, error: FeishuError) -> None:
        timings, attempts = self.timings, request.attempts
        if error.action is FeishuAction.APP_REFUSED:
            if self.clock() - request.accepted_at > timings.outage_in_all:
                self.store.give_up(request, outcome=f"feishu_{error.code}")
            else:
                # The attempts that make the waits longer stay below what ends a request.
                counts = attempts < MOST_FALLBACKS
                self.store.postpone(request, seconds=timings.after_refusal(attempts), refused=counts)
        elif attempts * timings.resend_longest > timings.resend_in_all:
            self.store.give_up(request, outcome="feishu_unreachable")
        else:
            seconds = timings.retry_delay(error.retry_after, times=attempts)
            if error.retry_after:
                self.limiter.hold(seconds)
            self.store.postpone(request, seconds=seconds)

    def _react(self, request: Request) -> None:
        """Puts an emoji on a message that only says thanks; without the scope, or after any other refusal, nothing."""
        outcome = "reacted"
        try:
            if request.reply_to is not None:
                self.feishu.react(request.reply_to, emoji_type=THANKS)
        except FeishuError as error:
            log.info("no reaction", code=error.code)
            outcome = "silent"
        self.store.give_up(request, outcome=outcome)

    def _post(self, request: Request, step: str, msg_type: str, body: dict[str, Any]) -> str:
        """Sends a step's message, as a reply where there is a message to quote; returns its id."""
        target = request.chat_id or request.sender
        self._reserve(request, target)
        message = {"msg_type": msg_type, "content": content(body)}
        if request.reply_to is not None:
            uuid = send_uuid(request.request_id, step)
            return self.feishu.reply(request.reply_to, **message, uuid=uuid, in_thread=request.in_topic)
        uuid = send_uuid(request.request_id, f"{step}:unquoted")
        return self.feishu.send(target, **message, uuid=uuid)

    def _patch(self, request: Request, message_id: str, card: Card) -> None:
        self._reserve(request, message_id)
        self.feishu.patch(message_id, content=content(card))

    def _replace_old(self, request: Request, message_id: str, card: Card | None) -> None:
        """Patches an old message of the bot to a card, or recalls it; leaves it where that is refused for good."""
        try:
            if card is not None:
                self._patch(request, message_id, card)
            else:
                self._reserve(request, message_id)
                self.feishu.recall(message_id)
        except FeishuError as error:
            if error.action in FOR_NOW:
                raise
            log.info("old card not updated", message_id=message_id, code=error.code)

    def _reserve(self, request: Request, target: str) -> None:
        if (wait := self.limiter.reserve(target)) > 0:
            raise SendDelayed(wait)
        self.leases.confirm(request.request_id)


def _is_about_content(action: FeishuAction, request: Request) -> bool:
    """Whether a refusal is for this image or file: not temporary, and with no other target to send to."""
    return action not in FOR_NOW and not {"reply_to", "in_topic"} & _fallback(action, request).keys()


def _fallback(action: FeishuAction, request: Request, *, patching: bool = False) -> dict[str, Any]:
    """What to change of how a request is answered; empty when nothing is left to try, or nobody is there to see it."""
    change = _FALLBACKS.get(action, {})
    if patching:
        gone = request.recalled or action in (FeishuAction.GIVE_UP, FeishuAction.SEND_WITHOUT_QUOTE)
        return {} if gone else {"delivery_mode": "messages", **(change if "hide_prompt" in change else {})}
    return {name: value for name, value in change.items() if getattr(request, name) != value}
