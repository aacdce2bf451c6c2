# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of evidence, the one place where they are opened.

Written: for the user who runs Ansible alone, or as the option says; through no symbolic link; a file is there whole or
not at all. Read: regular files only, through no symbolic link, and no more than a bound. Names are relative to a folder
that the user names, which may itself be a symbolic link; nothing below it may."""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from ...module_utils.error import McastError

MODE = 0o600  # of files; a folder's has x where this has r
MAX_READ = 64 << 20  # bytes of a file that is read as a whole
_MAX_FILES, _MAX_DEPTH = 100_000, 8

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK is for a FIFO, which would wait for its other end; a regular file knows no difference.
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unwritten(McastError):
    """A file of evidence that can't be written, such as on a full disk."""


class Folder:
    """path: a folder. What is written into it has its mode, less the x of files, and its owner where root writes."""

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def make(cls, path: str, mode: int = MODE) -> Folder:
        """Make the folder, and what is missing above it. One that is there gets the mode. mode: of its files.
        Unwritten where that can't be."""
        with _reported(path, "made"), _made_with_parents(os.path.abspath(path), mode) as folder:
            if stat.S_IMODE(os.fstat(folder).st_mode) != _folder_mode(mode):
                os.fchmod(folder, _folder_mode(mode))
        return cls(os.path.abspath(path))

    @classmethod
    def new(cls, parent: str, name: str, mode: int = MODE) -> Folder:
        """Make PARENT/NAME, or PARENT/NAME-2 and so on where that is taken: never one that is there already.
        Unwritten where that can't be."""
        parent, tried, number = os.path.abspath(parent), name, 1
        with _reported(os.path.join(parent, name), "made"), _made_with_parents(parent, mode) as above:
            while True:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(tried, 0o700, dir_fd=above)
                    break
                number += 1
                tried = f"{name}-{number}"
            made = os.open(tried, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
            _dress(made, _folder_mode(mode), _sudo_user())
            os.close(made)
        return cls(os.path.join(parent, tried))

    def write(self, name: str, data: bytes, exclusive: bool = False) -> None:
        """Write a file, or replace one as a whole: an interrupt leaves the old one or the new one. exclusive: only
        where there is none yet. Unwritten where it can't be written."""
        with _reported(self._at(name), "written"), self._opened(os.path.dirname(name), make=True) as folder:
            last = os.path.basename(name)
            # A name that nobody knows beforehand, so that nothing can lie in wait there.
            fresh = last if exclusive else f".{secrets.token_hex(8)}.new"
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o600, dir_fd=folder)
            try:
                with os.fdopen(file, "wb") as stream:
                    _take_after(folder, file)
                    stream.write(data)
                if not exclusive:
                    os.replace(fresh, last, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(fresh, dir_fd=folder)
                raise

    def append(self, name: str, data: bytes) -> None:
        """Append to a file, whole or not at all, while others may do the same. Unwritten where that can't be."""
        with _reported(self._at(name), "written"), self._opened(os.path.dirname(name), make=True) as folder:
            file = os.open(os.path.basename(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFE, 0o600, dir_fd=folder)
            with os.fdopen(file, "wb", buffering=0) as stream:
                _regular(os.fstat(file))
                fcntl.flock(file, fcntl.LOCK_EX)
                length = os.fstat(file).st_size
                if not length:
                    _take_after(folder, file)
                try:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[stream.write(rest):]
                except BaseException:
                    os.ftruncate(file, length)
                    raise

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A regular file, to read. McastError where it is none, or can't be read."""
        with _reported(self._at(name), "read", McastError), self._opened(os.path.dirname(name)) as folder:
            last = os.path.basename(name)
            _regular(os.stat(last, dir_fd=folder, follow_symlinks=False))
            with os.fdopen(os.open(last, os.O_RDONLY | _SAFE, dir_fd=folder), "rb") as stream:
                _regular(os.fstat(stream.fileno()))
                yield stream

    def read(self, name: str, limit: int = MAX_READ) -> bytes:
        """The content of a regular file; McastError where it is larger than `limit` bytes, or can't be read."""
        with self.open(name) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise McastError(self._at(name), f"is larger than {limit >> 20} MiB, which no evidence of ours is")
        return data

    def size(self, name: str) -> int:
        """How many bytes a file has, 0 where there is none."""
        try:
            about = os.lstat(os.path.join(self.path, name))
        except FileNotFoundError:
            return 0
        return about.st_size if stat.S_ISREG(about.st_mode) else 0

    def sha256(self, name: str, size: int) -> str:
        """The SHA-256 of a regular file of `size` bytes, in hexadecimal digits."""
        digest, left = hashlib.sha256(), size
        with self.open(name) as stream:
            for chunk in iter(lambda: stream.read(1 << 20), b""):
                digest.update(chunk)
                left -= len(chunk)
                if left < 0:
                    raise McastError(self._at(name), "grows while it is read")
        return digest.hexdigest()

    def files(self) -> dict[str, int | None]:
        """All that lies in the folder and below it, except for folders: ``{name: bytes, None: not a regular file}``."""
        found, folders = {}, [""]
        while folders:
            name = folders.pop()
            with _reported(self._at(name), "read", McastError), self._opened(name) as folder:
                for entry in os.scandir(folder):
                    each, about = os.path.join(name, entry.name), entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(about.st_mode) and each.count("/") < _MAX_DEPTH:
                        folders.append(each)
                    else:
                        found[each] = about.st_size if stat.S_ISREG(about.st_mode) else None
                    if len(found) + len(folders) > _MAX_FILES:
                        raise McastError(self.path, f"holds more than {_MAX_FILES} files, which no evidence of ours "
                                                    "does")
        return dict(sorted(found.items()))

    def remove(self, *names: str) -> None:
        """Remove files of this folder, as far as they are there and that can be done."""
        with contextlib.suppress(OSError), self._opened("") as folder:
            for name in names:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name)

    @contextlib.contextmanager
    def _opened(self, name: str, make: bool = False) -> Iterator[int]:
        """The descriptor of a folder in this one, which is made if that is asked for."""
        with contextlib.ExitStack() as stack:
            folder = _kept(stack, os.open(self.path, _FOLDER))
            for part in name.split("/") if name else ():
                if part in ("", ".", ".."):
                    raise McastError(self._at(name), "does not lie in the folder")
                about = os.fstat(folder)
                folder = _kept(stack, _made(folder, part, stat.S_IMODE(about.st_mode), (about.st_uid, about.st_gid))
                               if make else os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder))
            yield folder


