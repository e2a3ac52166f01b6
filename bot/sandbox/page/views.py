"""What the stand-ins hold, as the JSON that the page reads; times in seconds since 1970."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bot.sandbox.faults import named
from bot.sandbox.feishu.delivery import Attempt
from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.presses import PressAnswer
from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.feishu.world import ChatMessage
from bot.sandbox.glm.stand_in import Download, GlmCall
from bot.sandbox.glm.transport import IMAGE_HOST

View = dict[str, Any]

_UPLOAD_KEY = re.compile(r"\b(?:img|file)_v3_[0-9a-f]+")
_MESSAGE_ID = re.compile(r"/messages/(om_\w+)")
_RECEIVER = re.compile(r'"receive_id"\s*:\s*"(\w+)"')
_SENDING = ("create", "reply", "patch")
_OF_CONTENT = frozenset({230001, 230022, 230025, 230028, 230055, 230099})
"""The codes for what is in a message; with the others the bot may come again, and the chat shows nothing of them."""

_EXCERPT = 40_000


def people_view(feishu: FeishuStandIn) -> View:
    """Who is there: the bot, the people, the chats with their members."""
    return {
        "bot": {"id": feishu.app_id, "open_id": feishu.bot_open_id, "name": feishu.bot_name},
        "people": [{"id": one.open_id, "name": one.name, "language": one.language} for one in feishu.people],
        "chats": [
            {"id": chat.chat_id, "kind": chat.kind, "name": chat.name, "members": list(chat.members)}
            for chat in feishu.chats
        ],
    }


def message_view(message: ChatMessage, *, feishu: FeishuStandIn) -> View:
    """A message with its parsed content, the facts of its pictures and files, and the bot's reactions to it."""
    with feishu.world.lock:
        reactions = [
            known.emoji_type for known in feishu.world.reactions.values() if known.message_id == message.message_id
        ]
    uploads = feishu.uploads
    gone = message.recalled or message.deleted
    return {
        "id": message.message_id,
        "chat": message.chat_id,
        "sender": message.sender,
        "type": message.msg_type,
        "content": None if gone else json.loads(message.content),
        "created": message.created,
        "updated": message.updated,
        "thread": message.thread_id,
        "root": message.root_id,
        "parent": message.parent_id,
        "gone": gone,
        "mentions": [{"key": entry["key"], "name": entry["name"]} for entry in message.mentions],
        "reactions": reactions,
        "uploads": {
            key: {
                "name": uploads[key].name,
                "bytes": len(uploads[key].content),
                "width": uploads[key].width,
                "height": uploads[key].height,
            }
            for key in _UPLOAD_KEY.findall(message.content)
            if key in uploads
        },
    }


def event_view(attempt: Attempt) -> View:
    """A push of an event into the bot."""
    return {
        "id": f"{attempt.event_id}/{attempt.number}/{attempt.at}",
        "way": "event",
        "at": attempt.at,
        "name": attempt.event_type,
        "outcome": attempt.outcome.replace(" ", "_"),
        "good": attempt.outcome == "acknowledged",
        "over": True,
        "status": attempt.status,
        "seconds": attempt.seconds,
        "number": attempt.number,
        "body": json.dumps(attempt.event, ensure_ascii=False)[:_EXCERPT],
        "answer": attempt.body.decode("utf-8", "replace")[:_EXCERPT],
    }


def call_view(call: ApiCall, *, feishu: FeishuStandIn) -> View:
    """A call of the bot to Feishu; ``refused`` tells where a message of refused content would have stood, and why."""
    good = call.status is not None and not call.code and call.status < 400  # noqa: PLR2004 - the first status of a failure
    return {
        "id": call.log_id,
        "way": "feishu",
        "at": call.at,
        "name": call.name,
        "target": f"{call.method} {call.path}",
        "over": True,
        "good": good,
        "status": call.status,
        "code": call.code,
        "seconds": call.seconds,
        "fault": named("feishu", call.fault) if call.fault else None,
        "body": call.body,
        "answer": call.answer,
        "refused": _refused(call, feishu) if call.code in _OF_CONTENT and call.name in _SENDING else None,
    }


def glm_view(call: GlmCall, *, number: int) -> View:
    """A call of the bot to the GLM API; ``status`` is ``None`` while it is worked on, and where no answer came."""
    return {
        **_glm_record(call, f"glm/{number}"),
        "name": "images/generations",
        "outcome": "under_way" if not call.over else "paid" if call.paid else "not_paid",
        "body": json.dumps(call.body, ensure_ascii=False)[:_EXCERPT],
        "answer": call.answer[:_EXCERPT],
    }


def download_view(download: Download, *, number: int) -> View:
    """A fetch of a picture by the bot, as :func:`glm_view` shows a call."""
    return {
        **_glm_record(download, f"picture/{number}"),
        "name": "picture",
        "target": f"GET https://{IMAGE_HOST}/{download.name}",
        "body": "",
        "answer": f"<{download.size} bytes>" if download.status is not None else "",
    }


def _glm_record(record: GlmCall | Download, wire_id: str) -> View:
    return {
        "id": wire_id,
        "way": "glm",
        "at": record.at,
        "over": record.over,
        "good": not record.over or record.status == 200,  # noqa: PLR2004 - HTTP's success
        "status": record.status,
        "seconds": record.seconds,
        "fault": named("glm", record.fault) if record.fault else None,
    }


def toast_view(answer: PressAnswer) -> View:
    """What the presser sees after a press."""
    return {"presser": answer.presser, "message": answer.message_id, "code": answer.code, "toast": answer.toast}


def _refused(call: ApiCall, feishu: FeishuStandIn) -> View | None:
    with feishu.world.lock:
        messages, chats = feishu.world.messages, feishu.world.chats
        if (found := _MESSAGE_ID.search(call.path)) and (message := messages.get(found[1])):
            place = {"chat": message.chat_id, "thread": message.thread_id}
        elif (found := _RECEIVER.search(call.body)) and found[1] in chats:
            place = {"chat": found[1], "thread": None}
        else:
            return None
    return {**place, "code": call.code, "message": _message_of(call.answer), "call": call.name}


def _message_of(answer: str) -> str:
    try:
        body: Mapping[str, Any] = json.loads(answer)
    except ValueError:
        return answer
    return str(body.get("msg", ""))
