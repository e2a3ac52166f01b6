"""The cards of commands, the help, the form, notices, errors and toasts."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from bot import sizes
from bot.chat.cards import command_cards as commands
from bot.chat.cards.form_card import render_form
from bot.chat.messages import LOCALES
from bot.chat.parsing.parser import parse
from bot.chat.parsing.tokenizer import COMMAND_NAMES
from bot.errors import UserError
from bot.models import Command, HistoryView, ImagePrompt, Language
from bot.options import OPTIONS, Options, resolve_options
from tests.unit.card_samples import (
    NOTICES,
    PROMPT,
    QUOTA,
    STATS,
    cards,
    catalogue,
    header,
    history,
    line,
    lines,
    pressable,
    queued,
    samples,
    styles,
    tagged,
)


def sample(name: str) -> dict[str, Any]:
    return samples()[name](cards())


QUEUE_ROWS: list[tuple[dict[str, Any], str, str]] = [
    ({"number": 2}, "你的第 2 个 · 等待中 · 预计费用 ¥0.10", "Yours, no. 2 · waiting · Estimated cost ¥0.10"),
    ({"number": None}, "其他人 · 等待中", "Someone else · waiting"),
    ({"number": None, "ahead": 3}, "其他人 · 前面 3 张", "Someone else · 3 ahead"),
    (
        {"number": 1, "running": 1, "waiting": 3, "ahead": 0, "wait_seconds": 600.0},
        "你的第 1 个 · 4 张 · 1 张正在生成 · 下一张 · 预计超过 10 分钟 · 预计费用 ¥0.40",
        "Yours, no. 1 · 4 images · 1 generating · next · more than 10 min · Estimated cost ¥0.40",
    ),
    (
        {"number": 1, "here": False, "running": 1, "waiting": 0, "price": 0.0},
        "你的第 1 个 · 正在生成 · 免费 · 在其他会话",
        "Yours, no. 1 · generating · free · in another chat",
    ),
]


def test_queue_has_a_line_for_each_request() -> None:
    """Each line says whose it is without a name, its state and position, and for one's own what all images cost."""
    for entry, zh, en in QUEUE_ROWS:
        card = commands.render_queue(cards(), line(queued(**entry)))
        assert (lines(card)[0], lines(card, "en_us")[0]) == (zh, en)
    paused = sample("empty queue")
    assert lines(paused) == ["管理员暂停了生成，排队的图片等恢复后再画。", "这里没有等待中或正在生成的图片。"]
    own = [one["behaviors"][0]["value"]["a"] for one in tagged(sample("queue"), "button")]
    assert (own, paused["header"]["template"]) == (["cancel"], "orange")


def test_queue_protects_prompts_and_is_cut_and_counted() -> None:
    """A group does not read what somebody asked for elsewhere; other people's prompts are short, own ones listed."""
    secret = queued(1, here=False, prompt="给老板的生日惊喜")
    assert "惊喜" not in "".join(lines(commands.render_queue(cards(), line(secret))))
    assert "给老板的生日惊喜" in lines(commands.render_queue(cards(), line(secret, private=True)))
    said = lines(commands.render_queue(cards(), line(queued(1, prompt="猫" * 200), queued(prompt="狗" * 200))))
    assert (said[1], said[3]) == ("猫" * 99 + "…", "狗" * 39 + "…")
    view = line(*(queued(waiting=2) for _ in range(50)), queued(1, prompt="我的猫"), elsewhere=7)
    said = lines(commands.render_queue(cards(), view))
    assert {"我的猫", "这里还有 78 张没有列出。", "其他会话里还有 7 张。"} <= set(said)


