"""The words that the parser knows: names of options and commands, leading words, and the plain form of any text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bot import sizes

MentionMask = Mapping[str, str]

_OPTIONS: dict[str, tuple[str, ...]] = {
    "size": ("size", "ar", "ratio", "尺寸", "比例", "画幅"),
    "quality": ("quality", "质量", "画质"),
    "model": ("model", "模型"),
    "style": ("style", "风格", "画风"),
    "count": ("n", "张数"),
    "no-watermark": (
        *("no-watermark", "nowatermark", "无水印", "去水印"),
        *("不要水印", "没有水印", "去掉水印"),
    ),
    "watermark": ("watermark", "有水印"),
}
_COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("help", "帮助", "菜单", "怎么用", "你好", "您好", "hi", "hello"),
    "sizes": ("sizes", "尺寸"),
    "models": ("models", "模型"),
    "styles": ("styles", "风格"),
    "tips": ("tips", "技巧"),
    "queue": ("queue", "队列"),
    "cancel": ("cancel", "取消", "全部取消", "停止", "stop"),
    "again": ("again", "再来", "再来一次", "再来一张", "重画"),
    "history": ("history", "历史"),
    "settings": ("settings", "设置"),
    "set": ("set",),
    "quota": ("quota", "额度", "balance"),
    "lang": ("lang", "语言"),
    "id": ("id", "编号"),
    "stats": ("stats", "统计"),
    "pause": ("pause", "暂停"),
    "resume": ("resume", "恢复", "continue", "继续"),
}


def _by_word(names: Mapping[str, tuple[str, ...]]) -> MentionMask:
    return MappingProxyType({word: name for name, words in names.items() for word in words})


OPTIONS: MentionMask = _by_word(_OPTIONS)
"""Every word for an option, with the option's name."""
FLAGS: Mapping[str, bool] = MappingProxyType({"no-watermark": False, "watermark": True})
"""The options that take no value, with what they say about the watermark."""
COMMANDS: MentionMask = _by_word(_COMMANDS)
"""Every word for a command, with the command's name, in the order of ``/help``.

``settings`` with something to change is ``set``, and ``set`` with nothing to change is ``settings``.
"""
ADMINS_ONLY = frozenset({"stats", "pause", "resume"})
"""The commands that only admins may use."""
_BARE_ENGLISH = frozenset({"help", "hi", "hello", "cancel", "stop", "again"})
BARE: MentionMask = MappingProxyType(
    {word: name for word, name in COMMANDS.items() if not word.isascii() or word in _BARE_ENGLISH}
)
"""The command words that count without a slash when the message says nothing else.

Each of them could also be a prompt of one word. Taking it for a command costs nothing and is seen at once; taking it
for a prompt costs money and a turn in the queue. Who wants the word drawn writes ``画 历史``. The other English words
are names of things to draw more often than commands.
"""
CHAT_WORDS = frozenset({"chat", "本群"})
"""The words that make ``/set`` change the defaults of the chat instead of the person's."""
STYLE_OFF_WORDS = frozenset({"none", "无"})
"""The values of ``/style`` that take a default style off."""

LEADING = r"(?:画|文?生图|ai ?绘画|(?:generate|create) image(?: of)?|text[- ]to[- ]image)"
"""A pattern of the words that may stand before a prompt and are no part of it; matches plain text."""
LEADING_AFTER_SIGN = rf"(?:draw|imagine|画图|生成|{LEADING}|generate|image|img)"
"""A pattern of those that may stand there after a slash."""

# Other full-width signs stay: a comma or a bracket ends a link or a value as it stands.
_FULL_WIDTH_SIGNS = frozenset("／：－＝＊＂＿．")
_FULL_WIDTH = range(0xFF01, 0xFF5F)
_PLAIN = {
    code: ord(chr(plain).lower())
    for code, plain in sizes.PLAIN.items()
    if code not in _FULL_WIDTH or chr(code).isalnum() or chr(code) in _FULL_WIDTH_SIGNS
}
_PLAIN |= {code: code + 0x20 for code in range(ord("A"), ord("Z") + 1)}
_PLAIN |= dict.fromkeys(map(ord, "–―"), ord("—")) | dict.fromkeys(map(ord, "\u3000\u00a0"), ord(" "))


def fold(text: str) -> str:
    """The text for matching: full-width and input-method forms as their ASCII ones, in small letters.

    Its length is that of ``text``, so that a place found in one is the same place in the other.
    """
    return text.translate(_PLAIN)
