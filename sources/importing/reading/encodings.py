"""Finding the encoding of a text file, and saying where a broken one is."""

import codecs
from collections.abc import Callable, Iterator
from itertools import pairwise
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
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "mac_roman",
    "cp932", "gb18030", "big5", "euc_kr", "euc_jp",
]  # fmt: skip
# A table has too few words for statistics to tell these apart. Their letters do.
WESTERN: Final = frozenset("äöüßáéíóúñçàèìòùâêîôûëïœæåãõÄÖÜÁÉÍÓÚÑÇÀÈÌÒÙÂÊÎÔÛËÏŒÆÅÃÕ¿¡ºª€£°·–—’‘“”„«»…´•§\u00a0")
ALPHABETS: Final = {
    "cp1252": WESTERN,
    "mac_roman": frozenset("äöüßéèáàçÄÖÜÉñóíúêëâîôï"),  # fewer letters: its bytes are letters of the others too
    "cp1254": frozenset("çğıöşüâîûÇĞİÖŞÜ€–’“”\u00a0"),
    "cp1250": frozenset("ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňóřšťúůýžÁČĎÉĚÍŇÓŘŠŤÚŮÝŽäĺľôŕÄĹĽÔŔőűöüŐŰÖÜăâîşţĂÂÎŞŢđĐ€–’“”„°\u00a0"),
    "cp850": WESTERN,
}
ANOTHER_SCRIPT: Final = 0.4  # measured: 0 to 0.15 in Latin text, over 0.7 in Cyrillic, Greek and East Asian text
FITTING: Final = 0.95  # the share of letters that have to be of the alphabet

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
    sample = _beyond_ascii(open_binary)
    for encoding, alphabet in () if _is_another_script(sample) else ALPHABETS.items():
        letters = [sign for sign in sample.decode(encoding, "replace") if not sign.isascii()]
        if sum(sign in alphabet for sign in letters) >= FITTING * len(letters):
            return encoding
    best = from_bytes(sample, cp_isolation=COMMON).best()
    return best.encoding if best else "latin-1"


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


def _is_another_script(sample: bytes) -> bool:
    """Whether bytes beyond ASCII mostly follow each other: in Latin text they stand among plain letters."""
    beyond = sum(byte >= 0x80 for byte in sample)
    return sum(one >= 0x80 and other >= 0x80 for one, other in pairwise(sample)) > beyond * ANOTHER_SCRIPT


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
