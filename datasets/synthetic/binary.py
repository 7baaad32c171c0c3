"""Files of bytes from a seed: programs (ELF for x86-64, with sections) and documents of several formats."""

import json
import struct
from collections.abc import Callable

import numpy as np

_FREQUENT = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an "
    "they which one you were her all she there would their we him been has when who will more no if out so "
    "said engine signal window letter report number system memory picture machine value record winter"
)
_WORDS = _FREQUENT.split()
_CODE = (
    b"\x48\x8b\x45%", b"\x48\x89\x45%", b"\x8b\x45%", b"\x89\x45%", b"\xe8%%\xff\xff", b"\xe8%%\x00\x00",
    b"\x0f\x84%%\x00\x00", b"\x74%", b"\x75%", b"\xeb%", b"\x89\xc7", b"\x31\xc0", b"\x48\x83\xc4%",
    b"\x48\x83\xec%", b"\x48\x8d\x3d%%\x00\x00", b"\xc7\x45%%\x00\x00\x00", b"\x85\xc0", b"\x48\x63\xd0",
    b"\x0f\xb6\x00", b"\xf2\x0f\x58\xc1", b"\x48\x01\xd0",
)  # fmt: skip
"""Instructions that compilers emit most; % stands for a byte that chance fills in."""


def program(rng: np.random.Generator) -> bytes:
    """Return a shared object: code, constants, data and sometimes a packed part, under ELF headers."""
    sections = {
        ".text": _code(rng, int(rng.integers(40, 250))),
        ".rodata": _constants(rng),
        ".data": _pointers(rng, int(rng.integers(100, 800))),
        ".dynstr": b"\0".join(_symbol(rng) for _ in range(int(rng.integers(20, 200)))) + b"\0",
    }
    if rng.random() < 0.3:
        sections[".packed"] = rng.bytes(int(rng.integers(2_000, 12_000)))
    return _elf(sections)


def document(rng: np.random.Generator) -> bytes:
    """Return a text, a page, a table, records, or a paged document with packed parts."""
    formats = (_prose, _page, _table, _records, _paged)
    return formats[int(rng.integers(len(formats)))](rng)


def _elf(sections: dict[str, bytes]) -> bytes:
    """Lay sections out behind an ELF64 header and one segment that holds all, their table at the end."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    body, table = bytearray(128), [struct.pack("<IIQQQQIIQQ", *[0] * 10)]
    for name, data in {**sections, ".shstrtab": names}.items():
        body += bytes(-len(body) % 16)
        name_offset = names.index(b"\0" + name.encode() + b"\0") + 1
        sort, flags = (3, 0) if name in (".dynstr", ".shstrtab") else (1, 6 if name == ".text" else 2)
        table.append(
            struct.pack("<IIQQQQIIQQ", name_offset, sort, flags, len(body), len(body), len(data), 0, 0, 16, 0)
        )
        body += data
    body += bytes(-len(body) % 8)
    head = struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, len(body), 0, 64, 56, 1, 64, len(table), len(table) - 1
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, len(body), len(body), 4096)
    body[:120] = b"\x7fELF\x02\x01\x01" + bytes(9) + head + segment
    return bytes(body) + b"".join(table)


def _code(rng: np.random.Generator, n_functions: int) -> bytes:
    """Return functions of chance instructions, each at a multiple of 16 bytes."""
    code = bytearray()
    favour = rng.dirichlet(np.full(len(_CODE), 2.0))
    for _ in range(n_functions):
        chosen = rng.choice(len(_CODE), size=int(rng.integers(8, 60)), p=favour)
        body = np.frombuffer(b"".join(_CODE[index] for index in chosen), np.uint8).copy()
        holes = body == ord("%")
        body[holes] = rng.integers(256, size=int(holes.sum()))
        code += b"\x55\x48\x89\xe5" + body.tobytes() + b"\x5d\xc3"
        code += b"\x90" * (-len(code) % 16)
    return bytes(code)


def _constants(rng: np.random.Generator) -> bytes:
    messages = b"\0".join(_sentence(rng).encode() for _ in range(int(rng.integers(10, 60))))
    return (
        messages
        + bytes(-len(messages) % 8)
        + rng.normal(0, 1, int(rng.integers(20, 300))).astype("<f8").tobytes()
    )


def _pointers(rng: np.random.Generator, count: int) -> bytes:
    rising = 0x4000 + np.cumsum(rng.integers(8, 256, count))
    return np.where(rng.random(count) < 0.4, 0, rising).astype("<u8").tobytes()


def _symbol(rng: np.random.Generator) -> bytes:
    return "_".join(_words(rng, int(rng.integers(1, 4)))).encode()


def _words(rng: np.random.Generator, count: int) -> list[str]:
    """Return words, the n-th about 1 / n as often as the first (Zipf's law)."""
    rank = len(_WORDS) ** rng.random(count)
    return [_WORDS[int(number) - 1] for number in rank]


def _sentence(rng: np.random.Generator) -> str:
    return " ".join(_words(rng, int(rng.integers(4, 16)))).capitalize() + "."


def _sentences(rng: np.random.Generator, low: int, high: int) -> list[str]:
    return [_sentence(rng) for _ in range(int(rng.integers(low, high)))]


def _prose(rng: np.random.Generator) -> bytes:
    return "\n\n".join(" ".join(_sentences(rng, 3, 12)) for _ in range(int(rng.integers(8, 60)))).encode()


def _page(rng: np.random.Generator) -> bytes:
    lines = [f'<div class="{_WORDS[-9]}">\n  <p>{text}</p>\n</div>' for text in _sentences(rng, 40, 300)]
    return "\n".join(["<!DOCTYPE html>", "<html><body>", *lines, "</body></html>", ""]).encode()


def _table(rng: np.random.Generator) -> bytes:
    amounts = rng.normal(50, 20, int(rng.integers(150, 1200)))
    rows = (f"{i},{' '.join(_words(rng, 2))},{amount:.2f}\n" for i, amount in enumerate(amounts))
    return ("number,name,amount\n" + "".join(rows)).encode()


def _records(rng: np.random.Generator) -> bytes:
    texts = _sentences(rng, 80, 500)
    return "".join(json.dumps({"id": i, "note": text}) + "\n" for i, text in enumerate(texts)).encode()


def _paged(rng: np.random.Generator) -> bytes:
    """Return what lies in a PDF: numbered objects, most of them packed and so without any pattern."""
    parts = [b"%PDF-1.4\n"]
    for number in range(1, int(rng.integers(8, 40))):
        packed = rng.bytes(int(rng.integers(200, 900)))
        head = f"{number} 0 obj\n<< /Length {len(packed)} /Filter /FlateDecode >>\nstream\n".encode()
        parts += [head, packed, b"\nendstream\nendobj\n"]
        parts += [f"<< /Title ({text}) >>\n".encode() for text in _sentences(rng, 1, 6)]
    return b"".join([*parts, b"trailer\n%%EOF\n"])


CLASSES: dict[str, Callable[[np.random.Generator], bytes]] = {"document": document, "program": program}
