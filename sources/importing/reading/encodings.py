"""Detection of the encoding of a text file, and the position of bytes that do not fit it."""

import codecs
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import BinaryIO, Final

from charset_normalizer import from_bytes

from sources.errors import HubError

CHUNK: Final = 1 << 20
SAMPLE_BYTES: Final = 64 * 1024  # of lines with bytes beyond ASCII: enough to distinguish the encodings
MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is a prefix of it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# The single-byte and East Asian encodings that spreadsheets and booking systems write.
COMMON: Final = [
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "mac_roman",
    "cp932", "gb18030", "big5", "euc_kr", "euc_jp",
]  # fmt: skip
# A table has too few words for statistics to distinguish these. Their letters do.
WESTERN: Final = frozenset("äöüßáéíóúñçàèìòùâêîôûëïœæåãõÄÖÜÁÉÍÓÚÑÇÀÈÌÒÙÂÊÎÔÛËÏŒÆÅÃÕ¿¡ºª€£°·–—’‘“”„«»…´•§\u00a0")
ALPHABETS: Final = {
    "cp1252": WESTERN,
    "mac_roman": frozenset("äöüßéèáàçÄÖÜÉñóíúêëâîôï"),  # fewer letters: its bytes are also letters in other encodings
    "cp1254": frozenset("çğıöşüâîûÇĞİÖŞÜ€–’“”\u00a0"),
    "cp1250": frozenset("ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňóřšťúůýžÁČĎÉĚÍŇÓŘŠŤÚŮÝŽäĺľôŕÄĹĽÔŔőűöüŐŰÖÜăâîşţĂÂÎŞŢđĐ€–’“”„°\u00a0"),
    "cp850": WESTERN,
}
# The share of bytes beyond ASCII that are followed by another one. Measured: 0 to 0.15 in Latin text, over 0.7 in
# Cyrillic, Greek and East Asian text.
MAX_LATIN_PAIRS: Final = 0.4
MIN_FITTING: Final = 0.95  # the least share of letters in the alphabet of an encoding

Opener = Callable[[], BinaryIO]


def find_encoding(open_binary: Opener) -> str:
    """Return the encoding of a text: by its mark, else UTF-8 if all of it is valid, else the one its letters fit."""
    with open_binary() as binary:
        start = binary.read(4096)
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding
    zeros = [start[offset::2].count(0) for offset in (0, 1)]  # of Latin letters in UTF-16 every other byte is zero
    if sum(zeros) > len(start) // 4:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if _first_invalid_byte(open_binary, "utf-8") is None:
        return "utf-8-sig"
    sample = _beyond_ascii(open_binary)
    for encoding, alphabet in () if _is_another_script(sample) else ALPHABETS.items():
        letters = [letter for letter in sample.decode(encoding, "replace") if not letter.isascii()]
        if sum(letter in alphabet for letter in letters) >= MIN_FITTING * len(letters):
            return encoding
    best = from_bytes(sample, cp_isolation=COMMON).best()
    return best.encoding if best else "latin-1"


def _chunks(binary: BinaryIO) -> Iterator[bytes]:
    while chunk := binary.read(CHUNK):
        yield chunk


def _beyond_ascii(open_binary: Opener) -> bytes:
    """Return the first lines that have a byte beyond ASCII, up to SAMPLE_BYTES bytes."""
    found = bytearray()
    with open_binary() as binary:
        while len(found) < SAMPLE_BYTES and (line := binary.readline(SAMPLE_BYTES)):
            if not line.isascii():
                found += line
    return bytes(found[:SAMPLE_BYTES])


def _is_another_script(sample: bytes) -> bool:
    """Return True if bytes beyond ASCII mostly follow each other; in Latin text they occur among ASCII letters."""
    beyond = sum(byte >= 0x80 for byte in sample)
    return sum(one >= 0x80 and other >= 0x80 for one, other in pairwise(sample)) > beyond * MAX_LATIN_PAIRS


def _first_invalid_byte(open_binary: Opener, encoding: str) -> tuple[int, int, int] | None:
    """Return line, offset and value of the first byte that is not valid in `encoding`; None if all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, offset = 1, 0
    with open_binary() as binary:
        for chunk in _chunks(binary):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                end = max(error.start - pending, 0)
                return line + chunk.count(b"\n", 0, end), offset + error.start - pending, error.object[error.start]
            line += chunk.count(b"\n")
            offset += len(chunk)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return line, offset - len(error.object) + error.start, error.object[error.start]
    return None


def encoding_error(name: str, open_binary: Opener, encoding: str, *, packed: bool) -> HubError:
    """Return the error for a text that is not in the `encoding` of the mapping."""
    found = find_encoding(open_binary).removesuffix("-sig")
    advice = f"format.encoding in the mapping: leave it out, or write {found}, which fits"
    invalid = _first_invalid_byte(open_binary, encoding)
    if invalid is None:  # incremental and stream decoders differ in what they accept
        return HubError(f"{name} is not {encoding.removesuffix('-sig')}. Correct {advice}.")
    line, offset, byte = invalid
    unpacked = " of the unpacked file" if packed else ""
    return HubError(
        f"{name}, line {line}, byte {offset}{unpacked}: 0x{byte:02x} is not {encoding.removesuffix('-sig')}. "
        f"Correct {advice}."
    )
