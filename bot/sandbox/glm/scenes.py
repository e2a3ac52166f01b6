"""Six kinds of pictures, drawn from random numbers: what the sandbox gives in place of generated images."""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter, ImageOps

Color = tuple[int, int, int]


def _color(hue: float, saturation: float, lightness: float) -> Color:
    """Hue in degrees, the others from 0 to 1."""
    red, green, blue = colorsys.hls_to_rgb(hue % 360 / 360, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


@dataclass
class Painter:
    """Draws on an image; places and sizes are in units of its shorter side, relative to an origin in its width."""

    image: Image.Image
    rng: random.Random

    def __post_init__(self) -> None:
        self.width, self.height = self.image.size
        self.side = min(self.image.size)
        self.draw = ImageDraw.Draw(self.image)
        self.move(0.5, 0.5)

    def move(self, x: float, y: float) -> None:
        """Moves the origin to these shares of width and height."""
        self.x, self.y = self.width * x, self.height * y

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place in pixels."""
        return self.x + x * self.side, self.y + y * self.side

    def gradient(self, top: Color, bottom: Color, *, begin: float = 0, end: float = 1) -> None:
        """Fills the image between two shares of its height."""
        upper, lower = round(self.height * begin), round(self.height * end)
        size = self.width, lower - upper
        slope = Image.linear_gradient("L").resize(size)
        self.image.paste(
            Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), slope), (0, upper)
        )

    def light(self, x: float, y: float, radius: float, color: Color, *, strength: float = 1) -> None:
        """A light, or with a dark color a shadow, that fades to its edge."""
        side = max(2, round(2 * radius * self.side))
        # Pillow's gradient is 181 at the middle of its sides, where the light has to end.
        mask = Image.radial_gradient("L").point(lambda far: max(0, 255 - far * 255 / 181) * strength)
        left, upper = self.at(x - radius, y - radius)
        self.image.paste(color, (round(left), round(upper)), mask.resize((side, side)))

    def oval(self, x: float, y: float, radius: float, color: Color, *, tall: float = 1) -> None:
        self.draw.ellipse(
            (*self.at(x - radius, y - radius * tall), *self.at(x + radius, y + radius * tall)), fill=color
        )

    def box(self, left: float, upper: float, right: float, lower: float, *, color: Color) -> None:
        self.draw.rectangle((*self.at(left, upper), *self.at(right, lower)), fill=color)

    def arc(
        self, x: float, y: float, radius: float, color: Color, *, span: tuple[int, int], filled: bool = False
    ) -> None:
        """An arc, or the chord of one, between two angles in degrees."""
        bounds = (*self.at(x - radius, y - radius), *self.at(x + radius, y + radius))
        if filled:
            self.draw.chord(bounds, *span, fill=color)
        else:
            self.draw.arc(bounds, *span, color, max(2, self.side // 150))

    def reflect(self, horizon: float, tint: Color) -> None:
        """Fills what is below a share of the height with a soft reflection of what is above it."""
        line = round(self.height * horizon)
        above = ImageOps.flip(self.image.crop((0, max(0, 2 * line - self.height), self.width, line)))
        water = above.resize((self.width, self.height - line)).filter(ImageFilter.BoxBlur(self.side / 160))
        self.image.paste(Image.blend(water, Image.new("RGB", water.size, tint), 0.35), (0, line))


def _landscape(on: Painter) -> None:
    rng, width, height = on.rng, on.width, on.height
    hue, horizon = rng.choice((15, 30, 195, 335)), 0.72
    on.gradient(_color(hue + 190, 0.5, 0.42), _color(hue, 0.85, 0.8), end=horizon)
    on.move(rng.uniform(0.25, 0.75), 0.4)
    on.light(0, 0, 0.5, _color(hue + 20, 1, 0.9), strength=0.9)
    on.oval(0, 0, 0.06, _color(hue + 30, 1, 0.96))
    for layer in range(4):
        waves = [(rng.uniform(0.6, 1.4) * 2**octave, rng.uniform(0, 6), 0.55**octave) for octave in range(6)]
        base, rise = height * (0.46 + 0.075 * layer), height * (0.13 - 0.02 * layer)
        ridge = [
            (x, base - rise * sum(math.sin(6 * x / width * speed + shift) * part for speed, shift, part in waves))
            for x in range(0, width + 4, 4)
        ]
        color = _color(hue + 190 + 8 * layer, 0.32 + 0.06 * layer, 0.62 - 0.14 * layer)
        on.draw.polygon([(0, height * horizon), *ridge, (width, height * horizon)], fill=color)
    on.reflect(horizon, _color(hue + 195, 0.4, 0.25))
    for _tree in range(26):
        on.move(rng.choice((rng.uniform(-0.05, 0.28), rng.uniform(0.75, 1.05))), rng.uniform(0.97, 1.05))
        tall = rng.uniform(0.1, 0.24)
        for part in range(4):
            top, half = tall * (part * 0.2 - 1), tall * (0.07 + part * 0.05)
            corners = [on.at(0, top), on.at(-half, top + tall * 0.34), on.at(half, top + tall * 0.34)]
            on.draw.polygon(corners, _color(hue + 200, 0.3, 0.1))


def _city(on: Painter) -> None:
    rng, horizon = on.rng, 0.8
    hue = rng.choice((205, 250, 320, 20))
    on.gradient(_color(hue + 20, 0.6, 0.08), _color(hue, 0.65, 0.42), end=horizon)
    on.move(rng.uniform(0.15, 0.85), 0.2)
    on.light(0, 0, 0.25, _color(45, 0.8, 0.85), strength=0.5)
    on.oval(0, 0, 0.045, _color(48, 0.7, 0.9))
    on.move(0, horizon)
    for layer in range(3):
        x, unit = -0.05, 0.012
        while x < on.width / on.side:
            wide, roof = rng.uniform(0.05, 0.12), -rng.uniform(0.12, 0.5) * (1 - 0.18 * layer)
            on.box(x, roof, x + wide, 0, color=_color(hue + 10, 0.4, 0.26 - 0.09 * layer))
            for row in range(int(-roof / (2 * unit)) if layer else 0):
                for column in range(int(wide / (1.7 * unit))):
                    if rng.random() < 0.42:  # noqa: PLR2004 - the share of lit windows
                        left, upper = x + unit * (0.6 + 1.7 * column), roof + unit * (0.8 + 2 * row)
                        lit = _color(rng.choice((38, 45, 50, 200)), 0.9, rng.uniform(0.55, 0.85))
                        on.box(left, upper, left + unit * 0.8, upper + unit, color=lit)
            x += wide * rng.uniform(0.85, 1.1)
    on.reflect(horizon, _color(hue, 0.5, 0.1))


def _portrait(on: Painter) -> None:
    rng, hue = on.rng, on.rng.randrange(360)
    on.gradient(_color(hue, 0.35, 0.62), _color(hue + 40, 0.4, 0.28))
    for _light in range(14):
        on.move(rng.uniform(0, 1), rng.uniform(0, 0.8))
        on.light(0, 0, rng.uniform(0.06, 0.2), _color(hue + rng.uniform(-40, 60), 0.7, 0.75), strength=0.5)
    on.move(0.5, 0.44)
    tone, depth = rng.choice(((0.5, 0.78), (0.42, 0.62), (0.4, 0.42)))
    hair, shade = _color(rng.choice((20, 28, 0)), 0.35, 0.14), _color(20, tone, depth * 0.78)
    on.oval(0, 0.02, 0.23, hair, tall=1.4)
    on.oval(0, 0.75, 0.42, _color(hue + 180, 0.45, 0.35), tall=1.1)
    on.oval(0, 0.24, 0.075, shade, tall=1.9)
    on.oval(0, 0.01, 0.17, _color(26, tone, depth), tall=1.35)
    on.light(-0.06, -0.02, 0.17, _color(26, tone, min(0.95, depth + 0.1)), strength=0.8)
    on.arc(0, -0.085, 0.2, hair, span=(178, 345), filled=True)
    for side in (-1, 1):
        on.light(0.09 * side, 0.08, 0.05, _color(8, 0.6, depth * 0.9), strength=0.5)
        on.arc(0.075 * side, -0.015, 0.035, hair, span=(25, 155))
        on.arc(0.075 * side, -0.03, 0.045, hair, span=(215, 325))
    on.arc(0, 0.055, 0.025, shade, span=(30, 110))
    on.arc(0, 0.09, 0.05, _color(352, 0.5, 0.5), span=(25, 155), filled=True)
    on.image.paste(on.image.filter(ImageFilter.GaussianBlur(0.8)))


def _still_life(on: Painter) -> None:
    rng, hue, table = on.rng, on.rng.randrange(360), 0.66
    on.gradient(_color(hue, 0.25, 0.2), _color(hue, 0.3, 0.5), end=table)
    on.move(0.2, 0.2)
    on.light(0, 0, 0.6, _color(45, 0.5, 0.85), strength=0.45)
    on.gradient(_color(26, 0.45, 0.42), _color(22, 0.5, 0.18), begin=table)
    for _grain in range(40):
        y = rng.uniform(table, 1) * on.height
        on.draw.line((0, y, on.width, y + rng.uniform(-4, 4)), fill=_color(24, 0.45, rng.uniform(0.2, 0.36)))
    on.move(0.42, table + 0.1)
    for _stem in range(9):
        x, y = rng.uniform(-0.28, 0.28), -rng.uniform(0.5, 0.74)
        bend = on.at(rng.uniform(-0.12, 0.12), -0.45)
        on.draw.line([on.at(0, -0.3), bend, on.at(x, y)], fill=_color(110, 0.35, 0.25), width=3)
        petals = _color(rng.choice((350, 15, 45, 300)), 0.7, rng.uniform(0.5, 0.72))
        for turn in range(7):
            on.oval(x + math.cos(turn * 0.9) * 0.022, y + math.sin(turn * 0.9) * 0.022, 0.02, petals)
        on.oval(x, y, 0.014, _color(46, 0.9, 0.55))
    glaze = _color(hue + 180, 0.4, 0.38)
    on.light(0.1, 0, 0.26, _color(20, 0.5, 0.08), strength=0.7)
    on.box(-0.05, -0.36, 0.05, -0.2, color=glaze)
    on.oval(0, -0.13, 0.15, glaze)
    on.light(-0.06, -0.18, 0.12, _color(hue + 180, 0.5, 0.75), strength=0.9)
    for place in range(4):
        radius, x, y = rng.uniform(0.06, 0.085), 0.2 + place * 0.11, rng.uniform(-0.01, 0.06)
        fruit = rng.choice((8, 28, 52, 95))
        on.light(x + radius * 0.4, y + radius * 0.8, radius * 1.3, _color(20, 0.5, 0.06), strength=0.8)
        on.oval(x, y, radius, _color(fruit, 0.75, 0.36))
        on.light(x - radius * 0.25, y - radius * 0.25, radius * 0.9, _color(fruit, 0.85, 0.6))
        on.light(x - radius * 0.35, y - radius * 0.4, radius * 0.3, _color(fruit, 0.9, 0.92))


def _poster(on: Painter) -> None:
    hue = on.rng.choice((4, 18, 150, 210, 345))
    dark, light, paper = _color(hue, 0.75, 0.4), _color(hue, 0.8, 0.52), _color(45, 0.6, 0.93)
    on.gradient(dark, dark)
    on.move(0.5, 0.42)
    for ray in range(0, 360, 15):
        ends = [
            on.at(9 * math.cos(math.radians(angle)), 9 * math.sin(math.radians(angle))) for angle in (ray, ray + 7.5)
        ]
        on.draw.polygon([on.at(0, 0), *ends], fill=light)
    for radius, color in ((0.31, paper), (0.285, dark), (0.27, paper)):
        on.oval(0, 0, radius, color)
    on.box(-9, 0.37, 9, 0.4, color=paper)
    inset = on.side * 0.035
    frame = (inset, inset, on.width - inset, on.height - inset)
    on.draw.rectangle(frame, outline=paper, width=max(2, on.side // 160))


def _pattern(on: Painter) -> None:
    hue, radius = on.rng.randrange(360), 1 / on.rng.choice((7, 9, 11))
    colors = [_color(hue + 150 * (ring % 2), 0.55, 0.24 + 0.13 * ring) for ring in range(5)]
    on.move(0, 0)
    for row in range(int(2 * on.height / on.side / radius) + 4):
        for column in range(int(on.width / on.side / radius / 2) + 2):
            for ring, color in enumerate(colors):
                on.oval((2 * column + row % 2) * radius, (row - 1) * radius / 2, radius * (1 - ring * 0.2), color)
    on.light(0.3, 0.25, 0.9, _color(hue + 40, 0.6, 0.9), strength=0.25)


SCENES: tuple[Callable[[Painter], None], ...] = (_landscape, _poster, _portrait, _still_life, _city, _pattern)