def test_history_shows_thumbnails_with_what_can_be_done() -> None:
    card = sample("history")
    assert header(card) == ["图片历史", "你在所有会话里的图片"]
    assert {(one["scale_type"], one["alt"]["content"]) for one in tagged(card, "img")} == {("crop_center", PROMPT)}
    assert lines(card)[:2] == [PROMPT, "03-09 04:00 · 费用 ¥0.10"]
    assert header(sample("filtered history"))[1] == "你在这里的图片 · “周二”"
    without = HistoryView(entries=(history(generation_id=""),))
    assert list(pressable(commands.render_history(cards(), without, request_id="r"))) == ["再来"]


def test_quota_shows_what_is_left_and_until_when() -> None:
    assert lines(sample("quota")) == [
        "今天：已用 3 张，上限 20 张，还剩 17 张\n没完成的：1 张，最多同时 5 张",
        "你本月：¥1.20，预算 ¥10.00\n本会话本月：¥3.00，预算 ¥30.00",
        "团队本月：120 张，上限 1000 张\n团队本月：¥11.50，预算 ¥100.00",
        "今天的额度 03-09 04:00 恢复。可能计费的都算，包括失败和取消的。",
    ]
    own, team = (tuple(dataclasses.replace(one, most=0) for one in group) for group in (QUOTA.own, QUOTA.team))
    free = dataclasses.replace(QUOTA, own=own, team=team, budgets=())
    said = "\n".join(lines(commands.render_quota(cards(), free), "en_us")[:2]).splitlines()
    assert [text.endswith(", no limit") for text in said] == [True] * 4


def test_statistics_show_the_month() -> None:
    """A bar for each day of the month, days without images between the others, and a file of all."""
    card = sample("stats")
    assert header(card) == ["2026-11 统计"]
    assert lines(card, "en_us")[:-2] == [
        "Charged: 1,120 images · ¥111.20",
        "cogview-4 · 20 images · ¥1.20 · 8 s to generate",
        "glm-image · 1,100 images · ¥110.00 · 32 s to generate · 75 s in the queue",
        "Images per day:",
        *("People by cost:", "700 images · ¥70.00", "420 images · ¥41.20"),
        *("Chats by cost:", "Group …a1b2c3", "700 images · ¥70.00", "420 images · ¥41.20"),
    ]
    outcomes, calls = lines(card, "en_us")[-2:]
    assert outcomes.startswith("Outcomes:\nDone · 1,100\nCancelled · 12\nThe safety check rejected this · 8\n")
    assert calls == "About 4,321 calls to Feishu this month. Times are medians."
    people = [(one["user_id"], one["show_name"]) for one in tagged(card, "person")]
    assert people[:2] == [("ou_0001", True), ("ou_0002", True)]
    assert pressable(card) == {"导出 CSV": {"a": "export", "m": "2026-11"}}
    days = dataclasses.replace(STATS, days=(("10-31", 9), ("11-01", 1), ("11-03", 2)))
    (chart,) = tagged(commands.render_stats(cards(), days), "chart")
    values = chart["chart_spec"]["data"]["values"]
    assert [(one["day"], one["images"]) for one in values] == [("11-01", 1), ("11-02", 0), ("11-03", 2)]


def test_question_asks_twice_before_several_images() -> None:
    """The price is on the button, and what costs more than one image is confirmed."""
    assert pressable(sample("question")) == {
        "画出来 ¥0.10": {"a": "confirm", "r": "req_1"},
        "不用": {"a": "decline", "r": "req_1"},
    }
    assert "confirm" not in tagged(sample("question"), "button")[0]
    several = tagged(sample("question for four"), "button")[0]
    assert several["confirm"]["text"]["content"] == "将生成 4 张，共 ¥0.40。"
    assert pressable(sample("duplicate")) == {"再画一张 ¥0.10": {"a": "confirm", "r": "req_1"}}
    # What was cancelled before it began is free, the rest may be charged.
    assert lines(sample("cancelled two")) == ["已取消 2 张，都还没开始，没有产生费用。", PROMPT]
    assert lines(sample("cancelled one in call")) == ["已取消 2 张，其中 1 张已交给平台，可能计费 ¥0.10。"]


