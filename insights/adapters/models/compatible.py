"""Hosts that speak OpenAI's chat completions and aren't shipped: vLLM, llama.cpp, LM Studio, a gateway, a new company."""

from __future__ import annotations

from functools import lru_cache

from insights.adapters.models.base import LiteLLMChatModel
from insights.catalog.others import installed


class OpenAICompatible(LiteLLMChatModel):
    """OpenAI-shaped, and nothing known of the models: parameters go as they are.

    `max_completion_tokens` goes as `max_tokens`, which is what all such hosts know.
    """

    litellm_provider = "openai_like"
    extra_params = ("user", "metadata", "reasoning_effort", "verbosity", "modalities", "store")
    # What the servers' own references call theirs: vLLM, llama.cpp's server, LM Studio, SGLang, TGI.
    native_params = (
        "top_k",
        "top_a",
        "min_p",
        "typical_p",
        "tfs_z",
        "repeat_penalty",
        "repeat_last_n",
        "repetition_penalty",
        "length_penalty",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "min_tokens",
        "n_predict",
        "ignore_eos",
        "stop_token_ids",
        "skip_special_tokens",
        "chat_template",
        "chat_template_kwargs",
        "continue_final_message",
        "add_generation_prompt",
        "cache_prompt",
        "grammar",
        "json_schema",
        "guided_json",
        "guided_regex",
        "guided_choice",
        "guided_grammar",
        "structured_outputs",
        "regex",
        "ebnf",
        "best_of",
        "prompt_logprobs",
        "reasoning",
        "thinking",
        "ttl",
    )


@lru_cache(maxsize=64)
def other_adapter(name: str) -> type[LiteLLMChatModel]:
    """The adapter of a provider that isn't shipped: its package's, or `OpenAICompatible` under its name.

    Raises:
        ConfigError: the package's adapter can't be imported, or is none.
    """
    package = installed().get(name)
    found = OpenAICompatible
    if package is not None:
        found = package.load()
        if not (isinstance(found, type) and issubclass(found, LiteLLMChatModel)):
            raise package.broken("its entry point must name a class that extends LiteLLMChatModel")
        if found.provider_name == name:
            return found
    return type(found.__name__, (found,), {"provider_name": name, "__module__": found.__module__, "__doc__": found.__doc__})
