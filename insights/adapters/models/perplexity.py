"""Perplexity: answers with citations and search results, which are kept under their names."""

from __future__ import annotations

from insights.adapters.models.base import LiteLLMChatModel


class PerplexityAdapter(LiteLLMChatModel):
    """OpenAI-shaped."""

    litellm_provider = "perplexity"
    native_params = (
        "top_k",
        "search_mode",
        "search_domain_filter",
        "search_recency_filter",
        "search_after_date_filter",
        "search_before_date_filter",
        "last_updated_after_filter",
        "last_updated_before_filter",
        "return_images",
        "return_related_questions",
        "image_domain_filter",
        "image_format_filter",
        "disable_search",
        "enable_search_classifier",
        "media_response",
        "language_preference",
        "stream_mode",
    )
    extra_params = ("reasoning_effort",)
