"""Run as a program: answers a line of JSON (path, timeout_s) with what LIEF says of a file, as one line of JSON.

Arguments: the limit on memory in bytes, and the path of the program that parses sections, whose loop and sorting of
sections are used. Stands alone, importing nothing of phosphene, so that it starts fast and can be killed at any moment.
"""

import runpy
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import lief

ELF_SHARED = ("GLOBAL", "WEAK", "GNU_UNIQUE")
MOST_NAMES, NAME_LENGTH = 20_000, 128
Part = dict[str, Any]
Tell = Callable[[Any], Part]


def answer(path: str) -> Part:
    """Return all groups of one file, or why there are none."""
    try:
        parts = [describe(program) for describe, program in programs(Path(path).read_bytes())]
    except MemoryError:
        return {"problem": "LIEF ran out of memory"}
    except Exception as error:  # LIEF raises errors of many types; each means that there is no answer
        return {"problem": f"{type(error).__name__}: {error}"[:200]}
    if not parts:
        return {"problem": "not an ELF, PE or Mach-O file that LIEF can parse"}
    return {"problem": "", **merged(parts)}


def programs(data: bytes) -> Iterator[tuple[Tell, Any]]:
    """Yield the program in a file, or those of a Mach-O file for several processors, with what describes it."""
    if data.startswith(b"\x7fELF"):
        elf = lief.ELF.parse(data)
        yield from [(elf_part, elf)] if elf else []
    elif data.startswith(b"MZ"):
        pe = lief.PE.parse(data)
        yield from [(pe_part, pe)] if pe else []
    elif data[:4] in BASE["MACHO_MAGICS"]:
        # By a name, not in passing: what is in a file must not outlive it.
        fat = lief.MachO.parse(data)
        yield from [(macho_part, part) for part in fat or ()]


def merged(parts: list[Part]) -> Part:
    """Put the parts of a file together: names side by side, counts added."""
    whole: Part = {"format": parts[0]["format"]}
    for key in ("header", "libraries", "functions", "exports"):
        names = dict.fromkeys(clean(name) for part in parts for name in part[key])
        whole[key] = list(islice(names, MOST_NAMES))
    whole["sections"] = list(islice((row for part in parts for row in part["sections"]), MOST_NAMES))
    whole["counts"] = {key: sum(part["counts"][key] for part in parts) for key in parts[0]["counts"]}
    return whole


def clean(name: Any) -> str:
    """Return a name of limited length."""
    text: str = BASE["text"](name)[:NAME_LENGTH]
    return text


def enum(value: Any) -> str:
    """Return the name of one of LIEF's constants, or its number where it knows none."""
    return str(getattr(value, "name", value))


def tokens(prefix: str, values: Iterable[Any]) -> list[str]:
    """Return `prefix=value` of constants."""
    return [f"{prefix}={enum(value)}" for value in values]


def row(section: Any, kind: str, sizes: tuple[int, int], flags: Iterable[Any]) -> list[Any]:
    """Return name, kind, bytes in the file and in memory, entropy in bits a byte, and flags of a section."""
    # What is in memory alone has no bytes; LIEF would take those that follow in the file.
    entropy = max(section.entropy, 0.0) if sizes[0] else 0.0
    return [clean(section.name), kind, *sizes, entropy, " ".join(sorted(map(enum, flags)))]


def elf_part(elf: Any) -> Part:
    """Describe an ELF file."""
    head = elf.header
    abi, data = head.identity_os_abi, head.identity_data
    symbols = [list(elf.dynamic_symbols), list(elf.symtab_symbols)]
    imports, exports = elf_names(symbols[0] or symbols[1])
    return {
        "format": "elf",
        "header": [
            *tokens("machine", [head.machine_type]), *tokens("type", [head.file_type]),
            *tokens("class", [head.identity_class]), *tokens("data", [data]), *tokens("abi", [abi]),
            *tokens("flag", head.flags_list), *tokens("segment", (s.type for s in elf.segments)),
            *tokens("dynamic", (entry.tag for entry in elf.dynamic_entries)),
        ],
        "sections": [elf_row(section) for section in elf.sections if enum(section.type) != "SHT_NULL_"],
        "libraries": list(elf.libraries),
        "functions": [f":{clean(name)}" for name in imports],
        "exports": exports,
        "counts": {
            "segments": len(elf.segments), "commands": len(elf.dynamic_entries),
            "symbols": sum(map(len, symbols)),
            "relocations": len(elf.relocations), "virtual_size": elf.virtual_size,
            "overlay": len(elf.overlay), "signatures": 0, "resources": 0,
            "debug": sum(clean(section.name).startswith((".debug", ".zdebug")) for section in elf.sections),
            "tls": sum(enum(segment.type) == "TLS" for segment in elf.segments),
        },
    }  # fmt: skip