def test_sizes_models_and_styles_are_listed() -> None:
    """Every size has its ratio, each rule its numbers, each model its price and usual time, each style its words."""
    text = "\n".join(lines(sample("sizes")))
    for model in sizes.MODELS:
        recommended = sizes.rule(model).recommended
        assert model in text
        assert all(f"{size}（{sizes.ratio_name(size)}" in text for size in recommended)
    assert "1280x1280（1:1，默认）" in text
    assert "边长 1024–2048，都是 32 的倍数，总像素不超过 4,194,304" in text
    said = lines(sample("models"), "en_us")
    assert said[0] == "glm-image (default) · ¥0.10 per image · usually 20–50 s"
    assert {"cogview-4-250304 · usually 5–20 s", "cogview-3-flash · free · usually 5–20 s"} <= set(said)
    card, every = sample("styles"), styles().all
    assert lines(card, "en_us")[: len(every)] == [f"{style.name['en']}: {style.words['en']}" for style in every]
    values = [one["behaviors"][0]["value"] for one in tagged(card, "button")]
    assert values == [{"a": "style", "s": style.name["en"]} for style in every]


def test_help_cards_name_the_teams_defaults() -> None:
    ctx = dataclasses.replace(cards(), defaults=Options(model="cogview-4", size="1344x768", quality="standard"))
    assert [text.count("(default)") for text in lines(commands.render_models(ctx), "en_us")[:2]] == [0, 1]
    glm, others = lines(commands.render_sizes(ctx), "en_us")[:2]
    assert ("1728x960 (≈16:9, default)" in glm, "1344x768 (≈16:9, default)" in others) == (True, True)
    text = "\n".join(lines(commands.render_help(ctx), "en_us"))
    assert [value for value in ("1344x768", "standard", "cogview-4") if f"{value} by default" not in text] == []


def test_help_lists_every_option_and_the_commands_that_exist() -> None:
    for locale in LOCALES.values():
        text = "\n".join(lines(commands.render_help(cards()), locale))
        words = ("size", "quality", "model", "no-watermark", "style", "n", *COMMAND_NAMES)
        assert [word for word in words if f"`/{word}" not in text] == []


def test_examples_in_the_help_can_be_copied() -> None:
    """What is between the marks of a line is that command, or an option that leaves the prompt."""
    languages: tuple[Language, ...] = ("zh", "en")
    for language in languages:
        for name in COMMAND_NAMES:
            for example in re.findall("`([^`]+)`", catalogue().text(f"help.command.{name}", language)):
                assert getattr(parse(example), "name", None) == name, example
        for name in OPTIONS:
            values = dict.fromkeys(catalogue().placeholders(f"help.option.{name}"), "x")
            example = catalogue().text(f"help.option.{name}", language, **values).split("`")[1]
            parsed = parse(f"a cat {example}")
            assert isinstance(parsed, ImagePrompt)
            assert (parsed.prompt, list(parsed.options)) == ("a cat", [name])
        for example in re.findall("`([^`]+)`", catalogue().text("help.words", language)):
            parsed = parse(example) if example[0] not in "/-" else parse(f"猫 {example}")
            assert isinstance(parsed, Command) or (isinstance(parsed, ImagePrompt) and parsed.prompt == "猫"), example


def form(prompt: str = "一只橘猫", **options: Any) -> dict[str, Any]:
    return render_form(cards(), request_id="req_1", prompt=prompt, options=Options(**options))


def choices(card: dict[str, Any]) -> dict[str, tuple[list[str], str]]:
    """The values of each drop-down list, and the one that is chosen."""
    lists = tagged(card, "select_static")
    return {one["name"]: ([option["value"] for option in one["options"]], one["initial_option"]) for one in lists}


