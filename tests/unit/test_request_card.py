"""The card of a request for images, and the same as text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from bot.chat.cards.elements import content
from bot.chat.cards.request_card import render_request, render_request_text
from bot.models import ContentFinding, Failure, RequestView, State
from bot.options import Options
from tests.unit.card_samples import (
    LINK,
    MARCH_NINTH,
    STAGES,
    cards,
    catalogue,
    failed,
    generation,
    lines,
    pressable,
    request,
    tagged,
)
from tests.unit.test_messages import FAILURES


def shown(*images: Any, locale: str = "zh_cn", **more: Any) -> list[str]:
    """What the card of a request with these images says."""
    return lines(render_request(cards(), request(*images, **more)), locale)


def buttons(*images: Any, **more: Any) -> dict[str, Any]:
    """The buttons of that card."""
    return pressable(render_request(cards(), request(*images, **more)))


HEADERS = [
    ("queued", "blue", "排队中", "In the queue"),
    ("next", "blue", "排队中", "In the queue"),
    ("backing off", "blue", "排队中", "In the queue"),
    ("generating", "wathet", "正在生成", "Generating"),
    ("made", "wathet", "正在生成", "Generating"),
    ("ready", "green", "图片已生成", "Your image is ready"),
    ("warned", "orange", "图片已生成，有内容安全提示", "Image ready, with a content warning"),
    ("failed", "red", "这次没有成功", "This did not work"),
    ("cancelled", "grey", "已取消", "Cancelled"),
    ("first of four", "wathet", "正在生成，已完成 1/4 张", "Generating: 1 of 4 images ready"),
    ("mixed", "green", "4 张中已生成 1 张", "1 of 4 images are ready"),
]


@pytest.mark.parametrize(("name", "color", "zh", "en"), HEADERS, ids=[row[0] for row in HEADERS])
def test_header_and_summary_say_the_stage(name: str, color: str, zh: str, en: str) -> None:
    """Both languages and the colour of the stage are in the header; the list of chats shows the same words."""
    card = render_request(cards(), STAGES[name])
    assert (card["schema"], card["header"]["template"]) == ("2.0", color)
    assert card["header"]["title"]["i18n_content"] == {"zh_cn": zh, "en_us": en}
    summary = {"content": zh, "i18n_content": {"zh_cn": zh, "en_us": en}}
    assert card["config"] == {"update_multi": True, "summary": summary}


WAITING: list[tuple[dict[str, Any], str, str]] = [
    ({}, "已排队", "Waiting in line"),
    ({"ahead": 3}, "前面还有 3 张", "3 ahead of you"),
    ({"ahead": 3, "wait_seconds": 130.0}, "前面还有 3 张 · 预计不到 3 分钟", "3 ahead of you · less than 3 min to go"),
    ({"ahead": 0, "wait_seconds": 59.0}, "下一张就轮到你 · 预计不到 1 分钟", "You are next · less than 1 min to go"),
    ({"ahead": 1, "wait_seconds": 60.0}, "前面还有 1 张 · 预计不到 3 分钟", "1 ahead of you · less than 3 min to go"),
    (
        {"ahead": 9, "wait_seconds": 599.0},
        "前面还有 9 张 · 预计不到 10 分钟",
        "9 ahead of you · less than 10 min to go",
    ),
    (
        {"ahead": 9, "wait_seconds": 600.0},
        "前面还有 9 张 · 预计超过 10 分钟",
        "9 ahead of you · more than 10 min to go",
    ),
    (
        {"ahead": 0, "backing_off": True},
        "平台现在繁忙，稍后自动再试，最多等 15 分钟",
        "The platform is busy; the bot keeps trying for up to 15 minutes",
    ),
]


@pytest.mark.parametrize(("place", "zh", "en"), WAITING)
def test_queue_position_comes_first(place: dict[str, Any], zh: str, en: str) -> None:
    """The position and the estimate come first, nothing of a result is there yet, and it can be cancelled."""
    card = render_request(cards(), request(generation(State.WAITING), price=0.1, **place))
    assert (lines(card)[0], lines(card, "en_us")[0]) == (zh, en)
    assert "费用" not in content(card)
    assert pressable(card) == {"取消": {"a": "cancel", "r": "req_1"}}


@pytest.mark.parametrize(("model", "seconds"), [("glm-image", "20–50"), ("cogview-4", "5–20")])
def test_generating_card_says_the_usual_time(model: str, seconds: str) -> None:
    """It says how long the model usually takes, and can be cancelled."""
    image, options = generation(State.GENERATING), Options(model=model)
    assert shown(image, options=options)[0] == f"正在生成，通常需要 {seconds} 秒"
    assert list(buttons(image, options=options)) == ["取消"]


def test_result_shows_everything() -> None:
    """A result shows image, prompt, parameters, reminder and what can be done next."""
    made = request(generation(State.DONE), price=0.1, options=Options(size="1728x960", style="INK"))
    card = render_request(cards(), made)
    alt = {"zh_cn": "生成的图片", "en_us": "The generated image"}
    label = {"tag": "plain_text", "content": alt["zh_cn"], "i18n_content": alt}
    image = {"tag": "img", "img_key": "img_v3_1", "alt": label, "scale_type": "fit_horizontal", "preview": True}
    assert tagged(card, "img") == [image]
    assert lines(card) == [
        "一只橘猫，坐在窗台上，水彩",
        "模型 glm-image · 尺寸 1728x960（≈16:9） · 质量 hd · 风格 水墨 · 有水印 · 用时 21 秒 · 费用 ¥0.10",
        "图片链接有效期 30 天，请及时下载保存",
    ]
    assert pressable(card) == {
        "再来一次": {"a": "again", "r": "req_1"},
        "换比例": {"a": "ratio", "r": "req_1"},
        "改提示词": {"a": "edit", "r": "req_1"},
        "发原图文件": {"a": "original", "g": "gen_1"},
        "打开原图": LINK,
    }
    options = tagged(card, "select_static")[0]["options"]
    assert [option["value"] for option in options] == ["16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16"]


def test_only_the_link_remains_without_card_actions() -> None:
    """Where the app receives no card actions only the link can be pressed, and nothing while waiting."""
    assert pressable(render_request(cards(buttons=False), STAGES["ready"])) == {"打开原图": LINK}
    assert pressable(render_request(cards(buttons=False), STAGES["queued"])) == {}


BAD_LINKS = [
    *(None, "http://example.com/1.png", "https:///1.png", "https://[::1", "https://example.com/a b"),
    *("https://example.com/\n", "https://exämple.com/", "javascript:alert(1)", "https://example.com/" + "a" * 1000),
]


@pytest.mark.parametrize("url", BAD_LINKS)
def test_only_a_valid_https_link_is_shown(url: str | None) -> None:
    """No other address becomes a button, and without a link there is no reminder."""
    card = render_request(cards(buttons=False), request(generation(State.DONE, url=url)))
    assert pressable(card) == {}
    assert "30 天" not in content(card)


UNTIL = "图片链接将于 2026-03-09 04:00 失效（平台标注有效期 30 天），请及时下载保存"


@pytest.mark.parametrize(
    ("ends", "zh"),
    [
        ([None], "图片链接有效期 30 天，请及时下载保存"),
        ([MARCH_NINTH], UNTIL),
        ([None, MARCH_NINTH + 86400, MARCH_NINTH], UNTIL),
    ],
)
def test_reminder_says_when_the_first_link_expires(ends: list[float | None], zh: str) -> None:
    """An unsigned link works for 30 days; of signed ones the first end counts, once, in the team's time."""
    said = shown(*(generation(State.DONE, number, link_expires_at=end) for number, end in enumerate(ends, 1)))
    assert [line for line in said if "30 天" in line] == [zh]


