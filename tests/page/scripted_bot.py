"""A bot that follows a script, so that the page can be tried with every component and at every step."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Self

import httpx
from PIL import Image

from bot.sandbox.feishu.stand_in import FeishuStandIn
from bot.sandbox.glm.stand_in import API_HOST, PATH, GlmStandIn
from bot.sandbox.http import LoopbackServer, Request, Response, wait_until
from tests.clients.feishu_wire import Wire

Card = dict[str, Any]

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""

HOSTILE = "<img src=x onerror=alert(1)> <b>bold</b> <at id=all></at>"
"""Text that must never become markup."""

LAST_LINE = "最后一行"


def png(width: int, height: int) -> bytes:
    """An image of that size."""
    content = BytesIO()
    Image.new("RGB", (width, height), "teal").save(content, "PNG")
    return content.getvalue()


def both(zh: str, en: str) -> Card:
    """A text in both languages."""
    return {"tag": "plain_text", "content": zh, "i18n_content": {"zh_cn": zh, "en_us": en}}


def div(text: Card) -> Card:
    """A text as a component."""
    return {"tag": "div", "text": text}


def button(text: Card, action: str, **fields: Any) -> Card:
    """A button that calls the bot."""
    return {"tag": "button", "text": text, "behaviors": [_callback(action)], **fields}


def card(colour: str, title: Card, *elements: Card) -> Card:
    """A card with a header."""
    summary = {"content": title["content"], "i18n_content": title["i18n_content"]}
    header = {"template": colour, "title": title}
    return {"schema": "2.0", "config": {"summary": summary}, "header": header, "body": {"elements": list(elements)}}


def _callback(action: str) -> Card:
    return {"type": "callback", "value": {"a": action, "r": "r1"}}


def _row(*elements: Card) -> Card:
    columns = [{"tag": "column", "width": "auto", "elements": [element]} for element in elements]
    return {"tag": "column_set", "flex_mode": "flow", "columns": columns}


def _long() -> Card:
    """Nearly the 30 KB that Feishu takes."""
    lines = [div(both("一行很长的字，" * 6, "A long line")) for _ in range(80)]
    return card("blue", both("很长", "Long"), *lines, div(both(LAST_LINE, "The last line")))


def _components(image_key: str) -> Card:
    """One of each component that the page draws."""
    choices = [{"text": {"tag": "plain_text", "content": choice}, "value": choice} for choice in ("16:9", "1:1")]
    ratio = {"tag": "select_static", "placeholder": both("换比例", "Change ratio"), "options": choices}
    confirm = {"title": both("真的吗？", "Really?"), "text": both("不能恢复。", "It cannot be undone.")}
    open_url = {"type": "open_url", "default_url": "https://example.com/"}
    link = {"tag": "button", "text": both("打开", "Open"), "behaviors": [open_url]}
    field = {
        "tag": "input",
        "name": "prompt",
        "required": True,
        "input_type": "multiline_text",
        "placeholder": both("提示词", "Prompt"),
        "default_value": "一只猫",
    }
    submit = button(both("提交", "Submit"), "edit", name="submit", form_action_type="submit")
    days = [{"day": "11-28", "images": 3}, {"day": "11-29", "images": 12}]
    markdown = f"**粗体** `code` [链接](https://example.com/)\n{HOSTILE}"
    chart = {"type": "bar", "xField": "day", "yField": "images", "data": {"values": days}}
    shown = card(
        "orange",
        both("组件", "Components"),
        {"tag": "markdown", "content": markdown},
        div({"tag": "plain_text", "content": HOSTILE}),
        {"tag": "img", "img_key": image_key, "alt": both("一个点", "A dot")},
        _row(
            button(both("再来一张", "Again"), "again"),
            {**ratio, "behaviors": [_callback("ratio")]},
            button(both("删除", "Delete"), "delete", confirm=confirm),
            link,
        ),
        {"tag": "form", "name": "edit", "elements": [field, submit]},
        {"tag": "chart", "chart_spec": chart},
        {"tag": "person", "user_id": "ou_chen", "show_name": True},
        {"tag": "img_combination", "combination_mode": "bisect", "img_list": [{"img_key": image_key}] * 4},
        {
            "tag": "overflow",
            "options": [{"text": both("删掉它", "Delete it"), "value": "delete"}],
            "confirm": confirm,
            "behaviors": [_callback("more")],
        },
    )
    shown["header"]["text_tag_list"] = [{"tag": "text_tag", "text": both("横版", "Landscape"), "color": "blue"}]
    return shown


WAITING = card("blue", both("排队中", "In the queue"), _row(button(both("取消", "Cancel"), "cancel")))
GENERATING = card("wathet", both("正在生成", "Generating"), div(both("大约 20 秒", "About 20 s")))


class ScriptedBot:
    """Answers each prompt with a card that becomes an image, and a few words with other cards.

    ``components``, ``long`` and ``refused`` get the answer that their names say. An image waits for ``go_on``.
    ``presses`` holds what was pressed. Feishu must push its events plain.
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

    def show(self, *elements: Mapping[str, Any]) -> int:
        """Sends a card with these elements to 林小雨; returns the platform's code, 0 where it took the card."""
        shown = card("grey", both("试试", "Try"), *map(dict, elements))
        return int(self._wire.create("oc_direct_lin", shown, kind="interactive").json()["code"])

    def upload(self, content: bytes) -> str:
        """Uploads an image and returns its key."""
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
                i18n = {"zh_cn": "收到", "en_us": "Got it"}
                return Response.of_json({"toast": {"type": "success", "content": "收到", "i18n": i18n}})
        return Response.of_json({})

    def _answer(self, message: Mapping[str, Any]) -> None:
        words = json.dumps(json.loads(message["content"]), ensure_ascii=False)
        reply_to = message["message_id"]
        if "components" in words:
            self._reply(reply_to, _components(self.upload(PIXEL)))
        elif "long" in words:
            self._reply(reply_to, _long())
        elif "refused" in words:
            self._reply(reply_to, {**WAITING, "note": "no such property"})
        elif message["message_type"] in ("text", "post"):
            self._draw(reply_to, json.loads(message["content"]).get("text", "picture").replace("@_user_1 ", ""))

    def _draw(self, reply_to: str, prompt: str) -> None:
        answer_id = self._reply(reply_to, WAITING)
        self.go_on.wait(10)
        if self._leaving:
            return
        self._wire.patch(answer_id, GENERATING)
        body = {"model": "glm-image", "prompt": prompt, "size": "1280x1280"}
        headers = {"Authorization": "Bearer not-a-real-key"}
        try:
            answer = self._glm.post(f"https://{API_HOST}{PATH}", json=body, headers=headers).json()
        except httpx.TransportError as error:
            answer = {"error": {"message": str(error)}}
        if "error" in answer:
            said = div({"tag": "plain_text", "content": answer["error"]["message"]})
            self._wire.patch(answer_id, card("red", both("没有成功", "This did not work"), said))
            return
        key = self.upload(self._glm.get(answer["data"][0]["url"]).content)
        image = {"tag": "img", "img_key": key, "alt": both("生成的图片", "The generated image"), "preview": True}
        said = div({"tag": "plain_text", "content": prompt})
        self._wire.patch(answer_id, card("green", both("图片好了", "Your image is ready"), image, said))

    def _reply(self, message_id: str, shown: Mapping[str, Any]) -> str:
        answer = self._wire.reply(message_id, shown, kind="interactive").json()
        return str(answer.get("data", {}).get("message_id", ""))
