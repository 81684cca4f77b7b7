"""Finding the encoding of a text file, and saying where a broken one is."""

import codecs
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from charset_normalizer import from_bytes

from sources.errors import HubError

CHUNK: Final = 1 << 20
EVIDENCE: Final = 64 * 1024  # bytes of lines with letters beyond ASCII: enough to tell the encodings apart
MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# The encodings of one byte or of East Asia that spreadsheets and booking systems write.
COMMON: Final = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "mac_roman",
    "shift_jis", "cp932", "gb18030", "big5", "euc_kr", "euc_jp",
]  # fmt: skip

Opener = Callable[[], BinaryIO]


def find_encoding(open_binary: Opener) -> str:
    """The encoding of a text: by its mark, else UTF-8 where all of it is, else what its letters look like."""
    with open_binary() as binary:
        start = binary.read(4096)
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding
    zeros = [start[offset::2].count(0) for offset in (0, 1)]  # Latin letters in UTF-16: every other byte is zero
    if sum(zeros) > len(start) // 4:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if _first_fault(open_binary, "utf-8") is None:
        return "utf-8-sig"
    evidence = _beyond_ascii(open_binary)
    try:
        evidence.decode("cp1252")
        western = True
    except UnicodeDecodeError:
        western = False
    best = from_bytes(evidence, cp_isolation=COMMON).best()
    if best is None:
        return "cp1252" if western else "latin-1"
    # Among encodings that read the text equally well the first is as good as any: the usual one is then meant.
    alike = {best.encoding, *best.could_be_from_charset}
    return "cp1252" if western and alike & {"cp1252", "mac_roman", "cp1254"} else best.encoding


def _chunks(binary: BinaryIO) -> Iterator[bytes]:
    while chunk := binary.read(CHUNK):
        yield chunk


def _beyond_ascii(open_binary: Opener) -> bytes:
    """The first lines that have a byte beyond ASCII, up to EVIDENCE bytes."""
    found = bytearray()
    with open_binary() as binary:
        while len(found) < EVIDENCE and (line := binary.readline(EVIDENCE)):
            if not line.isascii():
                found += line
    return bytes(found[:EVIDENCE])


def _first_fault(open_binary: Opener, encoding: str) -> tuple[int, int, int] | None:
    """The line, the offset and the byte at which the text stops to be `encoding`; None where it never does."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, offset = 1, 0
    with open_binary() as binary:
        for chunk in _chunks(binary):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                at = max(error.start - pending, 0)
                return line + chunk.count(b"\n", 0, at), offset + error.start - pending, error.object[error.start]
            line += chunk.count(b"\n")
            offset += len(chunk)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return line, offset - len(error.object) + error.start, error.object[error.start]
    return None


def broken(name: str, open_binary: Opener, encoding: str, *, packed: bool) -> HubError:
    """The sentence for a text that is not in the `encoding` that the mapping gives."""
    found = find_encoding(open_binary).removesuffix("-sig")
    advice = f"format.encoding in the mapping: leave it out, or write {found}, which fits"
    fault = _first_fault(open_binary, encoding)
    if fault is None:  # its readers differ in what they call an error
        return HubError(f"{name} is not {encoding.removesuffix('-sig')}. Correct {advice}.")
    line, offset, byte = fault
    unpacked = " of the unpacked file" if packed else ""
    return HubError(
        f"{name}, line {line}, byte {offset}{unpacked}: 0x{byte:02x} is not {encoding.removesuffix('-sig')}. "
        f"Correct {advice}."
    )
