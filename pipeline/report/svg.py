"""Figures as SVG that stands inside a page: small, with text as text, the same bytes for the same figure."""

import hashlib
import html
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .words import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#222222"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "phosphene",
    "text.parse_math": False,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # wider than what browsers show, so that there is always room
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_TAG = re.compile(r"<[^>]*>")
_DROPPED = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL
)
_REFERENCE = re.compile(r'(?:href="#|url\(#)([^")]+)')


@contextmanager
def own_style() -> Iterator[None]:
    """Draw in the style of these pictures, whatever the user's matplotlib is set to; threads share it."""
    import matplotlib
    import matplotlib.style

    with matplotlib.style.context("default"), matplotlib.rc_context(_STYLE):
        yield


def svg_of(figure: "Figure", *, title: str, about: str) -> str:
    """Return a figure as an element of SVG; to be called within `own_style`.

    Parameters
    ----------
    figure
        What was drawn.
    title, about
        What it shows, in a line and whole: what is read out to who cannot see it.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a class may be called anything
        figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None})
    drawn = _DROPPED.sub("", buffer.getvalue()).strip()
    head, _, rest = drawn.partition(">")
    title, about = plain(title), plain(about)
    key = hashlib.sha256(f"{title}\0{about}\0{drawn}".encode()).hexdigest()[:10]
    return f"{_head(head, key)}{_described(title, about, key)}{_slim(rest, key)}\n"


def told_apart(page: str) -> str:
    """Give the pictures of a page that are alike names of their own: no name may stand twice in a page."""
    seen: Counter[str] = Counter()

    def renamed(match: re.Match[str]) -> str:
        key = match[1]
        seen[key] += 1
        return match[0] if seen[key] == 1 else match[0].replace(f"{key}-", f"{key}-{seen[key]}-")

    return re.sub(r'<svg [^>]*aria-labelledby="(\w+)-title.*?</svg>', renamed, page, flags=re.DOTALL)


def _head(tag: str, key: str) -> str:
    (box,) = re.findall(r'viewBox="([\d. ]+)"', tag)
    width, height = (float(length) for length in box.split()[2:])
    # What matplotlib says in a style sheet, which would hold for the whole page around it.
    lines = 'font-family="sans-serif" stroke-linejoin="round" stroke-linecap="butt"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{key}-title {key}-about" '
        f'width="{width * 4 / 3:.0f}" height="{height * 4 / 3:.0f}" viewBox="{box}" {lines}>'
    )


def _described(title: str, about: str, key: str) -> str:
    words = [html.escape(text) for text in (title, about)]
    return f'<title id="{key}-title">{words[0]}</title><desc id="{key}-about">{words[1]}</desc>'


def _slim(body: str, key: str) -> str:
    """Keep the names of elements that are pointed at alone, made the picture's own."""
    pointed = {name for tag in _TAG.findall(body) for name in _REFERENCE.findall(tag)}

    def slim_tag(match: re.Match[str]) -> str:
        tag = _shorter(match[0]) if "base64" not in match[0] else match[0]
        tag = tag.replace("xlink:href=", "href=")
        tag = re.sub(
            r' id="([^"]*)"', lambda name: f' id="{key}-{name[1]}"' if name[1] in pointed else "", tag
        )
        return re.sub(r'(href="#|url\(#)', rf"\g<1>{key}-", tag)

    slim = _TAG.sub(slim_tag, body)
    return re.sub(r">\s*\n\s*<", "><", slim)


def _shorter(tag: str) -> str:
    """Leave out what says nothing: the family that all letters have, turns by nothing, thousandths of a point."""
    tag = re.sub(r"font-family: [^;\"]*sans-serif; ", "", tag).replace("\n", " ")
    tag = re.sub(r' transform="rotate\(-0 [^"]*"', "", tag)
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), tag)