def test_form_is_filled_in_with_the_request() -> None:
    """The button carries the request and says the price; the field takes 1,000 characters, and says so."""
    card = form(size="1568x1056", style="INK")
    assert [(field["name"], field["default_value"]) for field in tagged(card, "input")] == [("prompt", "一只橘猫")]
    assert choices(card)["size"] == (["1568x1056", *sizes.RATIOS], "1568x1056")
    assert choices(card)["style"][1] == "ink"
    assert choices(form(style="baroque"))["style"][1] == "none"  # a style that was removed from the file
    assert pressable(card)["生成 ¥0.10"] == {"a": "submit", "r": "req_1"}
    assert tagged(card, "button")[0]["form_action_type"] == "submit"
    card = form(prompt="猫" * 1500)
    assert tagged(card, "input")[0]["default_value"] == "猫" * 1000
    assert any("共 1500 字" in text for text in lines(card))


def test_every_choice_of_the_form_is_valid() -> None:
    offered = choices(form())
    assert offered["style"] == (["none", *(style.name["en"] for style in styles().all)], "none")
    assert set(offered["style"][0]) & OPTIONS["style"].off_words == {"none"}
    for name, (values, _) in offered.items():
        for value in values:
            typed = {name: "" if value == "none" else value}
            resolved = resolve_options(typed, defaults=Options(), may_drop_watermark=False, styles=styles())
            assert isinstance(resolved, Options)


def test_each_notice_has_its_title_and_the_prompt_is_no_markup() -> None:
    assert {key.split(".")[1] for key in catalogue().keys if key.startswith("notice.")} == set(NOTICES)
    card = commands.render_notice(cards(), "recalled", prompt="**猫** <at id=all></at>")
    assert lines(card) == [catalogue().text("notice.recalled.text", "zh"), "**猫** <at id=all></at>"]
    assert tagged(card, "markdown") == []


TITLED = {
    "unknown word": "有一处没看懂",
    "nothing to cancel": "没有可取消的图片",
    "no prompt": "想画什么？",
    "day used up": "现在还不能生成",
}


def test_error_says_what_was_wrong() -> None:
    """A sentence that this version does not know, or whose values are missing, becomes a general one."""
    for error, title in TITLED.items():
        is_free = "没有产生费用" in lines(sample(error))
        assert (header(sample(error)), is_free) == ([title], error != "nothing to cancel")
    assert lines(sample("day used up"))[0] == "你今天的 20 张已用完，明天 00:00（北京时间）恢复。"
    unknown = UserError(sentence="misread.style", values={"value": "巴洛克", "allowed": "墨, ink, 水墨"})
    assert "可以写：动漫、写实、国风、赛博朋克、" in lines(commands.render_error(cards(), unknown))[0]
    later = UserError(sentence="misread.of_another_version")
    assert "/help" in lines(commands.render_error(cards(), later))[0]


TOASTS = [
    ("limit.pending", {"used": "5", "most": "5", "count": "1"}, "你有 5 张还没完成"),
    ("limit.of_another_version", {"value": "x"}, catalogue().text("toast.refused", "zh")),
    ("misread.style", {"value": "浮世绘"}, "没有“浮世绘”这个风格。全部风格见 /styles。"),
    ("misread.cancel", {"value": "\x00" + "9" * 500}, "/cancel 后面只能写序号，不能是 " + "9" * 39 + "…"),
]


def test_toasts_are_short_and_any_sentence_can_be_one() -> None:
    """In both languages; what is too long or lacks its values is said in other words."""
    price = {"zh_cn": "¥0.10", "en_us": "¥0.10"}
    for key in (key for key in catalogue().keys if key.startswith("toast.")):
        said = cards().toast(key, price=price)["toast"]
        assert said["content"] == said["i18n"]["zh_cn"] == catalogue().text(key, "zh", price="¥0.10")
        assert said["i18n"]["en_us"] == catalogue().text(key, "en", price="¥0.10")
        assert (len(said["i18n"]["zh_cn"]) <= 22, len(said["i18n"]["en_us"]) <= 60, key) == (True, True, key)
    for key, values, said in TOASTS:
        assert cards().toast(key, kind="warning", **values)["toast"]["content"].startswith(said), key
