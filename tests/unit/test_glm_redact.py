"""The API key in what the platform says."""

from __future__ import annotations

from itertools import product

from bot.glm.api import mask_key

ID, SECRET = "a1b2c3d4e5f60718293a4b5c6d7e8f90", "Zx9Qw8Er7Ty6Ui5O"
KEY = f"{ID}.{SECRET}"


PARTS = [KEY, ID, SECRET, ID[:8], ID[-12:], SECRET[4:12], f"{ID[-4:]}.{SECRET[:4]}", ID.upper()]
TEXTS = ["无效的 API Key：{}，请检查", "{}", "x={};", "Bearer {}", '{{"key":"{}"}}']
SHORTENED = [
    *(f"{ID[:4]}****{SECRET[-4:]}", f"{ID[:4]}********", f"••••{SECRET[-4:]}"),
    *(f"{ID[:6]}...{SECRET[-4:]}", f"{ID[:6]}…{SECRET[-4:]}"),
]
OTHERS = [
    "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入……",
    "已达到 100 次 的使用上限。您的限额将在 2026-11-23 00:00:00 重置",
    "网络错误，错误id：20261122000000aa1b5b3fbb4342d0，请联系客服",
    *("wait... and try again", f"{ID[:7]} {SECRET[:7]}", ""),
]


def test_any_part_of_the_key_is_masked() -> None:
    for part, text in product(PARTS, TEXTS):
        assert mask_key(text.format(part), KEY) == text.format("***")
    for shown in SHORTENED:
        assert mask_key(f"密钥 {shown} 已过期", KEY) == "密钥 *** 已过期"


def test_other_text_stays() -> None:
    assert [mask_key(text, KEY) for text in OTHERS] == OTHERS
    assert mask_key("the key abc is wrong", "abc") == "the key *** is wrong"
    assert mask_key("the key abc is wrong", "") == "the key abc is wrong"
