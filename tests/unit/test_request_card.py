"""The card of a request at every stage: what it shows, what it costs, what can be pressed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from bot.chat.cards.elements import content, text_of
from bot.chat.cards.request_card import render_request
from bot.chat.messages import LOCALES
from bot.errors import FOR_ADMINS
from bot.models import GenerationView, State
from bot.options import Options
from tests.unit.card_samples import (
    FAILURES,
    FOUR,
    LINK,
    MARCH_NINTH,
    PROMPT,
    STAGES,
    cards,
    catalogue,
    failed,
    generation,
    header,
    lines,
    pressable,
    request,
    tagged,
)

REMINDER = "图片链接有效期 30 天，请及时下载保存"


def shown(*images: GenerationView, locale: str = "zh_cn", **more: Any) -> list[str]:
    """The lines of the card of a request with these images."""
    return lines(render_request(cards(), request(*images, **more)), locale)


def say(key: str, **values: object) -> str:
    return catalogue().text(key, "zh", **values)


TITLES = {
    "queued": ("blue", "排队中", "In the queue"),
    "first of four": ("wathet", "正在生成，已完成 1/4 张", "Generating: 1 of 4 images ready"),
    "mixed": ("green", "4 张中已生成 1 张", "1 of 4 images are ready"),
    "warned": ("orange", "图片已生成，有内容安全提示", "Image ready, with a safety notice"),
    "failed": ("red", "这次没有出图", "No image this time"),
    "kept": ("grey", "已取消", "Cancelled"),
}


def test_title_says_the_stage() -> None:
    for stage, (color, zh, en) in TITLES.items():
        card = render_request(cards(), STAGES[stage])
        assert (card["header"]["template"], header(card)[0], header(card, "en_us")[0]) == (color, zh, en)
        assert card["config"]["summary"]["i18n_content"] == {"zh_cn": zh, "en_us": en}


def test_result_shows_everything() -> None:
    card = render_request(cards(), STAGES["ready"])
    (image,) = tagged(card, "img")
    assert (image["img_key"], image["alt"]["content"], image["preview"]) == ("img_v3_1", PROMPT, True)
    assert header(card) == ["图片已生成", "质量 hd · 有水印", "1728x960 · ≈16:9", "水墨", "glm-image"]
    assert header(card, "en_us")[2:] == ["1728x960 · ≈16:9", "ink", "glm-image"]
    assert lines(card) == [PROMPT, f"费用 ¥0.10 · 用时 21 秒 · {REMINDER}"]
    assert pressable(card) == {
        "再来一次": {"a": "again", "r": "req_1"},
        "换比例": {"a": "ratio", "r": "req_1"},
        "打开原图": LINK,
        "改提示词": {"a": "edit", "r": "req_1", "g": "gen_1"},
        "发原图文件": {"a": "original", "r": "req_1", "g": "gen_1"},
    }
    assert [option["value"] for option in tagged(card, "overflow")[0]["options"]] == ["edit", "original"]


def test_several_images_share_a_grid() -> None:
    for stage, mode, count in [("two", "bisect", 2), ("three", "trisect", 3), ("four", "bisect", 4)]:
        card = render_request(cards(), STAGES[stage])
        (grid,) = tagged(card, "img_combination")
        keys = [one["img_key"] for one in grid["img_list"]]
        assert (grid["combination_mode"], keys) == (mode, [f"img_v3_{number}" for number in range(1, count + 1)])
        values = [one["behaviors"][0].get("value", {}) for one in tagged(card, "button")]
        assert [one["g"] for one in values if one.get("a") == "original"] == [f"gen_{n}" for n in range(1, count + 1)]
        assert lines(card)[-1].startswith(f"费用 ¥0.{count}0")


def rejected_content(*roles: str, **values: str) -> GenerationView:
    """An image that the content filter rejected."""
    return failed("failure.content", roles=roles, values=values)


BALANCE = tuple(failed("failure.balance", number) for number in range(1, 5))
FIRST_LINES: list[tuple[tuple[GenerationView, ...], str, str]] = [
    # A value that is missing or nonsense leaves a plainer sentence.
    ((failed("failure.quota", values={"until": "253402300800"}),), "平台额度已用完。", ""),
    ((failed("failure.quota", values={"until": "1795363200"}),), "平台额度已用完，11-23 00:00 恢复。", ""),
    ((failed("failure.size", values={"model": "glm-image"}),), "模型不支持这个尺寸。", ""),
    ((failed("failure.of_another_version"),), "程序出错，这张图没有完成。", ""),
    # Each side that was rejected is named once, with the level where it is known.
    ((rejected_content(),), "没通过内容安全检查。", ""),
    ((rejected_content("user", level="0"),), "提示词没通过内容安全检查（级别 0，最严重）。", "(level 0, most severe)."),
    ((rejected_content("assistant", "user"),), "生成的图片和提示词没通过内容安全检查。", "the image and the prompt."),
    ((rejected_content("history", "history", "x", level="1"),), "上文没通过内容安全检查（级别 1，较严重）。", ""),
    (STAGES["warned"].images, "⚠ 生成的图片有内容安全提示（级别 2，较轻），分享前请留意。", ""),
    # Images that failed for one reason share a sentence.
    (BALANCE, "第 1、2、3、4 张：智谱账号余额不足。", "Images 1, 2, 3, 4: The ZhiPu account has no balance left."),
]


def test_first_line_says_what_happened() -> None:
    for images, zh, en in FIRST_LINES:
        assert shown(*images)[0] == zh
        assert shown(*images, locale="en_us")[0].endswith(en)
    assert "改掉可能敏感的词" in shown(rejected_content("user"))[1]
    assert "画面写得更温和" in shown(rejected_content("assistant"))[1]


def test_several_images_are_named_by_their_numbers() -> None:
    """Those in the same state share a sentence, and the ids of equal failures a line."""
    said = lines(render_request(cards(), STAGES["first of four"]))
    assert said[:3] == ["第 1 张 · 21 秒", "第 2 张：正在生成，通常需要 20–50 秒", "第 3、4 张：已排队"]
    assert said[-1].startswith("预计费用 ¥0.40（4 张，每张 ¥0.10）")
    card = render_request(cards(), STAGES["mixed"])
    each = {"第 4 张：还没开始就取消了", "第 2 张：平台没有在时限内返回图片。", "第 3 张：图片已生成，但没有下载成功。"}
    assert each <= set(lines(card))
    assert pressable(card)["打开第 3 张原图"] == LINK
    with_ids = [replace(image, platform_request_id=f"2026{end}") for image, end in zip(BALANCE, "ab", strict=False)]
    assert shown(*with_ids)[1] == "平台请求 ID：2026a, 2026b"


BAD_LINKS = [
    *(None, "http://example.com/1.png", "https:///1.png", "https://[::1", "https://example.com/a b"),
    *("https://example.com/\n", "https://exämple.com/", "javascript:alert(1)", "https://example.com/" + "a" * 1000),
]


def test_only_a_valid_https_link_is_shown() -> None:
    assert pressable(render_request(cards(buttons=False), STAGES["ready"])) == {"打开原图": LINK}
    assert pressable(render_request(cards(buttons=False), STAGES["queued"])) == {}
    for url in BAD_LINKS:
        card = render_request(cards(buttons=False), request(generation(State.DONE, url=url)))
        assert (pressable(card), "30 天" in content(card)) == ({}, False), url


def test_reminder_says_when_the_first_link_expires() -> None:
    for ends, until in (((None,), ""), ((None, MARCH_NINTH + 86400, MARCH_NINTH), "（这个链接 03-09 04:00 就到期）")):
        said = shown(*(generation(State.DONE, number, link_expires_at=end) for number, end in enumerate(ends, 1)))
        assert [one.split(" · ")[-1] for one in said if "30 天" in one] == [REMINDER + until]


LOST = failed("failure.timeout", billed=1)
COSTS: list[tuple[list[GenerationView], str]] = [
    ([generation(State.DONE, calls_billed=2)], "费用 ¥0.10，另有 ¥0.10 可能已计费"),
    ([failed("failure.balance")], "没有产生费用"),
    ([LOST], "可能已计费 ¥0.10"),
    ([failed("failure.download", billed=1, url=LINK)], "费用 ¥0.10"),
    ([generation(State.CANCELLED)], "没有产生费用"),
    ([generation(State.CANCELLED, calls_billed=1)], "可能已计费 ¥0.10"),
    ([generation(State.CANCELLED, calls_billed=1, kept=True)], "费用 ¥0.10"),
    ([*FOUR[:2], LOST, generation(State.CANCELLED, 4)], "费用 ¥0.20，另有 ¥0.10 可能已计费"),
]


def test_every_final_card_says_what_it_cost() -> None:
    for images, zh in COSTS:
        assert shown(*images)[-1].split(" · ")[0] == zh
        assert "没有产生费用" in shown(*images, price=0.0)[-1]
        assert not re.search("费用|计费", " ".join(shown(*images, price=None)[-1:]))


def test_what_is_unusual_is_noted() -> None:
    assert say("note.repeated") in shown(generation(State.GENERATING, repeated=True))
    assert say("note.shrunk") in shown(generation(State.DONE, reencoded=True))
    for model, is_noted in (("glm-image", True), ("cogview-4", False)):
        lower = Options(model=model, quality="standard")
        assert (say("note.standard") in shown(generation(State.DONE), options=lower)) == is_noted


VALUES = {"status": "403", "until": "1795363200", "size": "512x512", "model": "glm-image", "allowed": "1280x1280"}
PLATFORM = "1234 网络错误 <at id=all></at>"


def test_failure_has_three_parts() -> None:
    """Sentence, platform message and advice come in this order, in both languages; no advice offers another model.

    What only an admin can mend is not advised to people: the card says that the admins know, if there are any.
    """
    for key in FAILURES:
        view = request(failed(key, url=LINK, values={**VALUES, "level": "0"}, platform=PLATFORM, roles=("user",)))
        for language, locale in LOCALES.items():
            sentence, platform, advice = lines(render_request(cards(), view), locale)[:3]
            assert platform == PLATFORM
            told = catalogue().text("advice.admins_told_linked", language)
            assert (advice == told) == (key in FOR_ADMINS), key
            assert "{" not in sentence + advice
            assert not re.search(r"cogview|其他模型|换.{0,2}模型|another model|https?:", advice), key
    without = lines(render_request(cards(alerts_admins=False), STAGES["failed for all"]))
    assert without[2] == "请联系管理员，处理好后再试。"
    assert lines(render_request(cards(), STAGES["failed for all"]))[2] == "已通知管理员，请等处理好后再试。"
    assert len(shown(failed("failure.server", platform=PLATFORM + "x" * 500))[1]) == 160


RETRY, EDIT, RESUME, OPEN = "再试一次", "改提示词", "免费重新下载", "打开原图"
OFFERS = [
    *((f"failure.{name}", True, [RESUME, EDIT, OPEN]) for name in ("download", "upload_barred", "stalled")),
    *((f"failure.{name}", False, [RETRY, EDIT, OPEN]) for name in ("rate_limit", "timeout")),
    *((f"failure.{name}", False, [EDIT, OPEN]) for name in ("content", "content_plain", "size", "upload_barred")),
    ("failure.image_too_large", True, [EDIT, OPEN]),
]


def test_trying_again_is_offered_where_it_can_help() -> None:
    """An image that was cancelled too late is paid for, and words may have been taken for what they were not."""
    for sentence, resumable, labels in OFFERS:
        card = render_request(cards(), request(failed(sentence, url=LINK, resumable=resumable)))
        assert list(pressable(card)) == labels, sentence
    for stage, offers in (("kept", ["还是给我"]), ("cancelled in call", []), ("recognized", ["不是这个意思"])):
        labels = list(pressable(render_request(cards(), STAGES[stage])))
        assert [one for one in ("还是给我", "不是这个意思") if one in labels] == offers


def test_text_says_what_the_card_says() -> None:
    assert text_of(render_request(cards(), STAGES["ready"]), "zh").splitlines() == [
        "图片已生成",
        "1728x960 · ≈16:9 · 水墨 · glm-image · 质量 hd · 有水印",
        PROMPT,
        f"费用 ¥0.10 · 用时 21 秒 · {REMINDER}",
        LINK,
    ]
    for stage, view in STAGES.items():
        for language, locale in LOCALES.items():
            card = render_request(cards(), view)
            assert [line for line in lines(card, locale) if line not in text_of(card, language)] == [], stage