NOTES = [
    (request(generation(State.GENERATING), options=Options(quality="standard")), "note.standard"),
    (request(generation(State.DONE, repeated=True)), "note.repeated"),
    (request(generation(State.GENERATING, repeated=True)), "note.repeated"),
    (request(generation(State.DONE, reencoded=True)), "note.shrunk"),
    (request(generation(State.DONE), prompt="好看的图片"), "advice.vague"),
    (request(generation(State.DONE), prompt="猫" * 1001), "advice.long"),
]


@pytest.mark.parametrize(("view", "key"), NOTES, ids=[key for _, key in NOTES])
def test_notes_are_small(view: RequestView, key: str) -> None:
    """What a person should know is small and grey under the parameters."""
    texts = [element["text"] for element in tagged(render_request(cards(), view), "div")]
    note = next(text for text in texts if text["content"] == catalogue().text(key, "zh"))
    assert (note["text_size"], note["text_color"]) == ("notation", "grey")


def test_standard_quality_is_noted_only_for_glm_image() -> None:
    """Only glm-image documents hd alone."""
    said = shown(generation(State.DONE), options=Options(model="cogview-4", quality="standard"))
    assert catalogue().text("note.standard", "zh") not in said


@pytest.mark.parametrize(("price", "said"), [(0.1, "费用 ¥0.10"), (0.0, "免费"), (None, "用时 21 秒")])
def test_price_is_shown(price: float | None, said: str) -> None:
    """The price is in yuan, free is said in words, and an unknown one is left out."""
    assert shown(generation(State.DONE), price=price)[1].endswith(said)


