"""A conversation: what was said, by whom it is answered, and what it cost."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from insights.core.errors import ConfigError

if TYPE_CHECKING:
    from insights.core.types import ModelResponse


@dataclass
class Conversation:
    """`turns` are exchanges: a question, and the message that answered it. `spent` is USD, as far as it is known."""

    model: str
    system: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    turns: list[tuple[str, Any]] = field(default_factory=list)
    spent: Decimal = field(default_factory=Decimal)
    saved: Decimal = field(default_factory=Decimal)
    answers: int = 0
    unknown: int = 0

    def messages(self, question: str | None = None) -> list[Any]:
        """What is sent, with a new question at its end."""
        found: list[Any] = [{"role": "system", "content": self.system}] if self.system else []
        for asked, answer in self.turns:
            found += [{"role": "user", "content": asked}, answer]
        return found if question is None else [*found, {"role": "user", "content": question}]

    def keep(self, question: str, answer: ModelResponse) -> None:
        """Takes an exchange into the conversation."""
        if answer.choices:
            self.turns.append((question, answer.choices[0].message))
        self.answers += 1
        if answer.cost is None:
            self.unknown += 1
        else:
            self.spent += answer.cost.total
            self.saved += answer.cost.saved

    def undo(self) -> str | None:
        """Drops the last exchange; its question."""
        return self.turns.pop()[0] if self.turns else None

    def cost(self) -> str:
        """What the conversation cost, in words."""
        from insights.core.display import short

        more = f", {self.unknown} of unknown cost" if self.unknown else ""
        saved = f", ${short(self.saved)} saved by the cache" if self.saved else ""
        return f"${short(self.spent)} for {self.answers} answer{'s' * (self.answers != 1)}{saved}{more}"

    def save(self, name: str) -> Path:
        """Writes the messages as JSON, into a new file that is the user's alone.

        Raises:
            ConfigError: the file is there already, or can't be made.
        """
        dumped = [
            message if isinstance(message, dict) else message.model_dump(mode="json", exclude_none=True)
            for message in self.messages()
        ]
        try:
            path = Path(name).expanduser()
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(json.dumps(dumped, indent=2, ensure_ascii=False) + "\n")
        except FileExistsError:
            raise ConfigError("the file is there already", file=name, hint="name another one; nothing is overwritten") from None
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError(f"can't be written: {getattr(error, 'strerror', None) or error}", file=name) from None
        return path
