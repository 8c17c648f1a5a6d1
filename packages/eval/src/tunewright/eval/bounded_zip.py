"""Members of a zip archive that a stranger made, read within limits. Zstandard is read too, which older Pythons lack."""

import struct
import zlib
from pathlib import Path
from types import TracebackType
from zipfile import BadZipFile, ZipFile, ZipInfo

import zstandard

from tunewright.contract.errors import UserError

ZSTANDARD = 93  # the method's number in APPNOTE.TXT, section 4.4.5
MEMBERS = 1_000_000
MEMBER = 64 << 20  # bytes of one member, unpacked
TOTAL = 4 << 30  # bytes of all members that are read, unpacked
WINDOW = 128 << 20  # bytes that unpacking one may need


class BoundedZip:
    """An open archive. Everything that is wrong with it is a UserError of one line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_bytes = 0
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UserError(f"{path}: {error.strerror or error}", "Check the path.") from error
        try:
            self._zip = ZipFile(self._file)
        except (BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            self._file.close()
            raise self._broken(error) from error
        if len(self._zip.infolist()) > MEMBERS:
            self._file.close()
            raise UserError(f"{path}: more than {MEMBERS:,} members", "This is not a log.")

    def __enter__(self) -> "BoundedZip":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    @property
    def names(self) -> list[str]:
        return self._zip.namelist()

    def read(self, name: str) -> bytes:
        """One member, unpacked. Raises UserError for one that is missing, damaged or too large."""
        try:
            info = self._zip.getinfo(name)
            data = self._read_zstandard(info) if info.compress_type == ZSTANDARD else self._read_other(info)
        except KeyError:
            raise UserError(f"{self.path}: it has no {name}", "The log is not whole.") from None
        except (
            BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, struct.error,
            zstandard.ZstdError,
        ) as error:  # fmt: skip
            raise self._broken(error, name) from error
        self.read_bytes += len(data)
        if len(data) > MEMBER or self.read_bytes > TOTAL:
            limit = (
                f"{name} is more than {MEMBER >> 20} MiB"
                if len(data) > MEMBER
                else f"more than {TOTAL >> 30} GiB"
            )
            raise UserError(f"{self.path}: {limit} when unpacked", "This is not a log that can be read.")
        return data

    def _read_other(self, info: ZipInfo) -> bytes:
        with self._zip.open(info) as member:
            return member.read(MEMBER + 1)

    def _read_zstandard(self, info: ZipInfo) -> bytes:
        if info.flag_bits & 1:
            raise ValueError("it is encrypted")
        self._file.seek(info.header_offset)
        header = self._file.read(30)
        if header[:4] != b"PK\x03\x04":
            raise ValueError("a member's header is not where it should be")
        name, extra = struct.unpack("<HH", header[26:30])
        self._file.seek(info.header_offset + 30 + name + extra)
        unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        packed = self._file.read(min(info.compress_size, MEMBER))
        with unpacker.stream_reader(packed, read_across_frames=True) as stream:
            data = stream.read(MEMBER + 1)
        if len(data) <= MEMBER and zlib.crc32(data) != info.CRC:
            raise ValueError("its checksum is wrong")
        return data

    def _broken(self, error: Exception, name: str = "") -> UserError:
        what = f"{name}: " if name else ""
        return UserError(
            f"{self.path}: {what}not a readable zip archive ({error or type(error).__name__})",
            "The log is damaged or was cut short.",
        )
