"""What the platform refuses of a call before it works on it.

The rules: https://docs.bigmodel.cn/api-reference/模型-api/图像生成.
"""

from __future__ import annotations

import re
from typing import Any

_GLM = "glm-image"
MODELS = (_GLM, "cogview-4-250304", "cogview-4", "cogview-3-flash")

_FIELDS = {"model", "prompt", "quality", "size", "watermark_enabled", "user_id"}
# The guide's seven; two of them break the reference's rule for other sizes.
_GLM_SIZES = {(1280, 1280), (1568, 1056), (1056, 1568), (1472, 1088), (1088, 1472), (1728, 960), (960, 1728)}
_SIZE = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})")
_BEARER = re.compile(r"Bearer ([!-~]+)")
# Undocumented; 2,761 characters were seen to pass.
_LONGEST_PROMPT = 4000


def bearer(authorization: str | None) -> str | None:
    """The key of an ``Authorization`` header, or ``None`` where it holds none."""
    match = _BEARER.fullmatch(authorization or "")
    return match[1] if match else None


def fault_code(body: Any) -> str | None:
    """The platform's code for what is wrong with the JSON body of a call, or ``None`` when nothing is.

    Fields that the platform does not document are refused too, so that nobody comes to rely on them.
    """
    if not isinstance(body, dict) or not set(body) <= _FIELDS:
        return "1210"
    prompt, user_id = body.get("prompt"), body.get("user_id", "nobody")
    words = prompt.strip() if isinstance(prompt, str) else ""
    right = {
        "1211": body.get("model") in MODELS,
        "1213": bool(words),
        "1261": len(words) <= _LONGEST_PROMPT,
        "1214": _size_is_right(body.get("model"), body.get("size")),
        "1210": body.get("quality", "hd") in ("hd", "standard")
        and isinstance(body.get("watermark_enabled", True), bool)
        and isinstance(user_id, str)
        and 6 <= len(user_id) <= 128,  # noqa: PLR2004 - the documented length
    }
    return next((code for code, holds in right.items() if not holds), None)


def _size_is_right(model: Any, size: Any) -> bool:
    if size is None:
        return True
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if match is None:
        return False
    width, height = int(match[1]), int(match[2])
    if model == _GLM:
        low, step, most = 1024, 32, 2**22
        if (width, height) in _GLM_SIZES:
            return True
    else:
        low, step, most = 512, 16, 2**21
    in_range = all(low <= side <= 2048 and side % step == 0 for side in (width, height))  # noqa: PLR2004 - documented
    return in_range and width * height <= most
