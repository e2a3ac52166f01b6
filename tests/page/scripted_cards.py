"""The cards of the scripted bot, each in both languages."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

from PIL import Image

Card = dict[str, Any]

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""

TOAST = {"type": "success", "content": "收到", "i18n": {"zh_cn": "收到", "en_us": "Got it"}}

HOSTILE = "<img src=x onerror=alert(1)> <b>bold</b> <at id=all></at>"
"""Text that must never become markup."""


def png(width: int, height: int) -> bytes:
    """A picture of that size."""
    content = BytesIO()
    Image.new("RGB", (width, height), "teal").save(content, "PNG")
    return content.getvalue()


def both(zh: str, en: str) -> Card:
    """A text in both languages."""
    return {"tag": "plain_text", "content": zh, "i18n_content": {"zh_cn": zh, "en_us": en}}


def waiting() -> Card:
    """In the line, with a button that cancels."""
    return _card("blue", both("排队中", "In the queue"), [_row(_button(both("取消", "Cancel"), "cancel"))])


def generating() -> Card:
    """Being made."""
    return _card("wathet", both("正在生成", "Generating"), [{"tag": "div", "text": both("大约 20 秒", "About 20 s")}])


def ready(image_key: str, prompt: str) -> Card:
    """The picture with its prompt."""
    image = {"tag": "img", "img_key": image_key, "alt": both("生成的图片", "The generated image"), "preview": True}
    said = {"tag": "div", "text": {"tag": "plain_text", "content": prompt}}
    return _card("green", both("图片好了", "Your image is ready"), [image, said])


def failed(why: str) -> Card:
    """The platform's own words, small."""
    small = {"tag": "plain_text", "content": why, "text_size": "notation", "text_color": "grey"}
    return _card("red", both("没有成功", "This did not work"), [{"tag": "div", "text": small}])


def of(*elements: Any) -> Card:
    """A card of these elements."""
    return _card("violet", both("试试", "Try"), list(elements))


DAYS = [{"day": "11-28", "images": 3}, {"day": "11-29", "images": 12}]

LAST_LINE = "最后一行"


def long() -> Card:
    """Nearly the 30 KB that Feishu takes."""
    lines = [{"tag": "div", "text": both("一行很长的字，" * 6, "A long line")} for _ in range(80)]
    return _card("blue", both("很长", "Long"), [*lines, {"tag": "div", "text": both(LAST_LINE, "The last line")}])


def components(image_key: str) -> Card:
    """One of each component that the page draws."""
    choices = [{"text": {"tag": "plain_text", "content": choice}, "value": choice} for choice in ("16:9", "1:1")]
    ratio = {"tag": "select_static", "placeholder": both("换比例", "Change ratio"), "options": choices}
    asked = {
        **_button(both("删除", "Delete"), "delete"),
        "confirm": {"title": both("真的吗？", "Really?"), "text": both("不能恢复。", "It cannot be undone.")},
    }
    link = {"tag": "button", "text": both("打开", "Open"), "behaviors": [_link("https://example.com/")]}
    markdown = f"**粗体** `code` [链接](https://example.com/) <font color='red'>红</font>\n- 一\n- 二\n{HOSTILE}"
    elements: list[Card] = [
        {"tag": "markdown", "content": markdown},
        {"tag": "hr"},
        {"tag": "div", "text": {"tag": "plain_text", "content": HOSTILE}},
        {"tag": "img", "img_key": image_key, "alt": both("一个点", "A dot")},
        _row(_button(both("再来一张", "Again"), "again"), {**ratio, "behaviors": [_call("ratio")]}, asked, link),
        _form(),
        {
            "tag": "collapsible_panel",
            "header": {"title": both("更多", "More")},
            "elements": [{"tag": "div", "text": both("里面", "Inside")}],
        },
        {
            "tag": "chart",
            "chart_spec": {"type": "bar", "xField": "day", "yField": "images", "data": {"values": DAYS}},
        },
        {"tag": "person", "user_id": "ou_chen", "show_name": True},
        {"tag": "img_combination", "combination_mode": "bisect", "img_list": [{"img_key": image_key}] * 4},
        {
            "tag": "overflow",
            "options": [{"text": both("删掉它", "Delete it"), "value": "delete"}],
            "confirm": asked["confirm"],
            "behaviors": [_call("more")],
        },
    ]
    card = _card("orange", both("组件", "Components"), elements)
    card["header"]["text_tag_list"] = [{"tag": "text_tag", "text": both("横版", "Landscape"), "color": "blue"}]
    return card


def _form() -> Card:
    field = {
        "tag": "input",
        "name": "prompt",
        "required": True,
        "input_type": "multiline_text",
        "label": both("提示词", "Prompt"),
        "default_value": "一只猫",
    }
    submit = {**_button(both("提交", "Submit"), "edit"), "name": "submit", "form_action_type": "submit"}
    return {"tag": "form", "name": "edit", "elements": [field, submit]}


def _button(text: Card, action: str) -> Card:
    return {"tag": "button", "text": text, "behaviors": [_call(action)]}


def _call(action: str) -> Card:
    return {"type": "callback", "value": {"a": action, "r": "r1"}}


def _link(url: str) -> Card:
    return {"type": "open_url", "default_url": url}


def _row(*elements: Card) -> Card:
    columns = [{"tag": "column", "width": "auto", "elements": [element]} for element in elements]
    return {"tag": "column_set", "flex_mode": "flow", "columns": columns}


def _card(colour: str, title: Card, elements: list[Card]) -> Card:
    summary = {"content": title["content"], "i18n_content": title["i18n_content"]}
    header = {"template": colour, "title": title}
    return {"schema": "2.0", "config": {"summary": summary}, "header": header, "body": {"elements": elements}}
