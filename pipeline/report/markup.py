"""Pages of HTML that need nothing from outside: read on a phone, on paper, by day and by night."""

import html
from collections.abc import Sequence
from pathlib import Path

from phosphene.converters.core.files import atomic_write

from .words import plain

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #222; --ground: #fff; --line: #ccc; --faint: #666;
  --loud: #9b1c1c; --loud-ground: #fdecea }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ --ink: #ddd; --ground: #17191c; --line: #444; --faint: #999; --loud: #ff9d94; --loud-ground: #3a1a18 }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: var(--ink); background: var(--ground) }}
h1, h2, h3 {{ line-height: 1.25; overflow-wrap: anywhere }}
div {{ overflow-x: auto }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
caption {{ text-align: left; padding: .3rem 0 }}
th, td {{ padding: .3rem .6rem; text-align: right; white-space: nowrap }}
th {{ font-weight: 600 }}
td.right {{ outline: 2px solid #222; outline-offset: -2px }}
table.words tr {{ border-bottom: 1px solid var(--line) }}
table.words th:first-child, .words td.text {{ text-align: left }}
table.words th {{ white-space: normal; vertical-align: bottom }}
.words td.text {{ white-space: normal; overflow-wrap: anywhere; min-width: 16rem; color: var(--loud) }}
td.best {{ font-weight: 700 }}
.verdict {{ font-size: 1.2rem }}
.faint {{ color: var(--faint) }}
.warning {{ border: 2px solid var(--loud); color: var(--loud); background: var(--loud-ground); padding: 0 1rem }}
/* Pictures stay on white: their colours are chosen for it. */
.paper, figure {{ background: #fff; color: #222 }}
figure {{ margin: 1rem 0; padding: .5rem; overflow-x: auto; break-inside: avoid }}
figure svg {{ display: block; max-width: 100%; height: auto; min-width: 30rem }}
figure.wide svg {{ min-width: 60rem }}
figcaption {{ font-size: .9rem }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem }}
dd {{ margin: 0; overflow-wrap: anywhere }}
@media print {{ body {{ font-size: 10pt; margin: 0; max-width: none }} table {{ font-size: 8pt }}
  div, figure {{ overflow: visible }} figure svg, figure.wide svg {{ min-width: 0 }} }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def write_document(path: str | Path, *, title: str, body: str) -> Path:
    """Write a page whole or not at all.

    Parameters
    ----------
    path
        The file to write.
    title
        As plain words.
    body
        As HTML, all that came from outside escaped.
    """
    page = _PAGE.format(title=html.escape(title), body=body)
    with atomic_write(path) as file:
        file.write(page.encode("utf-8", "replace"))
    return Path(path)


def words(text: str) -> str:
    r"""Return text from outside as HTML that shows it.

    Examples
    --------
    >>> words("<b> \udcff")
    '&lt;b&gt; \\udcff'
    """
    return html.escape(plain(text))


def bullets(lines: Sequence[str]) -> str:
    r"""Return a list of texts from outside.

    Examples
    --------
    >>> bullets(["a & b"])
    '<ul>\n<li>a &amp; b</li>\n</ul>'
    """
    return "<ul>\n" + "\n".join(f"<li>{words(line)}</li>" for line in lines) + "\n</ul>"


def table(header: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], *, caption: str) -> str:
    """Return a table whose first column names its rows.

    Parameters
    ----------
    header
        Names of the columns, as plain words.
    rows
        The name of each row as plain words, and its cells as HTML, `<td>` and all.
    caption
        What is in it, as plain words.
    """
    head = "".join(f'<th scope="col">{words(name)}</th>' for name in header)
    lines = "\n".join(f'<tr><th scope="row">{words(name)}</th>{"".join(cells)}</tr>' for name, cells in rows)
    return f'<div><table class="words">\n<caption>{words(caption)}</caption>\n<tr>{head}</tr>\n{lines}\n</table></div>'


def cell(text: str, *, role: str = "") -> str:
    """Return a cell of a table that shows text from outside.

    Examples
    --------
    >>> cell("0.9", role="best")
    '<td class="best">0.9</td>'
    """
    mark = f' class="{role}"' if role else ""
    return f"<td{mark}>{words(text)}</td>"
