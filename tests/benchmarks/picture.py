"""The picture of the figures in the README: ``python -m tests.benchmarks.picture`` measures all and draws it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure, read, short

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / ".readme" / "benchmarks.svg"
BENCHMARKS = ("acknowledge", "slot", "overhead", "start", "command_line", "memory", "processor", "idle")

_WIDTH, _ROW, _LEFT, _BAR, _TOP = 1000, 22, 480, 300, 56
_COLOURS = {True: "#2da44e", False: "#d1742f", None: "#8c959f"}
_MARKS = {True: "✓", False: "✗"}
_STYLE = "text{font:13px system-ui,sans-serif;fill:#57606a}.h{font-weight:600;fill:#24292f}.v{fill:#24292f}"


def draw(figures: Mapping[str, Sequence[Figure]]) -> str:
    """The picture as SVG: one bar a figure that has a target; the line in its middle is the target.

    A bar's length is the share of the target that was used, or for rates the share of the rate that was needed; half
    of the full length is the target itself. A bar that ends at the line's left has reached it.
    """
    rows = [(name, [one for one in ones if one.reached is not None]) for name, ones in figures.items()]
    height = _TOP + sum(_ROW * (len(ones) + 1.5) for _, ones in rows) + 10
    middle = _LEFT + _BAR / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">',
        f"<title>What was measured, beside what was to be reached</title><style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height:.0f}" rx="8" fill="#fff"/>',
        f'<text x="{middle}" y="28" text-anchor="middle">target</text>',
        f'<line x1="{middle}" x2="{middle}" y1="36" y2="{height - 12:.0f}" stroke="#8c959f" stroke-dasharray="3 3"/>',
    ]
    y = float(_TOP)
    for name, ones in rows:
        parts.append(f'<text class="h" x="20" y="{y:.0f}">{escape(name)}</text>')
        for one in ones:
            y += _ROW
            parts += _bar(one, y)
        y += 1.5 * _ROW
    return "\n".join([*parts, "</svg>"]) + "\n"


def words(figure: Figure) -> str:
    """A figure with its target, such as ``✓ 6.6 ms (≤ 20)``."""
    sign, target = ("≤", figure.most) if figure.most is not None else ("≥", figure.least or 0.0)
    mark = _MARKS[bool(figure.reached)]
    return f"{mark} {short(figure.value)} {figure.unit} ({sign} {target:g})"


def _bar(figure: Figure, y: float) -> list[str]:
    used = figure.value / figure.most if figure.most else (figure.least or 0.0) / figure.value
    length = min(used / 2, 1.0) * _BAR
    return [
        f'<text x="30" y="{y:.0f}">{escape(figure.what)}</text>',
        f'<rect x="{_LEFT}" y="{y - 11:.0f}" width="{length:.0f}" height="13" fill="{_COLOURS[figure.reached]}"/>',
        f'<text class="v" x="{_LEFT + _BAR + 12}" y="{y:.0f}">{escape(words(figure))}</text>',
    ]


def measure(kept: Path, *, quick: bool) -> None:
    """Runs every benchmark in a process of its own; their figures go to ``kept``."""
    for name in BENCHMARKS:
        command = [sys.executable, "-m", f"tests.benchmarks.{name}", "--keep", str(kept)]
        subprocess.run([*command, *(["--quick"] if quick else [])], cwd=ROOT, check=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, unless there are figures already, and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="draw the figures that --keep has kept")
    given = parser.parse_args(argv)
    with TemporaryDirectory() as folder:
        kept = given.figures or Path(folder) / "figures.json"
        if given.figures is None:
            measure(kept, quick=given.quick)
        PICTURE.write_text(draw(read(kept)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
