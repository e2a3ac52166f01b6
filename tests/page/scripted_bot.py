"""A bot that follows a script, so that the page can be tried with every component and at every step."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Self

import httpx

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import API_HOST, PATH, GlmStandIn
from bot.sandbox.http import LoopbackServer, Request, Response, wait_until
from tests.clients.feishu_wire import Wire
from tests.page import scripted_cards as cards


class ScriptedBot:
    """Answers each prompt with a card that becomes a picture, and a few words with other things.

    ``components``, ``long`` and ``refused`` get the answer that their names say. A picture waits for
    ``go_on``. ``presses`` holds what was pressed.

    Args:
        feishu: the platform; it must push its events plain.
        glm: where the pictures come from.
    """

    def __init__(self, *, feishu: FeishuStandIn, glm: GlmStandIn) -> None:
        self.go_on = threading.Event()
        self.presses: list[Mapping[str, Any]] = []
        self._leaving = False
        self._answers: list[threading.Thread] = []
        self._feishu = feishu
        self._glm = httpx.Client(transport=glm.transport())
        self._server = LoopbackServer()
        self._server.route("POST", "/webhook/event", self._take)
        self._wire = Wire(feishu)

    def __enter__(self) -> Self:
        self._server.__enter__()
        self._feishu.webhook_url = f"{self._server.origin}/webhook/event"
        self._wire.log_in()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving = True
        self.go_on.set()
        self._server.__exit__()
        for answer in self._answers:
            answer.join()
        self._wire.close()
        self._glm.close()

    def show(self, *elements: Mapping[str, Any], chat_id: str = "oc_direct_lin") -> int:
        """Sends a card with these elements into a chat; gives the platform's code, 0 where it took the card."""
        return int(self._wire.create(chat_id, cards.of(*elements), kind="interactive").json()["code"])

    def upload(self, content: bytes) -> str:
        """Uploads a picture and gives its key."""
        return str(self._wire.upload_image(content).json()["data"]["image_key"])

    def wait_for_presses(self, count: int) -> None:
        """Waits until so many presses have come."""
        assert wait_until(lambda: len(self.presses) >= count, seconds=30)

    def _take(self, call: Request) -> Response:
        event = call.json()
        match event["header"]["event_type"]:
            case "im.message.receive_v1":
                answer = threading.Thread(target=self._answer, args=(event["event"]["message"],))
                self._answers.append(answer)
                answer.start()
            case "card.action.trigger":
                self.presses.append(event["event"]["action"])
                return Response.of_json({"toast": cards.TOAST})
        return Response.of_json({})

    def _answer(self, message: Mapping[str, Any]) -> None:
        words = json.dumps(json.loads(message["content"]), ensure_ascii=False)
        reply_to = message["message_id"]
        if "components" in words:
            self._reply(reply_to, cards.components(self.upload(cards.PIXEL)))
        elif "long" in words:
            self._reply(reply_to, cards.long())
        elif "refused" in words:
            self._reply(reply_to, {**cards.waiting(), "note": "no such property"})
        elif message["message_type"] in ("text", "post"):
            self._draw(reply_to, json.loads(message["content"]).get("text", "picture").replace("@_user_1 ", ""))

    def _draw(self, reply_to: str, prompt: str) -> None:
        answer_id = self._reply(reply_to, cards.waiting())
        self.go_on.wait(10)
        if self._leaving:
            return
        self._wire.patch(answer_id, cards.generating())
        body = {"model": "glm-image", "prompt": prompt, "size": "1280x1280"}
        headers = {"Authorization": "Bearer not-a-real-key"}
        try:
            answer = self._glm.post(f"https://{API_HOST}{PATH}", json=body, headers=headers).json()
        except httpx.TransportError as error:
            answer = {"error": {"message": str(error)}}
        if "error" in answer:
            self._wire.patch(answer_id, cards.failed(answer["error"]["message"]))
        else:
            picture = self._glm.get(answer["data"][0]["url"]).content
            self._wire.patch(answer_id, cards.ready(self.upload(picture), prompt))

    def _reply(self, message_id: str, card: Mapping[str, Any]) -> str:
        answer = self._wire.reply(message_id, card, kind="interactive").json()
        return str(answer.get("data", {}).get("message_id", ""))
