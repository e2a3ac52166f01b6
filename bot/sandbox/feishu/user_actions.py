"""What users do in the chats, the events of it, and what they see of the answer to a card action.

https://open.feishu.cn/document/server-docs/im-v1/message/events/receive and the pages of the other events.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.feishu.cards import validate_card
from bot.sandbox.feishu.delivery import Attempt, Event, EventPusher
from bot.sandbox.feishu.state import TENANT_KEY, ChatMessage, PressAnswer, new_id, user_ids

EVERYBODY = "@_all"  # mentions everybody in a text; its event has no entry for it

_CODES = {"no_address": 200340, "late": 200341, "unreachable": 200342, "refused": 200671}
_BAD_BODY, _BAD_CARD = 200672, 200673


class UserActions(EventPusher):
    """The users' side of the stand-in; all but a press return at once, their events follow in the background.

    A group's messages reach the bot only when they mention it or everybody, as with the scope
    ``im:message.group_at_msg:readonly``. The actions that are no messages return the event's id.
    """

    bot_open_id = "ou_sandbox_bot"
    bot_name = "画图"

    def say(
        self,
        *,
        chat_id: str,
        sender: str,
        text: str = "",
        mention_bot: bool = True,
        mentions: Sequence[str] = (),
        as_post: bool = False,
        image: bytes | None = None,
        quote: str | None = None,
    ) -> ChatMessage:
        """Sends a text, rich text or an image; an image with a text or a mention is rich text.

        In a topic group it opens a thread, unless it replies to the message ``quote``. ``@Name`` of a mentioned user is
        replaced where it is; other mentions come first. The bot is mentioned in groups only.
        """
        named = [(open_id, self.state.people[open_id].name, "user") for open_id in mentions]
        if mention_bot and self.state.chats[chat_id].kind != "p2p":
            named.insert(0, (self.bot_open_id, self.bot_name, "bot"))
        entries = [
            {
                "key": f"@_user_{index}",
                "id": user_ids(who),
                "mentioned_type": kind,
                "name": name,
                "tenant_key": TENANT_KEY,
            }
            for index, (who, name, kind) in enumerate(named, start=1)
        ]
        key = None if image is None else self.state.add_upload(image, name="picture", kind="image", owner=sender).key
        if key and not (text or entries):
            kind, content = "image", _json({"image_key": key})
        else:
            kind = "post" if as_post or key else "text"
            content = _render_content(text, entries, image_key=key, as_post=kind == "post")
        return self._send(chat_id, sender, kind, content, mentions=entries, quote=quote)

    def send_file(
        self,
        *,
        chat_id: str,
        sender: str,
        content: bytes,
        name: str,
        seconds: int | None = None,
        quote: str | None = None,
    ) -> ChatMessage:
        """Sends a file, or a voice message of so many seconds."""
        key = self.state.add_upload(content, name=name, kind="file", owner=sender).key
        kind, more = ("file", {"file_name": name}) if seconds is None else ("audio", {"duration": seconds * 1000})
        return self._send(chat_id, sender, kind, _json({"file_key": key, **more}), quote=quote)

    def react(self, message_id: str, *, by: str, emoji_type: str) -> None:
        """Puts an emoji on a message; the bot has not subscribed to the event of it."""
        message, person = self.state.messages[message_id], self.state.people[by]
        self.state.add_reaction(message.message_id, operator=person.open_id, emoji_type=emoji_type)

    def recall(self, message_id: str, *, by: str) -> str:
        """Recalls a message, as its sender or as a manager of the group."""
        message = self.state.change_message(message_id, recalled=True)
        body = {
            "message_id": message_id,
            "chat_id": message.chat_id,
            "recall_time": _milliseconds(self.state.clock()),
            "recall_type": "message_owner" if by == message.sender else "group_manager",
        }
        return self.deliver(self._new_event("im.message.recalled_v1", body))

    def enter_p2p(self, person: str) -> str:
        chat_id = self.state.direct_chat(person).chat_id
        body: Event = {"chat_id": chat_id, "operator_id": user_ids(person)}
        for last in [one for one in self.state.messages.values() if one.chat_id == chat_id][-1:]:
            body |= {"last_message_id": last.message_id, "last_message_create_time": _milliseconds(last.created)}
        return self.deliver(self._new_event("im.chat.access_event.bot_p2p_chat_entered_v1", body))

    def add_bot(self, chat_id: str, *, by: str) -> str:
        name, who = self.state.chats[chat_id].name, {"operator_id": user_ids(by), "operator_tenant_key": TENANT_KEY}
        names = {"name": name, "i18n_names": {"zh_cn": name, "en_us": name}}
        body = {"chat_id": chat_id, "external": False, **who, **names}
        return self.deliver(self._new_event("im.chat.member.bot.added_v1", body))

    def press_menu(self, event_key: str, *, by: str) -> str:
        operator = {"operator_name": self.state.people[by].name, "operator_id": user_ids(by)}
        body = {"operator": operator, "event_key": event_key, "timestamp": int(self.state.clock())}
        return self.deliver(self._new_event("application.bot.menu_v6", body))

    def press(self, message_id: str, presser: str, **action: Any) -> PressAnswer:
        """Uses a card and waits for the bot's answer, at most 3 s; raises ``ValueError`` where the message is no card.

        The ``action`` of the event is a button's by default; what is ``None`` in it is left out. The card need not have
        such a component, so that forged actions can be tried too.
        """
        message = self.state.messages[message_id]
        if message.msg_type != "interactive" or message.recalled:
            raise ValueError(f"{message_id} is no card that can be pressed")
        given = {name: value for name, value in action.items() if value is not None}
        body = {
            "operator": {"tenant_key": TENANT_KEY, **user_ids(presser)},
            "token": f"c-{secrets.token_hex(17)}",
            "action": {"tag": "button", "timezone": "Asia/Shanghai", **given},
            "host": "im_message",
            "context": {"open_message_id": message_id, "open_chat_id": message.chat_id},
        }
        event = self._new_event("card.action.trigger", body)
        # Of card actions alone the header counts microseconds.
        event["header"]["create_time"] = str(int(self.state.clock() * 1_000_000))
        code, toast, card = self._read_answer(self.push(event))
        answer = PressAnswer(message_id=message_id, presser=presser, code=code, toast=toast, card=card)
        if card is not None:
            self.state.change_message(message_id, content=_json(card))
        self.state.press_answers.append(answer)
        return answer

    def event_of(self, message: ChatMessage) -> Event:
        at, is_direct = _milliseconds(message.created), self.state.chats[message.chat_id].kind == "p2p"
        body: Event = {
            "message_id": message.message_id,
            **message.position,
            "create_time": at,
            "update_time": at,
            "chat_id": message.chat_id,
            "chat_type": "p2p" if is_direct else "group",
            "message_type": message.msg_type,
            "content": message.content,
            **({"mentions": list(message.mentions)} if message.mentions else {}),
        }
        sender = {"sender_id": user_ids(message.sender), "sender_type": "user", "tenant_key": TENANT_KEY}
        return self._new_event("im.message.receive_v1", {"sender": sender, "message": body})

    def _send(
        self,
        chat_id: str,
        sender: str,
        kind: str,
        content: str,
        *,
        mentions: Sequence[dict[str, Any]] = (),
        quote: str | None = None,
    ) -> ChatMessage:
        chat, position = self.state.chats[chat_id], {"parent_id": quote}
        if quote:
            source = self.state.messages[quote]
            position |= {"root_id": source.root_id or source.message_id, "thread_id": source.thread_id}
        elif chat.kind == "topic":
            position["thread_id"] = new_id("omt")
        message = self.state.add_message(chat_id, sender, kind, content, mentions=tuple(mentions), **position)
        everybody = kind in ("text", "post") and EVERYBODY in content
        if chat.kind == "p2p" or everybody or any(one["mentioned_type"] == "bot" for one in mentions):
            self.deliver(self.event_of(message))
        return message

    def _new_event(self, event_type: str, body: Mapping[str, Any]) -> Event:
        header = {
            "event_id": secrets.token_hex(16),
            "event_type": event_type,
            "create_time": _milliseconds(self.state.clock()),
            "token": self.state.verification_token,
            "app_id": self.state.app_id,
            "tenant_key": TENANT_KEY,
        }
        return {"schema": "2.0", "header": header, "event": dict(body)}

    def _read_answer(self, attempt: Attempt) -> tuple[int | None, dict[str, Any] | None, dict[str, Any] | None]:
        """The code, the toast and the card: https://open.feishu.cn/document/feishu-cards/card-callback-communication."""
        if attempt.outcome != "acknowledged":
            return _CODES[attempt.outcome], None, None
        try:
            value = json.loads(attempt.body)
        except ValueError:
            value = None
        if not isinstance(value, dict) or not value.keys() <= {"toast", "card"}:
            return _BAD_BODY, None, None
        if "toast" in value and not _is_toast(value["toast"]):
            return _BAD_BODY, None, None
        match value.get("card"):
            case None:
                return None, value.get("toast"), None
            case {"type": "raw", "data": dict(new)} if not validate_card(new, image_keys=self.state.image_keys()):
                return None, value.get("toast"), new
        return _BAD_CARD, None, None


