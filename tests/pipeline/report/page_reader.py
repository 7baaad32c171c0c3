"""A page as a browser sees it."""

import html.parser
from pathlib import Path


class Page(html.parser.HTMLParser):
    """What a browser sees: tags that close in order, tables as lists of rows, headings, images, and the text."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.tables, self.headings, self.images = [], [], [], [], []
        self.ids, self.links, self.text = [], [], ""
        self.source = Path(path).read_text(encoding="utf-8")
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []
        if tag == "img":
            self.images.append(attrs)
        elif tag != "meta":
            self.open.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append("")
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td", "a") and "table" in self.open:
            self.tables[-1][-1][-1] += data
        if self.open and self.open[-1] in ("h1", "h2", "h3", "h4"):
            self.headings[-1] += data
        if not {"style", "title"} & set(self.open):
            self.text += data
