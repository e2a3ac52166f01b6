"""What a visitor of the page does in the chats, each a POST with a JSON object."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from bot.sandbox.feishu.acts import EVERYBODY
from bot.sandbox.feishu.events import naming
from bot.sandbox.feishu.pictures import facts_of
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.page.controls import Unable
from bot.sandbox.page.guard import refused
from bot.sandbox.page.switches import Switches
from bot.sandbox.page.views import toast_view
from bot.sandbox.server import Answer, Call

Fields = Mapping[str, Any]
_DONE: Mapping[str, Any] = {"ok": True}


class PageActs:
    """Says, sends, recalls, presses and switches on behalf of the visitor.

    Args:
        feishu: where it happens.
        switches: the switches of the panel.
    """

    def __init__(self, *, feishu: FeishuStandIn, switches: Switches) -> None:
        self._feishu = feishu
        self._switches = switches
        self._acts: Mapping[str, Callable[[Fields], Mapping[str, Any]]] = {
            "say": self._say,
            "recall": self._recall,
            "press": self._press,
            "enter": self._enter,
            "switch": self._switch,
        }

    def act(self, call: Call) -> Answer:
        """Does what the last part of the address names; 400 where that is not possible."""
        fields = call.json()
        act = self._acts.get(call.values["act"])
        if act is None or not isinstance(fields, dict):
            return refused(HTTPStatus.BAD_REQUEST, "there is no such act, or no object")
        try:
            return Answer.of_json(act(fields))
        except Unable as unable:
            return refused(HTTPStatus.BAD_REQUEST, str(unable), sentence=unable.sentence)
        except (KeyError, ValueError, TypeError) as error:
            return refused(HTTPStatus.BAD_REQUEST, f"this cannot be done: {error}")

    def _say(self, fields: Fields) -> Mapping[str, Any]:
        text, mentioned = self._read(fields)
        how: dict[str, Any] = {
            "chat_id": fields["chat"],
            "sender": fields["sender"],
            "text": text,
            "mention_bot": self._feishu.bot_open_id in mentioned,
            "mentions": [who for who in mentioned if who != self._feishu.bot_open_id],
            "thread_id": fields.get("thread"),
            "quote": fields.get("quote"),
        }
        if "picture" in fields:
            message = self._feishu.send_picture(content=_picture(fields["picture"]), **how)
        else:
            message = self._feishu.say(as_post=bool(fields.get("rich")), **how)
        return {"ok": True, "id": message.message_id}

    def _read(self, fields: Fields) -> tuple[str, list[str]]:
        """The text with the bot and everybody under their own names, and whom of the chat it mentions."""
        feishu, text = self._feishu, str(fields.get("text", ""))
        for own, called in ((feishu.bot_name, fields.get("bot")), (EVERYBODY.removeprefix("@"), fields.get("all"))):
            if called:
                text = naming(str(called)).sub(f"@{own}", text)
        names = {person.open_id: person.name for person in feishu.people}
        members = [who for who in feishu.world.chats[fields["chat"]].members if who != fields["sender"]]
        known = {feishu.bot_open_id: feishu.bot_name, **{who: names[who] for who in members}}
        return text, [who for who, name in known.items() if naming(name).search(text)]

    def _recall(self, fields: Fields) -> Mapping[str, Any]:
        self._feishu.recall(fields["message"], by=fields["by"])
        return _DONE

    def _press(self, fields: Fields) -> Mapping[str, Any]:
        answer = self._feishu.press(
            fields["message"],
            fields["presser"],
            value=fields.get("value"),
            tag=fields["tag"],
            option=fields.get("option"),
            form_value=fields.get("form"),
            name=fields.get("name"),
        )
        return toast_view(answer)

    def _enter(self, fields: Fields) -> Mapping[str, Any]:
        self._feishu.enter_p2p(fields["person"])
        return _DONE

    def _switch(self, fields: Fields) -> Mapping[str, Any]:
        self._switches.turn(fields["switch"], fields)
        return _DONE


def _picture(given: str) -> bytes:
    try:
        content = base64.b64decode(given, validate=True)
    except binascii.Error as error:
        raise ValueError("the picture is not base64") from error
    if facts_of(content) is None:
        raise Unable("the file is no picture", sentence="no_picture")
    return content
