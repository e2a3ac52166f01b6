"""Showing a request in the chat: one card that is sent once and then patched, or what replaces a refused card."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bot.chat.cards.card_plain_text import text_of
from bot.chat.cards.cards import Cards, content
from bot.db.leases import Leases
from bot.db.outages import Outages
from bot.db.requests import RequestStore
from bot.db.row_models import RECALLED, Request
from bot.errors import FeishuAction, FeishuError, LeaseLost, SendDelayed
from bot.feishu.error_codes import FOR_NOW
from bot.logs import get_logger
from bot.models import GenerationView
from bot.timings import Timings
from bot.worker.message_sender import Chat, MessageSender
from bot.worker.original_upload import OriginalUploader
from bot.worker.request_renderer import RenderedRequest, RequestRenderer

log = get_logger(__name__)

CHANGES_OF_WAY = 6
"""How many refusals in a row one showing works round before it is put off."""

_MOST_COUNTED = 6

MESSAGE_RECALLED = 230011
"""The code of a reply to a message that was taken back:
https://open.feishu.cn/document/server-docs/im-v1/message/reply"""


class CardPublisher:
    """Brings what the chat shows of a request up to what the database says.

    Args:
        cards: what renders the texts of refused cards.
        rendering: what renders a request as it stands.
        files: what uploads originals.
        leases: the leases of this process, which are confirmed before every call.
        outages: what makes calls wait while Feishu refuses the app.
        on_end: told the model and the pictures of each request of images whose last card was shown.
        clock: the time in seconds since 1970.
    """

    def __init__(
        self,
        *,
        store: RequestStore,
        chat: Chat,
        cards: Cards,
        rendering: RequestRenderer,
        files: OriginalUploader,
        leases: Leases,
        outages: Outages,
        pace: Timings,
        on_end: Callable[[str, tuple[GenerationView, ...]], None] = lambda _model, _pictures: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._chat = chat
        self._cards = cards
        self._rendering = rendering
        self._files = files
        self._leases = leases
        self._owner = leases.owner
        self._outages = outages
        self._pace = pace
        self._on_end = on_end
        self._clock = clock

    def show(self, claimed: Request) -> None:
        """Shows a claimed request as it stands, and lets it go; not the first time when that would be too late."""
        unanswered = claimed.answer_id is None and claimed.delivery_mode == "card"
        if unanswered and self._clock() - claimed.accepted_at > self._pace.resend_in_all:
            log.warning("answer too late", request=claimed.request_id)
            self._store.give_up(claimed, owner=self._owner, outcome="too_late")
            return
        posting = self._posting(claimed)
        for _ in range(CHANGES_OF_WAY):
            request, pictures = self._store.read(claimed.request_id)
            showing = self._rendering.showing(request, pictures)
            try:
                if self._show_once(request, showing, posting):
                    return
            except SendDelayed as held:
                self._store.postpone(request, owner=self._owner, seconds=held.seconds, refused=False)
                return
            except LeaseLost:
                if request.answer_id is not None:
                    # Who took the request over may have shown its end before this older card overwrote it, also where
                    # the outcome of this patch is not known.
                    self._store.show_again(request.request_id)
                raise
        self._store.postpone(claimed, owner=self._owner, seconds=self._pace.resend_longest)

    def show_stalled(self, claimed: Request) -> bool:
        """Shows that a claimed request could not be shown, with a card that needs nothing of it.

        Returns:
            Whether that is done; else the request was let go and is due again later.

        It does not insist: where this card is refused, too, the chat keeps what it has.
        """
        posting = self._posting(claimed)
        card = content(self._cards.notice("stalled"))
        try:
            if claimed.answer_id is None:
                posting.post(claimed, "card", msg_type="interactive", content=card)
            else:
                posting.patch(claimed.answer_id, content=card)
        except SendDelayed as held:
            stalled = claimed.stalled_attempts - 1
            self._store.postpone(
                claimed, owner=self._owner, seconds=held.seconds, refused=False, stalled_attempts=stalled
            )
            return False
        except FeishuError as error:
            log.warning("card rejected", request=claimed.request_id, code=error.code, log_id=error.log_id)
        return True

    def _posting(self, claimed: Request) -> MessageSender:
        confirm = partial(self._leases.confirm, claimed.request_id)
        return MessageSender(self._chat, store=self._store, outages=self._outages, confirm=confirm)

    def _show_once(self, request: Request, showing: RenderedRequest, posting: MessageSender) -> bool:
        """Shows a request as it was rendered; tells whether that is all, or another way has to be tried at once."""
        try:
            answer_id = self._deliver(request, showing, posting)
        except FeishuError as error:
            return not self._work_round(request, showing, error, posting)
        self._store.shown(
            request,
            owner=self._owner,
            card_state=showing.face,
            last=showing.last,
            shown_position=showing.told,
            answer_id=answer_id,
        )
        log.info("card published", request=request.request_id, state=showing.face, mode=request.delivery_mode)
        if request.recalled and request.delivery_mode == "card" and answer_id is not None:
            # An earlier attempt may have sent the text: then this one was given the id of that message.
            self._store.show_again(request.request_id)
        if showing.last and request.kind == "images" and showing.face != request.card_state:
            self._on_end(request.options.model, showing.pictures)
        return True

    def _deliver(self, request: Request, showing: RenderedRequest, posting: MessageSender) -> str | None:
        if request.delivery_mode == "card":
            if request.answer_id is None:
                if showing.face == "original":
                    return self._send_original(request, posting)
                return posting.post(request, "card", msg_type="interactive", content=content(showing.card))
            posting.patch(request.answer_id, content=content(showing.card))
            return None
        sent = self._store.sent(request.request_id)
        if request.recalled and "text" in sent:
            for message_id in filter(None, (sent["text"], request.answer_id)):
                posting.recall(message_id)
        elif showing.last:
            self._deliver_plain(request, showing, posting, sent=sent)
        return None

    def _send_original(self, request: Request, posting: MessageSender) -> str:
        notice = "original_gone"
        try:
            if "file" in self._store.sent(request.request_id):
                # It was refused, and only the notice had to wait.
                notice, file_key = "original_refused", None
            else:
                confirm = partial(self._leases.confirm, request.request_id)
                file_key = self._files.upload(request.content["argument"], confirm=confirm)
            if file_key is not None:
                return posting.post(request, "file", msg_type="file", content=content({"file_key": file_key}))
        except FeishuError as error:
            if _about_the_place(error.action, request):
                raise
            log.warning("original rejected", request=request.request_id, code=error.code, help=error.help_url)
            # It may be the key that is refused, as another app's.
            self._files.forget(request.content["argument"])
            self._store.record_send(request, "file", "", owner=self._owner)
            notice = "original_refused"
        card = content(self._cards.notice(notice))
        return posting.post(request, "card", msg_type="interactive", content=card)

    def _deliver_plain(
        self, request: Request, showing: RenderedRequest, posting: MessageSender, *, sent: Mapping[str, str]
    ) -> None:
        """The pictures as image messages, the rest as text, and a pointer on the old card where there is one."""
        for place, picture in enumerate(showing.pictures):
            step = f"image{place}"
            if picture.image_key and step not in sent:
                self._send_picture(request, step, picture.image_key, posting)
        if "text" not in sent:
            body = content({"text": self._words(request, showing)})
            message_id = posting.post(request, "text", msg_type="text", content=body)
            self._store.record_send(request, "text", message_id, owner=self._owner)
        if request.answer_id is not None:
            posting.patch_unless_refused(request.answer_id, content=content(self._cards.moved()))

    def _send_picture(self, request: Request, step: str, image_key: str, posting: MessageSender) -> None:
        try:
            message_id = posting.post(request, step, msg_type="image", content=content({"image_key": image_key}))
        except FeishuError as error:
            if _about_the_place(error.action, request):
                raise
            # The text that follows holds the link, so a refused picture does not take the answer with it. The refusal
            # is stored, because the text may have to wait and the picture would then be sent again before it.
            log.warning("image not sent", request=request.request_id, code=error.code)
            message_id = ""
        self._store.record_send(request, step, message_id, owner=self._owner)

    def _words(self, request: Request, showing: RenderedRequest) -> str:
        if showing.request_card is not None:
            return self._cards.plain(showing.request_card, request.language)
        return text_of(showing.card, request.language)

    def _work_round(
        self, request: Request, showing: RenderedRequest, error: FeishuError, posting: MessageSender
    ) -> bool:
        """Decides what a refusal means; tells whether to show again at once."""
        log.log(
            _level(error),
            "card rejected",
            request=request.request_id,
            mode=request.delivery_mode,
            code=error.code,
            action=error.action.name,
            log_id=error.log_id,
            help=error.help_url,
        )
        if error.action in FOR_NOW:
            self._put_off(request, error)
            return False
        patching = request.delivery_mode == "card" and request.answer_id is not None
        if patching and request.recalled:
            self._give_up(request, error, posting)
            return False
        taken_back = error.code == MESSAGE_RECALLED and request.reply_to == request.dedup_key and not patching
        if taken_back and (request.kind != "images" or showing.face == "cancelled"):
            # Whoever took the message back expects no answer to it, and has cancelled its images by that.
            self._store.give_up(request, owner=self._owner, outcome=RECALLED)
            return False
        change = _after_patch(error.action) if patching else _after_send(error.action, request)
        if change is None:
            self._give_up(request, error, posting)
            return False
        if taken_back:
            # Its words do not come back into the chat; Feishu may know of the recall before we do.
            change["hide_prompt"] = True
        self._store.change(request, owner=self._owner, **change)
        return True

    def _give_up(self, request: Request, error: FeishuError, posting: MessageSender) -> None:
        """Ends a request whose answer is refused for good; an old card must not go on saying that it is coming.

        Nor may one go on showing text of a recalled message.
        """
        if request.answer_id is not None and (request.delivery_mode == "messages" or request.recalled):
            try:
                if request.recalled:
                    posting.recall(request.answer_id)
                else:
                    posting.patch_unless_refused(request.answer_id, content=content(self._cards.notice("unshown")))
            except FeishuError as later:
                self._put_off(request, later)
                return
        self._store.give_up(request, owner=self._owner, outcome=f"feishu_{error.code}")

    def _put_off(self, request: Request, error: FeishuError) -> None:
        if error.action is FeishuAction.APP_REFUSED:
            if self._clock() - request.accepted_at > self._pace.outage_in_all:
                self._store.give_up(request, owner=self._owner, outcome=f"feishu_{error.code}")
                return
            # The attempts that make the waits longer stay below what ends a request.
            seconds, counts = self._pace.after_refusal(request.attempts), request.attempts < _MOST_COUNTED
            self._store.postpone(request, owner=self._owner, seconds=seconds, refused=counts)
            return
        waited = request.attempts * self._pace.resend_longest
        if waited > self._pace.resend_in_all:
            self._store.give_up(request, owner=self._owner, outcome="feishu_unreachable")
            return
        seconds = self._pace.retry_delay(error.retry_after, times=request.attempts)
        if error.retry_after:
            self._store.hold(seconds)
        self._store.postpone(request, owner=self._owner, seconds=seconds)


def _level(error: FeishuError) -> int:
    """An outage is logged when it begins and ends, not at every probe."""
    return logging.INFO if error.action is FeishuAction.APP_REFUSED else logging.WARNING


def _about_the_place(action: FeishuAction, request: Request) -> bool:
    """Whether a refusal is not one of this picture or file: it is for now, or there is another place to send to."""
    return action in FOR_NOW or _other_place(action, request) is not None


def _after_patch(action: FeishuAction) -> dict[str, Any] | None:
    """How to go on after a card could not be changed; ``None`` when nobody is there to see it."""
    if action in (FeishuAction.SEND_WITHOUT_PROMPT, FeishuAction.SHORTEN):
        return {"hide_prompt": True, "delivery_mode": "messages"}
    if action in (FeishuAction.GIVE_UP, FeishuAction.SEND_WITHOUT_QUOTE):
        return None
    return {"delivery_mode": "messages"}


def _other_place(action: FeishuAction, request: Request) -> dict[str, Any] | None:
    """Where to send to instead, when the message or the topic replied to is gone."""
    match action:
        case FeishuAction.SEND_WITHOUT_QUOTE if request.reply_to is not None:
            return {"reply_to": None}
        case FeishuAction.SEND_OUTSIDE_TOPIC if request.in_topic:
            return {"in_topic": False}
        case _:
            return None


def _after_send(action: FeishuAction, request: Request) -> dict[str, Any] | None:
    """How to go on after a message could not be sent; ``None`` when there is no way left."""
    match action:
        case FeishuAction.SEND_WITHOUT_PROMPT | FeishuAction.SHORTEN if not request.hide_prompt:
            return {"hide_prompt": True}
        case FeishuAction.SEND_PLAIN if request.delivery_mode == "card":
            return {"delivery_mode": "messages"}
        case _:
            return _other_place(action, request)
