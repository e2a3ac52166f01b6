"""The calls that put an emoji on a message and take it off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.sandbox.feishu.changes import Changes
from bot.sandbox.feishu.codes import NAMES, Refusal
from bot.sandbox.feishu.gateway import Gateway, fields_of
from bot.sandbox.feishu.world import Reaction, World, new_id
from bot.sandbox.server import Call, LoopbackServer

# fmt: off
EMOJI_TYPES = frozenset({
    "Typing", "OnIt", "OneSecond", "THUMBSUP", "OK", "THINKING", "DONE",
    "CheckMark", "CrossMark", "ERROR", "SMILE", "HEART", "APPLAUSE",
})
# fmt: on
"""The emoji that the stand-in knows, case-sensitive; the platform has more.

https://open.feishu.cn/document/server-docs/im-v1/message-reaction/emojis-introduce
"""

_NO_MESSAGE = 231003
_ANOTHER_MESSAGE = 231010
_NO_REACTION = 231011


class Reactions:
    """Create and delete; https://open.feishu.cn/document/server-docs/im-v1/message-reaction/create."""

    def __init__(self, *, world: World, changes: Changes, app_id: str) -> None:
        self._world = world
        self._changes = changes
        self._app_id = app_id

    def serve(self, server: LoopbackServer, gateway: Gateway) -> None:
        """Adds the routes."""
        path = "/im/v1/messages/:message_id/reactions"
        gateway.route(server, "react", "POST", path, self.create)
        gateway.route(server, "unreact", "DELETE", f"{path}/:reaction_id", self.delete)

    def create(self, call: Call) -> Mapping[str, Any]:
        """Puts an emoji on a message."""
        match fields_of(call):
            case {"reaction_type": {"emoji_type": str(emoji_type)}} if emoji_type in EMOJI_TYPES:
                pass
            case _:
                raise Refusal(NAMES["reaction_bad"])
        message = self._world.messages.get(call.values["message_id"])
        if message is None or message.recalled:
            raise Refusal(_NO_MESSAGE)
        if message.deleted:
            raise Refusal(NAMES["deleted"])
        reaction = Reaction(
            reaction_id=new_id("reaction"),
            message_id=message.message_id,
            emoji_type=emoji_type,
            created=self._world.clock(),
        )
        self._world.reactions[reaction.reaction_id] = reaction
        self._changes.publish("reaction", reaction)
        return self._answer(reaction)

    def delete(self, call: Call) -> Mapping[str, Any]:
        """Takes the bot's own emoji off a message."""
        reaction = self._world.reactions.get(call.values["reaction_id"])
        if reaction is None:
            raise Refusal(_NO_REACTION)
        if reaction.message_id != call.values["message_id"]:
            raise Refusal(_ANOTHER_MESSAGE)
        del self._world.reactions[reaction.reaction_id]
        self._changes.publish("reaction", reaction)
        return self._answer(reaction)

    def _answer(self, reaction: Reaction) -> Mapping[str, Any]:
        told = {
            "reaction_id": reaction.reaction_id,
            "operator": {"operator_id": self._app_id, "operator_type": "app"},
            "action_time": str(int(reaction.created * 1000)),
            "reaction_type": {"emoji_type": reaction.emoji_type},
        }
        return {"code": 0, "msg": "success", "data": told}