def test_images_of_one_request_appear_one_by_one() -> None:
    """Finished images are shown with their number; for the others the card says their state."""
    card = render_request(cards(), STAGES["first of four"])
    assert len(tagged(card, "img")) == 1
    assert lines(card)[:4] == [
        "第 1 张 · 用时 21 秒",
        "第 2 张：正在生成，通常需要 20–50 秒",
        "第 3 张：已排队",
        "第 4 张：已排队",
    ]
    assert "共 4 张，每张单独生成、单独计费。" in lines(card)
    assert list(pressable(card)) == ["发原图文件", "打开原图", "取消"]


def test_failed_images_are_named_beside_the_others() -> None:
    """Each failure and cancellation has its number, and finished images stay."""
    card = render_request(cards(), STAGES["mixed"])
    timeout = ["第 2 张：平台没有在时限内返回结果。", catalogue().text("failure.timeout.advice", "zh")]
    assert lines(card)[1:5] == ["第 4 张：已取消", *timeout, "第 3 张：图片已生成，但没有下载成功。"]
    assert pressable(card)["打开第 3 张原图"] == LINK
    assert pressable(card)["再来一次"] == {"a": "again", "r": "req_1"}


VALUES = {"status": "403", "until": "1795363200", "size": "512x512", "model": "glm-image", "allowed": "1280x1280"}
PLATFORM = "1234 网络错误 <at id=all></at>"


@pytest.mark.parametrize("key", FAILURES)
def test_failure_has_three_parts(key: str) -> None:
    """Sentence, platform message and advice come in this order, in both languages; no advice offers another model."""
    view = request(failed(key, url=LINK, values=VALUES, platform=PLATFORM, roles=("user",)))
    for language, locale in (("zh", "zh_cn"), ("en", "en_us")):
        where = catalogue().text("role.user", language)  # type: ignore[arg-type]
        values = {**VALUES, "where": where, "until": "2026-11-23 00:00"}
        sentence, advice = (catalogue().text(one, language, **values) for one in (key, f"{key}.advice"))  # type: ignore[arg-type]
        assert lines(render_request(cards(), view), locale)[:3] == [sentence, PLATFORM, advice]
        assert not re.search(r"cogview|其他模型|换.{0,2}模型|another model|describe", advice, re.IGNORECASE)


def test_only_the_page_of_the_keys_is_linked() -> None:
    """The one address in a failure is the page where keys are made."""
    said = " ".join(catalogue().text(f"{key}.advice", "en", **VALUES) for key in FAILURES)
    assert set(re.findall(r"https?://\S+[^\s,.;]", said)) == {"https://bigmodel.cn/usercenter/proj-mgmt/apikeys"}


