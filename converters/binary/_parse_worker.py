"""Run as a program: answers a line of JSON (path, timeout_s) with a line of JSON (format, sections, problem).

Stands alone, importing nothing of phosphene, so that it starts fast and can be killed at any moment.
"""

import faulthandler
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lief

Row = tuple[str, str, int, int]
MACHO_MAGICS = {
    bytes.fromhex(word) for word in ["feedface", "feedfacf", "cefaedfe", "cffaedfe", "cafebabe", "bebafeca"]
}
ELF_IMPORTS = {
    "DYNAMIC", "DYNSYM", "REL", "RELA", "RELR", "HASH", "GNU_HASH", "GNU_VERDEF", "GNU_VERNEED", "GNU_VERSYM",
}  # fmt: skip
MACHO_IMPORTS = {
    "SYMBOL_STUBS", "LAZY_SYMBOL_POINTERS", "NON_LAZY_SYMBOL_POINTERS", "LAZY_DYLIB_SYMBOL_POINTERS",
}  # fmt: skip
NAME_LENGTH = 64


def main(answer: Callable[[str], dict[str, Any]]) -> None:
    """Answer requests until the other end closes its pipe."""
    limit_memory(int(sys.argv[1]))
    lief.logging.disable()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever else is printed must not garble the answers
    replies.write("ready\n")
    for line in sys.stdin:
        request = json.loads(line)
        # Ends a hanging parser also when nobody is left to kill this process.
        faulthandler.dump_traceback_later(request["timeout_s"] + 1, exit=True)
        replies.write(json.dumps(answer(request["path"])) + "\n")
        faulthandler.cancel_dump_traceback_later()


