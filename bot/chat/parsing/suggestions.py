"""What somebody probably meant who typed a word that is neither an option nor a command."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from bot.chat.parsing.option_values import nameless
from bot.chat.parsing.vocabulary import ADMINS_ONLY, COMMANDS, OPTIONS

_MEANT = {
    **dict.fromkeys(("start", "about", "info"), "help"),
    **dict.fromkeys(("paint", "create", "make"), "draw"),
    **dict.fromkeys(("retry", "redo", "repeat"), "again"),
    **dict.fromkeys(("delete", "clear", "abort"), "cancel"),
    **dict.fromkeys(("count", "num", "number"), "n"),
    **dict.fromkeys(("resolution", "aspect", "aspect-ratio"), "size"),
    "no": "no-watermark",
    "作画": "画",
    **dict.fromkeys(("重来", "重试", "再画"), "再来"),
    **dict.fromkeys(("撤销", "撤回", "删除"), "取消"),
    **dict.fromkeys(("数量", "个数", "几张"), "张数"),
    **dict.fromkeys(("大小", "分辨率"), "尺寸"),
    "清晰度": "质量",
    "型号": "模型",
    "水印": "无水印",
    "余额": "额度",
}
"""Words that look like another option or command than the one that they mean."""

_NAMES = {"count": "n"}
# Nobody is led to an admin's command.
_LIKE = sorted(
    {*OPTIONS, *(word for word, name in COMMANDS.items() if name not in ADMINS_ONLY), "draw", "imagine", "画", "生图"}
)
_LONGEST_COMPARED = 24
# Most Chinese names have two characters, so that one wrong character leaves a likeness of a half.
_LEAST_LIKENESS = {True: 0.6, False: 0.5}


def suggestion(word: str, *, styles: Collection[str]) -> str | None:
    """What a word was probably meant to be, as it is typed, such as ``/size 16:9``; ``None`` where nothing is near.

    Args:
        word: a word in its plain form, without its sign.
        styles: the names of styles.
    """
    found = nameless(word, 0)
    if found and found[1].end == len(word):
        option, reading = found
        return f"/{_NAMES.get(option, option)} {reading.value}"
    if word in styles:
        return f"/style {word}"
    near = _MEANT.get(word) or (None if word[:1].isdigit() else _near(word[:_LONGEST_COMPARED]))
    return f"/{near}" if near else None


def _near(word: str) -> str | None:
    # Chinese is written without spaces, so that an unknown word may be a known one and what follows it.
    begun = [known for known in _LIKE if not known.isascii() and word.startswith(known)]
    near = difflib.get_close_matches(word, _LIKE, n=1, cutoff=_LEAST_LIKENESS[word.isascii()])
    return max(begun, key=len) if begun else next(iter(near), None)