def test_platform_message_is_small_and_plain() -> None:
    """The platform's own message is grey plain text, the same for every reader, and bounded."""
    card = render_request(cards(), request(failed("failure.server", platform=PLATFORM + "x" * 500)))
    text = tagged(card, "div")[1]["text"]
    assert (text["tag"], text["text_size"], text["text_color"]) == ("plain_text", "notation", "grey")
    assert text["content"].startswith(PLATFORM)
    assert len(text["content"]) == 160


@pytest.mark.parametrize(
    ("sentence", "values", "zh"),
    [
        *(("failure.quota", {"until": until}, "平台额度已用完。") for until in ("2026-11-23", "inf", "253402300800")),
        ("failure.quota", {}, "平台额度已用完。"),
        ("failure.quota_plain", {}, "平台额度已用完。"),
        ("failure.size", {"model": "glm-image"}, "模型不支持这个尺寸。"),
        ("failure.content", {}, "没有通过内容安全检查。"),
        ("failure.of_another_version", {}, "程序内部出错，这张图没有完成。"),
    ],
)
def test_missing_value_leaves_a_plainer_sentence(sentence: str, values: dict[str, str], zh: str) -> None:
    """Without a value the sentence does without it; a failure that this version does not know is an internal one."""
    said = shown(failed(sentence, values=values))
    assert said[0] == zh
    if sentence in catalogue():
        assert said[1] == catalogue().text(f"{sentence.removesuffix('_plain')}.advice", "zh")


@pytest.mark.parametrize(
    ("roles", "zh", "en"),
    [
        (("user",), "提示词", "the prompt"),
        (("assistant", "user"), "生成的图片和提示词", "the image and the prompt"),
        (("user", "assistant", "history"), "提示词、生成的图片和上文", "the prompt, the image and earlier messages"),
        (("history", "history"), "上文", "earlier messages"),
        (("somebody", "user"), "提示词", "the prompt"),
    ],
)
def test_content_filter_names_what_it_objected_to(roles: tuple[str, ...], zh: str, en: str) -> None:
    """A refusal says whether the prompt or the image was at fault, each once."""
    image = failed("failure.content", roles=roles)
    assert shown(image)[0] == f"没有通过内容安全检查，问题出在：{zh}。"
    assert shown(image, locale="en_us")[0] == f"The content check did not pass; it objected to {en}."


def test_content_warnings_say_where_and_how_bad() -> None:
    """Each finding beside an image is a warning; one without a known role names none, and neither does a refusal."""
    assert lines(render_request(cards(), STAGES["warned"]))[:2] == [
        "⚠ 内容安全提示：生成的图片，级别 2（0 最严重，3 最轻），请留意。",
        "⚠ 内容安全提示：提示词，级别 3（0 最严重，3 最轻），请留意。",
    ]
    findings = (ContentFinding(role="somebody", level=2), ContentFinding(role="unknown", level=2))
    warning = catalogue().text("warning.content_plain", "zh", level=2)
    assert shown(generation(State.DONE, findings=findings))[:2] == [warning] * 2
    refusal = shown(failed("failure.content", roles=("somebody", "unknown")))
    assert refusal[:2] == [catalogue().text(f"failure.content{end}", "zh") for end in ("_plain", ".advice")]


@pytest.mark.parametrize("key", [key for key in FAILURES if f"{key}.advice_plain" in catalogue()])
@pytest.mark.parametrize(("url", "form"), [(LINK, "advice"), (None, "advice_plain"), ("file:///a", "advice_plain")])
def test_advice_mentions_a_link_only_where_there_is_one(key: str, url: str | None, form: str) -> None:
    """A card without a usable link says what else can be done."""
    said = shown(failed(key, url=url), locale="en_us")
    assert said[1] == catalogue().text(f"{key}.{form}", "en")
    assert ("link" in said[1]) == (url == LINK)