def mention_pattern(name: str) -> re.Pattern[str]:
    """Finds ``@Name`` as words of its own, not as part of a longer name or of an address."""
    return re.compile(rf"(?<![A-Za-z0-9._%+-])@{re.escape(name)}(?!\w|[.@]\w)")


def _render_content(text: str, mentions: Sequence[dict[str, Any]], *, image_key: str | None, as_post: bool) -> str:
    """The content of a received message; its rich text has no language around it, but comes again as markdown."""
    in_front = []
    for mention in mentions:
        text, found = mention_pattern(mention["name"]).subn(mention["key"], text)
        if not found:
            in_front.append(mention["key"])
    text = " ".join([*in_front, text])
    if not as_post:
        return _json({"text": text})
    names = {mention["key"]: mention["name"] for mention in mentions}
    paragraphs: list[list[dict[str, Any]]] = []
    markdown = []
    for line in text.split("\n"):
        parts = [part for part in re.split(r"(@_user_\d+)", line) if part]
        ats = {part: {"tag": "at", "user_id": part, "user_name": names[part]} for part in parts if part in names}
        paragraphs.append([{**ats.get(part, {"tag": "text", "text": part}), "style": []} for part in parts])
        if parts:
            marked = [f'<at user_id="{part}">{names[part]}</at>' if part in names else part for part in parts]
            markdown.append([{"tag": "md", "text": "".join(marked)}])
    if image_key:
        paragraphs.append([{"tag": "img", "image_key": image_key, "width": 300, "height": 300}])
        markdown.append([{"tag": "md", "text": f"![]({image_key})"}])
    return _json({"title": "", "content": paragraphs, "content_v2": markdown})


def _is_toast(toast: Any) -> bool:
    match toast:
        case {"content": str(), **rest} if rest.get("type", "info") in ("info", "success", "error", "warning"):
            by_language = rest.get("i18n", {})
            return isinstance(by_language, dict) and all(isinstance(text, str) for text in by_language.values())
    return False


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _milliseconds(seconds: float) -> str:
    """A time as events have it, a text of digits."""
    return str(int(seconds * 1000))
