"""What a message says once its mentions, links and rich text are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given

from bot.chat.parsing.events import unmask
from bot.models import Ignored, Message
from tests.unit.event_bodies import AT_BOT, BOT, body_of, heard, json_values, mention


def words(body: Mapping[str, Any]) -> str:
    """The text of the message that this body must be."""
    message = heard(body)
    assert isinstance(message, Message)
    return unmask(message.text, message.names)


@pytest.mark.parametrize(
    ("text", "mentions", "said"),
    [
        ("@_user_1 一只猫", [AT_BOT], "一只猫"),
        ("@_user_1一只猫", [AT_BOT], "一只猫"),
        ("@_user_1 /help", [AT_BOT], "/help"),
        ("一只猫 @_user_1 戴帽子", [AT_BOT], "一只猫 戴帽子"),
        ("cat@_user_1 dog", [AT_BOT], "cat dog"),
        ("画 @_user_2 的头像 @_user_1", [AT_BOT, mention(2, "张三", "ou_2")], "画 张三 的头像"),
        ("@_user_1 画 @_user_10", [AT_BOT, mention(10, "李四", "ou_10")], "画 李四"),
        ("@_user_1 @_user_12 的猫", [AT_BOT], "@_user_12 的猫"),
        ("@_user_1 名片：tom@example.com", [AT_BOT], "名片：tom@example.com"),
        ("@_all @_user_1 一只猫", [AT_BOT], "一只猫"),
        ("@_all @_user_1 猫", [AT_BOT, {"key": "@_all", "id": {"open_id": ""}, "name": "所有人"}], "猫"),
        ("@_user_1 参考 [首页](https://example.com/size) 的配色", [AT_BOT], "参考 首页 的配色"),
        ("@_user_1 [tom@example.com](mailto:tom@example.com)", [AT_BOT], "tom@example.com"),
        ("@_user_1 [1](2) 不是链接", [AT_BOT], "[1](2) 不是链接"),
        ("@_user_1 第一行\n第二行", [AT_BOT], "第一行\n第二行"),
        ("@_user_1 a\0b\ud800", [AT_BOT], "ab\ufffd"),
        ("@_user_1", [AT_BOT], ""),
    ],
)
def test_mentions_become_names(text: str, mentions: list[dict[str, Any]], said: str) -> None:
    """The bot's and everybody's mention go, other people's become their names, and all else stays."""
    body = body_of(json.dumps({"text": text}), chat_type="group", mentions=mentions)
    assert words(body) == said


POST = {
    "title": "",
    "content": [
        [
            {"tag": "at", "user_id": "@_user_1", "user_name": "画图", "style": []},
            {"tag": "text", "text": " 一只猫，", "style": ["bold"]},
            {"tag": "a", "href": "https://example.com", "text": "参考", "style": []},
        ],
        [{"tag": "img", "image_key": "img_1", "width": 300, "height": 300}],
        [{"tag": "text", "text": "/size 16:9"}, {"tag": "emotion", "emoji_type": "SMILE"}],
    ],
}


@pytest.mark.parametrize(
    "content",
    [
        *(POST, {"zh_cn": POST}, {"ja_jp": POST}, {"en_us": POST, "x": 1}, {"post": {"zh_cn": POST}}),
        *({"post": {"en_us": {}, "zh_cn": POST}}, {"post": POST}, {"title": "", "content_v2": POST["content"]}),
        {**POST, "content": [[]], "content_v2": POST["content"]},
        {**POST, "content_v2": [[]]},
    ],
)
def test_rich_text_is_read_with_and_without_its_wrapper(content: dict[str, Any]) -> None:
    """A rich text gives its words line by line, whether or not a locale is wrapped round it."""
    message = heard(body_of(content, message_type="post", chat_type="group", mentions=[AT_BOT]))
    assert isinstance(message, Message)
    assert message.text == "一只猫，参考\n/size 16:9"
    assert not message.attachment


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ([{"tag": "md", "text": "**一只猫**"}], "标题\n**一只猫**"),
        ([{"tag": "code_block", "language": "text", "text": "line 1\nline 2"}], "标题\nline 1\nline 2"),
        ([{"tag": "at", "user_id": "@_user_2", "user_name": "Tom"}, {"tag": "text", "text": "的猫"}], "标题\n张三的猫"),
        ([{"tag": "at", "user_id": "ou_9", "user_name": "Tom"}, {"tag": "text", "text": "的猫"}], "标题\nTom的猫"),
        ([{"tag": "at", "user_id": "@_all", "user_name": "所有人"}, {"tag": "text", "text": "猫"}], "标题\n猫"),
        ([{"tag": "at", "user_id": "all", "user_name": "所有人"}, {"tag": "text", "text": "猫"}], "标题\n猫"),
        ([{"tag": "a", "href": "https://example.com"}], "标题\nhttps://example.com"),
        ([{"tag": "new", "text": "猫"}, {"tag": "hr"}, "?", {"tag": "text", "text": 5}], "标题\n猫"),
        ([{"tag": "md", "text": '<at user_id="ou_2"></at>的猫 ![](img_v3_1)'}], "标题\n张三的猫"),
        ([{"tag": "md", "text": "<at user_id=@_user_2>Tom</at> 的[猫](https://example.com)"}], "标题\n张三 的猫"),
        ([{"tag": "md", "text": '<at user_id="ou_9">Tom</at>和<at user_id="all"/>猫'}], "标题\nTom和猫"),
    ],
)
def test_rich_text_elements(elements: list[Any], said: str) -> None:
    """Each kind of element gives its words, and one of an unknown kind its text."""
    content = {"title": "标题", "content": [elements]}
    assert words(body_of(content, message_type="post", mentions=[mention(2, "张三", "ou_2")])) == said