def test_equal_failures_are_shown_once() -> None:
    """Images that failed for one reason share a sentence with their numbers, and their request ids a small line."""
    same = [failed("failure.balance", number) for number in range(1, 5)]
    assert shown(*same)[0] == "第 1、2、3、4 张：智谱账号余额不足。"
    assert shown(*same, locale="en_us")[0] == "Images 1, 2, 3, 4: The ZhiPu account has no balance left."
    assert sum("余额不足" in line for line in shown(*same)) == 1
    with_ids = [replace(image, platform_request_id=f"2026{end}") for image, end in zip(same, "ab", strict=False)]
    assert shown(*with_ids)[1] == "平台请求编号：2026a, 2026b"
    said = shown(failed("failure.download", 1, url=LINK), *(failed("failure.download", n) for n in (2, 3)))
    assert said[0] == "第 1 张：图片已生成，但没有下载成功。"
    assert said[2] == "第 2、3 张：图片已生成，但没有下载成功。"
    assert said[1] != said[3]


RETRY, EDIT, RESUME, OPEN = "再试一次", "改提示词", "免费重新下载", "打开原图"


@pytest.mark.parametrize(
    ("sentence", "resumable", "labels"),
    [
        *(
            (f"failure.{name}", True, [RESUME, EDIT, OPEN])
            for name in ("download", "upload", "upload_barred", "stalled")
        ),
        *((f"failure.{name}", False, [RETRY, EDIT, OPEN]) for name in ("rate_limit", "timeout")),
        *((f"failure.{name}", False, [EDIT, OPEN]) for name in ("content", "content_plain", "size", "prompt_too_long")),
        ("failure.upload_barred", False, [EDIT, OPEN]),
        ("failure.image_too_large", True, [EDIT, OPEN]),
    ],
)
def test_trying_again_is_offered_where_it_can_help(sentence: str, labels: list[str], *, resumable: bool) -> None:
    """What was paid for is fetched again for free; what the same prompt would meet again can only be edited."""
    assert list(buttons(replace(failed(sentence, url=LINK), resumable=resumable))) == labels


def test_failure_without_a_reason_is_an_internal_one() -> None:
    """A failed generation always says something."""
    internal = catalogue().text("failure.internal", "zh")
    assert shown(generation(State.FAILED))[0] == internal
    assert shown(generation(State.FAILED, failure=Failure(code="", sentence="?")))[0] == internal


def test_text_says_what_the_card_says() -> None:
    """Title, prompt, parameters, reminder and link are lines in the reader's language, warnings and failures too."""
    assert render_request_text(cards(), STAGES["ready"], "zh").splitlines() == [
        "图片已生成",
        "一只橘猫，坐在窗台上，水彩",
        "模型 glm-image · 尺寸 1280x1280（1:1） · 质量 hd · 有水印 · 用时 21 秒 · 费用 ¥0.10",
        "图片链接有效期 30 天，请及时下载保存",
        LINK,
    ]
    assert render_request_text(cards(), STAGES["ready"], "en").splitlines()[0] == "Your image is ready"
    assert lines(render_request(cards(), STAGES["warned"]))[0] in render_request_text(cards(), STAGES["warned"], "zh")
    two = request(generation(State.DONE), failed("failure.server", 2, platform="500 internal"))
    said = render_request_text(cards(), two, "en").splitlines()
    assert said[1:3] == ["Image 2: The ZhiPu platform had an internal error and returned no image.", "500 internal"]
    assert said[3].startswith("Please try again later")


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ('<at user_id="all"></at>', '＜at user_id="all">＜/at>'),
        ("&lt;at user_id=1&gt; R&D; a & b", "＆lt;at user_id=1＆gt; R＆D; a & b"),
        ("&#60;at>", "＆#60;at>"),
    ],
)
def test_text_mentions_nobody(prompt: str, said: str) -> None:
    """Tags and entities of a prompt become full-width signs, which no platform reads as tags."""
    assert said in render_request_text(cards(), request(generation(State.DONE), prompt=prompt), "zh").splitlines()
