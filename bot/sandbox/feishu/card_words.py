"""The words that properties of a card choose from."""

from __future__ import annotations

# fmt: off
LOCALES = frozenset({
    "zh_cn", "en_us", "ja_jp", "zh_hk", "zh_tw", "id_id", "vi_vn", "th_th",
    "pt_br", "es_es", "ko_kr", "de_de", "fr_fr", "it_it", "ru_ru", "ms_my",
})
"""The languages of a card's texts and of rich text.

https://open.feishu.cn/document/feishu-cards/configure-multi-language-content
"""

_HUES = (
    "blue", "carmine", "green", "indigo", "lime", "orange", "purple", "red",
    "sunflower", "turquoise", "violet", "wathet", "yellow",
)
_SHADES = (50, 100, 200, 300, 350, 400, 500, 600, 700, 800, 900)

COLOURS = frozenset(
    {"default", "white", "bg-white", "grey", "grey-00", "grey-650", "grey-950", "grey-1000", *_HUES}
    | {f"{hue}-{shade}" for hue in (*_HUES, "grey") for shade in _SHADES}
)
"""Colours of texts, icons and backgrounds.

https://open.feishu.cn/document/feishu-cards/enumerations-for-fields-related-to-color
"""

TEMPLATES = (
    "blue", "wathet", "turquoise", "green", "yellow", "orange", "red",
    "carmine", "violet", "purple", "indigo", "grey", "default",
)
"""Colours of a card's header."""

TAG_COLOURS = (
    "neutral", "blue", "turquoise", "lime", "orange", "violet", "indigo",
    "wathet", "green", "yellow", "red", "purple", "carmine",
)
"""Colours of the tags in a card's header."""

BUTTON_TYPES = (
    "default", "primary", "danger", "text", "primary_text", "danger_text",
    "primary_filled", "danger_filled", "laser",
)
"""Looks of a button."""
# fmt: on