def mode_option(value: Any) -> int:
    """The mode of files, as a user gives it: octal digits, or the number that YAML makes of 0640. McastError where
    their owner could not use them, or they could be run."""
    mode = value if isinstance(value, int) else int(value, 8) if re.fullmatch("[0-7]{3,4}", str(value)) else 0
    if mode & 0o600 != 0o600 or mode & ~0o666:
        raise McastError("mode", "expected the mode of files as octal digits in quotes, such as '0640', with 6 for "
                                 f"their owner and no more than 6 for others, not {value!r}")
    return mode


def load(data: bytes, path: str, line: int | None = None) -> Any:
    """The content of a JSON file, or of one line of it. McastError names the file, and the line where that is known,
    of what is not JSON; NaN and numbers beyond those of a computer are none."""
    try:
        return json.loads(data.decode(), parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        reason = "is nested too deeply"
    except UnicodeDecodeError:
        reason = "is not text in UTF-8"
    except json.JSONDecodeError as error:
        line, reason = line or error.lineno, f"is not JSON: {error.msg}"
    except ValueError as error:
        reason = f"is not JSON: {error}"
    raise McastError(f"{path} line {line}" if line else path, reason)


def dump(content: Any) -> bytes:
    """JSON for the file: of a mapping a line for each key, and of a list in it one for each entry. (The encoder of
    Python is ten times faster where it need not indent.)"""
    if not isinstance(content, Mapping):
        return f"{_compact(content)}\n".encode()
    lines = (f"{json.dumps(key)}: {_rows(content[key])}" for key in sorted(content))
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _rows(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return _compact(value)
    return "[\n" + ",\n".join(map(_compact, value)) + "\n]"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text:.20} is not a number")
    return float(text)


def _folder_mode(mode: int) -> int:
    return mode | (mode & 0o444) >> 2


def _sudo_user() -> tuple[int, int] | None:
    """Whom sudo runs this for, as (user, group); None without sudo."""
    numbers = [os.environ.get(name, "") for name in ("SUDO_UID", "SUDO_GID")]
    if os.geteuid() != 0 or not all(re.fullmatch("[0-9]{1,10}", text) and int(text) < 2 ** 32 - 1 for text in numbers):
        return None
    return int(numbers[0]), int(numbers[1])


def _kept(stack: contextlib.ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


@contextlib.contextmanager
def _made_with_parents(path: str, mode: int) -> Iterator[int]:
    """The descriptor of a folder; what is missing of it is made."""
    there, missing = path, []
    while not os.path.isdir(there):
        there, name = os.path.split(there)
        missing.append(name)
    with contextlib.ExitStack() as stack:
        folder = _kept(stack, os.open(there, _FOLDER))
        for name in reversed(missing):
            folder = _kept(stack, _made(folder, name, _folder_mode(mode), _sudo_user()))
        yield folder


def _made(folder: int, name: str, mode: int, owner: tuple[int, int] | None) -> int:
    """Open a folder in a folder, and make it before if it is not there. Returns its descriptor."""
    is_new = True
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        is_new = False
    made = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    if is_new:
        _dress(made, mode, owner)
    return made


def _take_after(folder: int, file: int) -> None:
    about = os.fstat(folder)
    _dress(file, about.st_mode & 0o666, (about.st_uid, about.st_gid))


def _dress(descriptor: int, mode: int, owner: tuple[int, int] | None) -> None:
    os.fchmod(descriptor, mode)
    if owner and os.geteuid() == 0:
        # Some file systems know no owners, or none but root's. What is written is evidence all the same.
        with contextlib.suppress(OSError):
            os.fchown(descriptor, *owner)


def _regular(about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise OSError(0, f"it is {'a symbolic link' if stat.S_ISLNK(about.st_mode) else 'not a regular file'}")


@contextlib.contextmanager
def _reported(path: str, what: str, kind: type[McastError] = Unwritten) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise kind(path, f"can't be {what}: {error.strerror or error}") from None