def elf_names(symbols: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the names that are looked for elsewhere and those that others find here."""
    # Not LIEF's `imported_symbols`: it leaves out what has no type, and looks from the first one on for each, minutes
    # where there are ten thousands.
    shared = [symbol for symbol in symbols if symbol.name and enum(symbol.binding) in ELF_SHARED]
    imports = [symbol.name for symbol in shared if symbol.shndx == 0]
    return imports, [symbol.name for symbol in shared if symbol.shndx != 0]


def elf_row(section: Any) -> list[Any]:
    """Describe a section of an ELF file; one that is all zeros takes no bytes in it."""
    in_file = 0 if enum(section.type) == "NOBITS" else section.size
    in_memory = section.size if section.has(lief.ELF.Section.FLAGS.ALLOC) else 0
    return row(section, BASE["elf_kind"](section), (in_file, in_memory), section.flags_list)


def pe_part(pe: Any) -> Part:
    """Describe a PE file."""
    head, optional = pe.header, pe.optional_header
    return {
        "format": "pe",
        "header": [
            *tokens("machine", [head.machine]), *tokens("class", [optional.magic]),
            *tokens("type", ["DYN" if "DLL" in map(enum, head.characteristics_list) else "EXEC"]),
            *tokens("flag", head.characteristics_list), *tokens("subsystem", [optional.subsystem]),
            *tokens("dll", optional.dll_characteristics_lists), *tokens("version", pe_versions(optional)),
            *tokens("directory", (d.type for d in pe.data_directories if d.size)),
        ],
        "sections": [pe_row(section) for section in pe.sections],
        "libraries": [entry.name for entry in pe.imports],
        "functions": list(islice(pe_functions(pe), MOST_NAMES)),
        "exports": [entry.name for entry in pe.get_export().entries] if pe.has_exports else [],
        "counts": {
            "segments": 0, "commands": sum(directory.size > 0 for directory in pe.data_directories),
            "symbols": head.numberof_symbols, "virtual_size": pe.virtual_size, "overlay": len(pe.overlay),
            "relocations": sum(len(block.entries) for block in pe.relocations),
            "signatures": len(pe.signatures), "resources": int(pe.has_resources),
            "debug": len(pe.debug), "tls": int(pe.has_tls),
        },
    }  # fmt: skip


def pe_versions(optional: Any) -> list[str]:
    """Return the versions of linker, image, system and subsystem."""
    names = ("linker", "image", "operating_system", "subsystem")
    pairs = ((getattr(optional, f"{end}_{name}_version") for end in ("major", "minor")) for name in names)
    return [f"{name}-{major}.{minor}" for name, (major, minor) in zip(names, pairs, strict=True)]


def pe_functions(pe: Any) -> Iterator[str]:
    """Yield `library:function` of every import, or its number where it has no name."""
    for library in pe.imports:
        for entry in library.entries:
            name = f"ordinal{entry.ordinal}" if entry.is_ordinal else clean(entry.name)
            yield f"{clean(library.name)}:{name}"


def pe_row(section: Any) -> list[Any]:
    """Describe a section of a PE file."""
    sizes = section.sizeof_raw_data, section.virtual_size
    return row(section, BASE["pe_kind"](section), sizes, section.characteristics_lists)


def macho_part(macho: Any) -> Part:
    """Describe one architecture of a Mach-O file."""
    head = macho.header
    commands, symbols = [enum(command.command) for command in macho.commands], list(macho.symbols)
    return {
        "format": "macho",
        "header": [
            *tokens("machine", [head.cpu_type]), *tokens("type", [head.file_type]),
            *tokens("class", [64 if head.is_64bit else 32]), *tokens("flag", head.flags_list),
            *tokens("command", commands), *tokens("version", macho_versions(macho)),
        ],
        "sections": [macho_row(section) for section in macho.sections],
        "libraries": [library.name for library in macho.libraries],
        "functions": [macho_function(symbol) for symbol in symbols if is_import(symbol)],
        "exports": [without_underscore(clean(symbol.name)) for symbol in symbols if is_export(symbol)],
        "counts": {
            "segments": len(macho.segments), "commands": len(commands), "symbols": len(symbols),
            "relocations": len(macho.relocations), "virtual_size": macho.virtual_size,
            "overlay": len(macho.overlay), "signatures": int(macho.has_code_signature), "resources": 0,
            "debug": sum(clean(section.segment_name) == "__DWARF" for section in macho.sections),
            "tls": sum("THREAD_LOCAL" in enum(section.type) for section in macho.sections),
        },
    }  # fmt: skip


def macho_versions(macho: Any) -> list[str]:
    """Return the platform with the oldest system that will do, and the development kit."""
    if macho.has_build_version:
        build = macho.build_version
        return [f"{enum(build.platform)}-{build.minos}", f"sdk-{build.sdk}"]
    return [f"min-{macho.version_min.version}"] if macho.has_version_min else []


def is_import(symbol: Any) -> bool:
    """Tell whether a symbol is looked for elsewhere."""
    return bool(enum(symbol.category) == "UNDEFINED" or symbol.has_binding_info)


def is_export(symbol: Any) -> bool:
    """Tell whether others find a symbol here."""
    return bool(enum(symbol.category) == "EXTERNAL" or symbol.has_export_info)


def macho_function(symbol: Any) -> str:
    """Return `library:function` of an import, the library where LIEF knows it."""
    bound = symbol.has_binding_info and symbol.binding_info.has_library
    library = clean(symbol.binding_info.library.name) if bound else ""
    return f"{library}:{without_underscore(clean(symbol.name))}"


def without_underscore(name: str) -> str:
    """Drop the underscore that compilers for Mach-O put before every name, so that formats agree."""
    return name.removeprefix("_")


def macho_row(section: Any) -> list[Any]:
    """Describe a section of a Mach-O file; one that is all zeros takes no bytes in it."""
    in_file = 0 if "ZEROFILL" in enum(section.type) else section.size
    found = row(section, BASE["macho_kind"](section), (in_file, section.size), section.flags_list)
    return [f"{clean(section.segment_name)},{found[0]}", *found[1:]]


if __name__ == "__main__":
    BASE = runpy.run_path(sys.argv[2])
    BASE["main"](answer)
