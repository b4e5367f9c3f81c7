"""Files to be written: shown as a diff, or written all together."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from insights.cassettes.writing import write_text
from insights.core.errors import ConfigError


@dataclass
class Changes:
    """New texts of files below a directory; those that exist are changed only where `old` says what stood there."""

    root: Path
    new: dict[str, str] = field(default_factory=dict)
    old: dict[str, str] = field(default_factory=dict)

    def create(self, texts: Mapping[str, str]) -> None:
        """Adds files that mustn't exist.

        Raises:
            ConfigError: one exists.
        """
        for name, text in texts.items():
            if (self.root / name).exists() or (self.root / name).is_symlink():
                raise ConfigError(
                    "exists already, and is not overwritten", file=str(self.root / name), hint="choose another name"
                )
            self.new[name] = text

    def change(self, name: str, text: str) -> None:
        """Gives a file another text; one that isn't there is created."""
        path = self.root / name
        if path.is_file():
            old = path.read_bytes().decode("utf-8")
            if old == text:
                return
            self.old[name] = old
        self.new[name] = text

    @property
    def diff(self) -> str:
        """All of it as a unified diff, as `git apply` takes it."""
        return "".join(_diff(name, self.old.get(name), text) for name, text in self.new.items())

    def write(self) -> list[Path]:
        """Writes all files, or none.

        Raises:
            InsightsError: a file appeared or changed meanwhile, or can't be written; what was written is taken back.
        """
        done: list[str] = []
        folders: list[Path] = []
        try:
            for name, text in self.new.items():
                path = self.root / name
                now = path.read_bytes().decode("utf-8") if path.is_file() else None
                if now != self.old.get(name):
                    raise ConfigError("has changed meanwhile", file=str(path), hint="run the command again")
                missing = [folder for folder in path.parents if not folder.exists()]
                path.parent.mkdir(parents=True, exist_ok=True)
                folders += reversed(missing)
                done.append(name)
                write_text(path, text)
        except OSError as error:
            self._take_back(done, folders)
            raise ConfigError(f"can't be written: {error.strerror or error}", file=error.filename or str(self.root)) from None
        except BaseException:
            self._take_back(done, folders)
            raise
        return [self.root / name for name in done]

    def _take_back(self, names: list[str], folders: list[Path]) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                if name in self.old:
                    write_text(self.root / name, self.old[name])
                else:
                    (self.root / name).unlink(missing_ok=True)
        for folder in reversed(folders):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _diff(name: str, old: str | None, new: str) -> str:
    head = f"diff --git a/{name} b/{name}\n" + ("new file mode 100644\n" if old is None else "")
    before = "/dev/null" if old is None else f"a/{name}"
    rows = difflib.unified_diff((old or "").splitlines(keepends=True), new.splitlines(keepends=True), before, f"b/{name}")
    return head + "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)
