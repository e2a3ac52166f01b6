"""The line that flashes up after a press."""

from __future__ import annotations

from typing import Literal

import pytest

from bot.chat.cards.elements import render_toast
from tests.unit.card_samples import catalogue

TOASTS = [key for key in sorted(catalogue().keys) if key.startswith("toast.")]


@pytest.mark.parametrize("key", TOASTS)
def test_each_toast_is_short_in_both_languages(key: str) -> None:
    """A toast is read in passing, so it has no more than a few words."""
    said = render_toast(catalogue(), key, count=4)["toast"]
    assert said["content"] == said["i18n"]["zh_cn"] == catalogue().text(key, "zh", count=4)
    assert said["i18n"]["en_us"] == catalogue().text(key, "en", count=4)
    assert len(said["i18n"]["zh_cn"]) <= 20
    assert len(said["i18n"]["en_us"]) <= 60


@pytest.mark.parametrize("kind", ["info", "success", "error", "warning"])
def test_a_toast_has_only_what_the_platform_knows(kind: Literal["info", "success", "error", "warning"]) -> None:
    """The answer holds a type, a content and its languages, and nothing else."""
    said = render_toast(catalogue(), "toast.cancelled", kind=kind)
    assert said == {"toast": {"type": kind, "content": "已取消", "i18n": {"zh_cn": "已取消", "en_us": "Cancelled"}}}


def test_a_refusal_is_told_with_its_values() -> None:
    """Any sentence of the catalogue can be a toast, such as the one about a limit."""
    said = render_toast(catalogue(), "limit.day", kind="warning", used="20", most="20", count="1")["toast"]
    assert said["content"].startswith("你今天已用 20 张，再加 1 张")


@pytest.mark.parametrize("key", ["limit.of_another_version", "limit.day", "misread.size"])
def test_a_sentence_that_cannot_be_said_is_replaced(key: str) -> None:
    """A press is answered even when the sentence is unknown or lacks a value."""
    said = render_toast(catalogue(), key, value="x")["toast"]
    assert said["content"] == catalogue().text("toast.refused", "zh")


def test_an_unknown_style_is_told_without_the_list() -> None:
    """The names of all styles have no room in a toast, so it says where they are."""
    said = render_toast(catalogue(), "misread.style", value="浮世绘")["toast"]["content"]
    assert said == catalogue().text("misread.style_plain", "zh", value="浮世绘")


def test_values_are_cut() -> None:
    """What somebody typed does not make a toast long, and holds no control characters."""
    said = render_toast(catalogue(), "misread.lang_missing", value="x")["toast"]["content"]
    long = render_toast(catalogue(), "misread.cancel", value="\x00" + "9" * 500)["toast"]["content"]
    assert said == catalogue().text("misread.lang_missing", "zh")
    assert "9" * 39 + "…" in long
    assert "\x00" not in long