def test_rich_text_can_mention_the_bot_without_a_list_of_mentions() -> None:
    """A rich text that names the bot's open_id itself counts, though the list of mentions is empty."""
    at = {"tag": "at", "user_id": BOT, "user_name": "画图"}
    content = {"content": [[at, {"tag": "text", "text": " 一只猫"}]]}
    assert words(body_of(content, message_type="post", chat_type="group", mentions=[])) == "一只猫"


AT = {"tag": "at", "user_id": "@_user_1", "user_name": "画图"}


@pytest.mark.parametrize(
    ("content", "second", "said"),
    [
        ([[AT]], [[AT, {"tag": "md", "text": " **一只**猫"}]], "**一只**猫"),
        ([[AT, {"tag": "text", "text": " 一只猫"}]], [[{"tag": "md", "text": "一只**猫**"}]], "一只猫"),
        ([[AT, {"tag": "text", "text": " 一只猫"}]], [[{"tag": "md", "text": "![一张旧图](img_v3_12345)"}]], "一只猫"),
        (None, [[{"tag": "md", "text": '<at user_id="ou_bot">画图</at> 一只猫 /n 2'}]], "一只猫 /n 2"),
        ("", [[{"tag": "md", "text": "<at user_id='@_user_1'></at>一只猫"}]], "一只猫"),
    ],
)
@pytest.mark.parametrize("place", ["inside", "beside", "beside as JSON"])
def test_the_second_content_counts_where_it_says_more(content: Any, second: Any, said: str, place: str) -> None:
    """What ``content_v2`` says is read where ``content`` is missing, empty or shorter, and not for its signs alone."""
    body = body_of({"content": content}, message_type="post", chat_type="group", mentions=[AT_BOT])
    if place == "inside":
        body["message"]["content"] = json.dumps({"title": "", "content": content, "content_v2": second})
    else:
        body["message"]["content_v2"] = json.dumps({"content": second}) if place == "beside as JSON" else second
    assert words(body) == said


@pytest.mark.parametrize("message_type", ["text", "post"])
@pytest.mark.parametrize("mentions", [[AT_BOT], [AT_BOT, mention(2, "张三", "ou_2")]])
def test_a_mention_with_empty_content(message_type: str, mentions: list[dict[str, Any]]) -> None:
    """A message whose content is an empty string is one without words, also where only its mentions name the bot."""
    message = heard(body_of("", message_type=message_type, chat_type="group", mentions=mentions))
    assert isinstance(message, Message)
    assert (message.text, message.attachment) == ("", False)


@pytest.mark.parametrize(
    "text",
    ["@_user_1 @_user_2", "@_user_2", "@_user_1 @_user_2 @_user_3！", "merged and forwarded message", "@_user_2\u2060"],
)
def test_a_message_that_only_names_people_or_forwards_has_no_words(text: str) -> None:
    """A mere mention of somebody else, or what the platform writes for a merged forward, is nothing to draw."""
    mentions = [AT_BOT, mention(2, "张三", "ou_2"), mention(3, "李四", "ou_3")]
    assert words(body_of({"text": text}, mentions=mentions)) == ""


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"text": 5}', "[" * 100_000, '{"text": ' + "9" * 5_000 + "}"])
def test_content_of_another_form_is_ignored(content: str) -> None:
    """A text whose content is not a JSON object with a text is ignored, deep nesting and huge numbers included."""
    assert heard(body_of(content)) == Ignored("no usable message.content")


@given(json_values)
def test_rich_text_of_any_shape_has_a_meaning(paragraphs: object) -> None:
    """A rich text with anything for its paragraphs is a message or is ignored."""
    body = body_of(json.dumps({"title": None, "content": [paragraphs]}), message_type="post")
    assert isinstance(heard(body), Message | Ignored)
