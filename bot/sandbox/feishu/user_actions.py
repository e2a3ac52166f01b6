"""What users do in the chats, the events of it, and what they see of the answer to a card action."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.feishu.cards import validate_card
from bot.sandbox.feishu.delivery import Attempt, EventPusher
from bot.sandbox.feishu.events import Event, Mention, message_event, milliseconds, new_event, render_content
from bot.sandbox.feishu.state import TENANT_KEY, ChatMessage, FeishuState, new_id
from bot.sandbox.feishu.uploads import Uploads

EVERYBODY = "@_all"
"""Mentions everybody in a text; its event has no entry for it."""

_CODES = {"no address": 200340, "late": 200341, "unreachable": 200342, "refused": 200671}
_BAD_BODY, _BAD_CARD = 200672, 200673


@dataclass(frozen=True, slots=True, kw_only=True)
class PressAnswer:
    """What the presser sees: an error code, or a toast, or nothing; and a card that replaces the pressed one."""

    message_id: str
    presser: str
    code: int | None = None
    toast: dict[str, Any] | None = None
    card: dict[str, Any] | None = None


class UserActions:
    """The users' side of the stand-in; each action returns at once, its event follows in the background.

    A group's messages reach the bot only when they mention it or everybody, as with the scope
    ``im:message.group_at_msg:readonly``. The actions that are no messages return the event's id.
    """

    state: FeishuState
    bot_open_id: str
    bot_name: str
    _pusher: EventPusher
    _uploads: Uploads

    def say(
        self,
        *,
        chat_id: str,
        sender: str,
        text: str = "",
        mention_bot: bool = True,
        mentions: Sequence[str] = (),
        thread_id: str | None = None,
        as_post: bool = False,
        image: bytes | None = None,
        quote: str | None = None,
    ) -> ChatMessage:
        """Sends a text, rich text or an image; an image with a text or a mention is rich text.

        In a topic group it opens a thread, unless it is a reply in ``thread_id`` or to the message ``quote``. ``@Name``
        of a mentioned user is replaced where it is; other mentions come first. The bot is mentioned in groups only.
        """
        named = [(open_id, self.state.people[open_id].name, "user") for open_id in mentions]
        if mention_bot and self.state.chats[chat_id].kind != "p2p":
            named.insert(0, (self.bot_open_id, self.bot_name, "bot"))
        noted = [
            Mention(index=index, open_id=open_id, name=name, kind=kind)
            for index, (open_id, name, kind) in enumerate(named, start=1)
        ]
        where: dict[str, Any] = {"thread_id": thread_id, "quote": quote}
        key = None if image is None else self._uploads.store(image, name="picture", kind="image", owner=sender).key
        if key and not (text or noted):
            return self._send(chat_id, sender, "image", json.dumps({"image_key": key}), **where)
        kind = "post" if as_post or key else "text"
        content = render_content(text, noted, image_key=key, as_post=kind == "post")
        return self._send(chat_id, sender, kind, content, noted=noted, **where)

    def send_file(
        self,
        *,
        chat_id: str,
        sender: str,
        content: bytes,
        name: str,
        seconds: int | None = None,
        thread_id: str | None = None,
        quote: str | None = None,
    ) -> ChatMessage:
        """Sends a file, or a voice message of so many seconds."""
        key = self._uploads.store(content, name=name, kind="file", owner=sender).key
        more = {"file_name": name} if seconds is None else {"duration": seconds * 1000}
        content_ = json.dumps({"file_key": key, **more}, ensure_ascii=False)
        kind = "file" if seconds is None else "audio"
        return self._send(chat_id, sender, kind, content_, thread_id=thread_id, quote=quote)

    def react(self, message_id: str, *, by: str, emoji_type: str) -> None:
        """Puts an emoji on a message; the bot has not subscribed to the event of it."""
        message, person = self.state.messages[message_id], self.state.people[by]
        self.state.add_reaction(message.message_id, operator=person.open_id, emoji_type=emoji_type)

    def event_of(self, message: ChatMessage) -> Event:
        return message_event(self.state, message)

    def recall(self, message_id: str, *, by: str) -> str:
        """Recalls a message, as its sender or as a manager of the group."""
        message = self.state.change_message(message_id, recalled=True)
        body = {
            "message_id": message_id,
            "chat_id": message.chat_id,
            "recall_time": milliseconds(self.state.clock()),
            "recall_type": "message_owner" if by == message.sender else "group_manager",
        }
        return self._deliver(new_event(self.state, "im.message.recalled_v1", body))

    def delete(self, message_id: str) -> None:
        """Deletes a message, of which there is no event."""
        self.state.change_message(message_id, deleted=True)

    def enter_p2p(self, person: str) -> str:
        chat_id = self.state.direct_chat(person).chat_id
        body: Event = {"chat_id": chat_id, "operator_id": self.state.people[person].ids}
        for last in [one for one in self.state.messages.values() if one.chat_id == chat_id][-1:]:
            body |= {"last_message_id": last.message_id, "last_message_create_time": milliseconds(last.created)}
        return self._deliver(new_event(self.state, "im.chat.access_event.bot_p2p_chat_entered_v1", body))

    def add_bot(self, chat_id: str, *, by: str) -> str:
        chat = self.state.set_membership(chat_id, bot_inside=True)
        body = {
            "chat_id": chat.chat_id,
            "operator_id": self.state.people[by].ids,
            "external": False,
            "operator_tenant_key": TENANT_KEY,
            "name": chat.name,
            "i18n_names": {"zh_cn": chat.name, "en_us": chat.name},
        }
        return self._deliver(new_event(self.state, "im.chat.member.bot.added_v1", body))

    def remove_bot(self, chat_id: str) -> None:
        """Removes the bot from a group: no event reaches it, and what it sends is rejected (230002)."""
        self.state.set_membership(chat_id, bot_inside=False)

    def press_menu(self, event_key: str, *, by: str) -> str:
        person = self.state.people[by]
        operator = {"operator_name": person.name, "operator_id": person.ids}
        body = {"operator": operator, "event_key": event_key, "timestamp": int(self.state.clock())}
        return self._deliver(new_event(self.state, "application.bot.menu_v6", body))

    def press(
        self,
        message_id: str,
        presser: str,
        *,
        value: Mapping[str, Any] | None = None,
        tag: str = "button",
        option: str | None = None,
        form_value: Mapping[str, str] | None = None,
        name: str | None = None,
        send_value: bool = True,
    ) -> PressAnswer:
        """Uses a card; waits for the bot's answer, at most 3 s. It is never sent again.

        Without ``send_value`` the event has no ``action.value``, as some forms come back. The card need not have such
        a component, so that forged actions can be tried too.

        Raises:
            ValueError: the message is no card, or is gone.
        """
        message = self.state.messages[message_id]
        if message.msg_type != "interactive" or message.recalled or message.deleted:
            raise ValueError(f"{message_id} is no card that can be pressed")
        more = {"option": option, "form_value": dict(form_value) if form_value else None, "name": name}
        action: dict[str, Any] = {"tag": tag, "timezone": "Asia/Shanghai"}
        if send_value:
            action["value"] = dict(value or {})
        action |= {key: entry for key, entry in more.items() if entry is not None}
        body = {
            "operator": {"tenant_key": TENANT_KEY, **self.state.people[presser].ids},
            "token": f"c-{secrets.token_hex(17)}",
            "action": action,
            "host": "im_message",
            "context": {"open_message_id": message_id, "open_chat_id": message.chat_id},
        }
        event = new_event(self.state, "card.action.trigger", body)
        # Of card actions alone the header counts microseconds.
        event["header"]["create_time"] = str(int(self.state.clock() * 1_000_000))
        code, toast, card = self._read_answer(self._pusher.push(event))
        answer = PressAnswer(message_id=message_id, presser=presser, code=code, toast=toast, card=card)
        if card is not None:
            self.state.change_message(message_id, content=json.dumps(card, ensure_ascii=False))
        self.state.publish("toast", answer)
        return answer

    def _position(self, kind: str, thread_id: str | None, quote: str | None) -> dict[str, Any]:
        messages = self.state.messages
        if quote is not None:
            source = messages[quote]
        elif thread_id is not None:
            first = next(message for message in messages.values() if message.thread_id == thread_id)
            source = messages[first.root_id] if first.root_id else first
        else:
            return {"thread_id": new_id("omt")} if kind == "topic" else {}
        position = {"root_id": source.root_id or source.message_id, "parent_id": source.message_id}
        thread_id = thread_id or source.thread_id
        return {**position, "thread_id": thread_id} if thread_id else position

    def _send(
        self,
        chat_id: str,
        sender: str,
        kind: str,
        content: str,
        *,
        noted: Sequence[Mention] = (),
        thread_id: str | None = None,
        quote: str | None = None,
    ) -> ChatMessage:
        chat = self.state.chats[chat_id]
        message = ChatMessage(
            message_id=new_id("om"),
            chat_id=chat_id,
            sender=sender,
            msg_type=kind,
            content=content,
            created=self.state.clock(),
            mentions=tuple(mention.entry for mention in noted),
            **self._position(chat.kind, thread_id, quote),
        )
        self.state.add_message(message)
        everybody = kind in ("text", "post") and EVERYBODY in content
        if chat.bot_inside and (chat.kind == "p2p" or everybody or any(mention.kind == "bot" for mention in noted)):
            self._deliver(self.event_of(message))
        return message

    def _deliver(self, event: Event) -> str:
        self._pusher.deliver(event)
        return str(event["header"]["event_id"])

    def _read_answer(self, attempt: Attempt) -> tuple[int | None, dict[str, Any] | None, dict[str, Any] | None]:
        """The code, the toast and the card of an answer to a card action.

        https://open.feishu.cn/document/feishu-cards/card-callback-communication
        """
        if attempt.outcome != "acknowledged":
            return _CODES[attempt.outcome], None, None
        try:
            value = json.loads(attempt.body)
        except ValueError:
            value = None
        if not isinstance(value, dict) or not value.keys() <= {"toast", "card"}:
            return _BAD_BODY, None, None
        toast = value.get("toast")
        if "toast" in value and not _is_toast(toast):
            return _BAD_BODY, None, None
        match value.get("card"):
            case None:
                return None, toast, None
            case {"type": "raw", "data": dict(new)} if not validate_card(new, image_keys=self.state.image_keys()):
                return None, toast, new
        return _BAD_CARD, None, None


def _is_toast(toast: Any) -> bool:
    match toast:
        case {"content": str(), **rest} if rest.get("type", "info") in ("info", "success", "error", "warning"):
            by_language = rest.get("i18n", {})
            return isinstance(by_language, dict) and all(isinstance(text, str) for text in by_language.values())
    return False
