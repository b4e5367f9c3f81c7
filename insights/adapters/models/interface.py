"""What every model is, whoever serves it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any


class BaseChatModel(ABC):
    """One chat model of one provider.

    `generate` and `stream` are the least a model must do; `insights.completion` does more with it (fallback, cache, cost).
    """

    @property
    @abstractmethod
    def model_id(self) -> str:
        """The provider's own name of the model, as it is sent."""

    @property
    @abstractmethod
    def provider(self) -> str:
        """The provider's name in insights, e.g. `"anthropic"`."""

    @abstractmethod
    async def generate(self, messages: Any, **kwargs: Any) -> str:
        """The text of one answer.

        Args:
            messages: a prompt string or OpenAI messages.
            **kwargs: parameters of OpenAI's chat completions, or the provider's own.

        Raises:
            insights.InsightsError: see `insights.core.errors`.
        """

    @abstractmethod
    def stream(self, messages: Any, **kwargs: Any) -> AsyncIterator[str]:
        """The text of one answer, piece by piece: `async for text in model.stream("Hello"): ...`.

        Raises:
            insights.InsightsError: see `insights.core.errors`; `TruncatedStreamError` when it ends early.
        """