def limit_memory(limit_bytes: int) -> None:
    """Limit the address space and leave no core dumps, where the system knows such limits."""
    try:
        import resource
    except ImportError:
        return
    for kind, limit in ((resource.RLIMIT_AS, limit_bytes), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or limit < hard:
            try:
                resource.setrlimit(kind, (limit, limit))
            except (OSError, ValueError):
                continue


def answer(path: str) -> dict[str, Any]:
    """Return format and sections of one file, or why there are none."""
    try:
        data = Path(path).read_bytes()
        form, rows = parse(data)
    except MemoryError:
        return {"format": "unknown", "sections": [], "problem": "LIEF ran out of memory"}
    except Exception as error:  # LIEF raises errors of many types; each means that there is no answer
        return {"format": "unknown", "sections": [], "problem": f"{type(error).__name__}: {error}"[:200]}
    if form == "unknown":
        problem = "not an ELF, PE or Mach-O file that LIEF can parse"
        return {"format": form, "sections": [], "problem": problem}
    return {"format": form, "sections": list(tidy(rows, len(data))), "problem": ""}


def tidy(rows: list[Row], size: int) -> Iterator[Row]:
    """Order sections, cut them at the end of the file, drop empty ones; what follows is the overlay."""
    end = 0
    for name, kind, start, stop in sorted(rows, key=lambda row: row[2:]):
        low, high = max(start, 0), min(stop, size)
        if low < high:
            end = max(end, high)
            yield name[:NAME_LENGTH], kind, low, high
    if 0 < end < size:
        yield "overlay", "overlay", end, size


def parse(data: bytes) -> tuple[str, list[Row]]:
    """Choose the parser by the first bytes."""
    if data.startswith(b"\x7fELF"):
        elf = lief.ELF.parse(data, elf_config())
        return ("elf", list(elf_rows(elf))) if elf else ("unknown", [])
    if data.startswith(b"MZ"):
        pe = lief.PE.parse(data, pe_config())
        return ("pe", list(pe_rows(pe))) if pe else ("unknown", [])
    if data[:4] in MACHO_MAGICS:
        fat = lief.MachO.parse(data, lief.MachO.ParserConfig.quick)
        return (
            ("macho", [row for part in fat for row in macho_rows(part, len(fat))]) if fat else ("unknown", [])
        )
    return "unknown", []


def elf_config() -> Any:
    """Leave out all that sections do not need: less time, and fewer ways to fail."""
    config = lief.ELF.ParserConfig()
    for part in ("relocations", "dyn_symbols", "symtab_symbols", "symbol_versions", "notes", "overlay"):
        setattr(config, f"parse_{part}", False)
    return config


def pe_config() -> Any:
    """Leave out all that sections do not need: less time, and fewer ways to fail."""
    config = lief.PE.ParserConfig()
    for part in ("exports", "imports", "reloc", "rsrc", "signature"):
        setattr(config, f"parse_{part}", False)
    return config


def text(name: str | bytes) -> str:
    """Return a name that LIEF gives as bytes where it is no UTF-8, without the zeros that pad it."""
    return (name if isinstance(name, str) else name.decode("latin-1")).partition("\0")[0]


def known(value: Any) -> str:
    """Return what LIEF calls a number; one that it does not know it gives as it is, and that costs only its name."""
    return str(getattr(value, "name", value))


def elf_rows(elf: Any) -> Iterator[Row]:
    """Yield headers and sections of an ELF file."""
    header = elf.header
    yield "ELF header", "header", 0, header.header_size
    for name, start, size, count in (
        (
            "program headers",
            header.program_header_offset,
            header.program_header_size,
            header.numberof_segments,
        ),
        (
            "section headers",
            header.section_header_offset,
            header.section_header_size,
            header.numberof_sections,
        ),
    ):
        yield name, "header", start, start + size * count
    for section in elf.sections:
        if known(section.type) not in ("NOBITS", "SHT_NULL_"):
            yield text(section.name), elf_kind(section), section.offset, section.offset + section.size


def elf_kind(section: Any) -> str:
    """Sort an ELF section by its type, name and flags."""
    flags, name = lief.ELF.Section.FLAGS, text(section.name)
    if known(section.type) in ELF_IMPORTS or name == ".dynstr" or name.startswith((".plt", ".got")):
        return "imports"
    if section.has(flags.EXECINSTR):
        return "code"
    return "data" if section.has(flags.ALLOC) else "other"


def pe_rows(pe: Any) -> Iterator[Row]:
    """Yield headers and sections of a PE file."""
    yield "PE headers", "header", 0, pe.sizeof_headers
    for section in pe.sections:
        start = section.pointerto_raw_data
        yield text(section.name), pe_kind(section), start, start + section.sizeof_raw_data


def pe_kind(section: Any) -> str:
    """Sort a PE section by its name and flags."""
    flags, name = lief.PE.Section.CHARACTERISTICS, text(section.name)
    if section.has_characteristic(flags.CNT_CODE) or section.has_characteristic(flags.MEM_EXECUTE):
        return "code"
    if section.has_characteristic(flags.MEM_DISCARDABLE):
        return "other"
    return {".rsrc": "resources", ".idata": "imports"}.get(name, "data")


def macho_rows(macho: Any, count: int) -> Iterator[Row]:
    """Yield headers and sections of one architecture of a Mach-O file, named where there are several."""
    at = macho.fat_offset
    prefix = f"{known(macho.header.cpu_type)}:" if count > 1 else ""
    header_bytes = 32 if macho.header.is_64bit else 28
    yield f"{prefix}Mach-O header", "header", at, at + header_bytes + macho.header.sizeof_cmds
    for segment in macho.segments:
        if not len(segment.sections):
            start = at + segment.file_offset
            yield prefix + text(segment.name), "other", start, start + segment.file_size
    for section in macho.sections:
        if "ZEROFILL" not in known(section.type):
            start = at + section.offset
            name = f"{prefix}{text(section.segment_name)},{text(section.name)}"
            yield name, macho_kind(section), start, start + section.size


def macho_kind(section: Any) -> str:
    """Sort a Mach-O section by its type and flags."""
    flags = lief.MachO.Section.FLAGS
    if known(section.type) in MACHO_IMPORTS:
        return "imports"
    if section.has(flags.PURE_INSTRUCTIONS) or section.has(flags.SOME_INSTRUCTIONS):
        return "code"
    return "data" if text(section.segment_name).startswith(("__TEXT", "__DATA")) else "other"


if __name__ == "__main__":
    main(answer)
