"""Every parameter of OpenAI's chat completions in each provider's own form, by hand from the providers' API references.

A row is a non-neutral value and what the JSON body must hold because of it; None says that the provider's API has no such
thing, or our adapter can't do it there, so that the call must fail before anything is sent.

Sources: OpenAI "Create chat completion" and "Create a model response"; Anthropic "Messages", "Tool use", "Extended
thinking", "Structured outputs", "Web search tool"; Google "GenerateContent", "GenerationConfig", "Thinking".
"""

from __future__ import annotations

from typing import Any, Final

from tests.unit.adapters.models.asking import FORCED, FUNCTION, JSON_SCHEMA, SCHEMA, TOOL

Row = tuple[Any, dict[str, Any] | None]

VALUES: Final[dict[str, Any]] = {
    "audio": {"voice": "alloy", "format": "wav"},
    "frequency_penalty": 0.7,
    "function_call": {"name": "weather"},
    "functions": [FUNCTION],
    "logit_bias": {"42": 5},
    "logprobs": True,
    "max_completion_tokens": 777,
    "max_tokens": 777,
    "metadata": {"team": "blue"},
    "modalities": ["text", "audio"],
    "n": 2,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "Once upon a time"},
    "presence_penalty": 0.3,
    "prompt_cache_key": "cache-key-7",
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": JSON_SCHEMA,
    "safety_identifier": "person-7",
    "seed": 1234,
    "service_tier": "flex",
    "stop": ["END"],
    "store": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "temperature": 0.25,
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "tool_choice": "required",
    "tools": [TOOL],
    "top_logprobs": 3,
    "top_p": 0.4,
    "user": "person-7",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


def _table(known: dict[str, dict[str, Any]]) -> dict[str, Row]:
    return {name: (value, known.get(name)) for name, value in VALUES.items()}


def _but(*names: str) -> dict[str, dict[str, Any]]:
    """Everything under OpenAI's own name, except these."""
    return {name: {name: value} for name, value in VALUES.items() if name not in names}


# gpt-4o is no reasoning model; `thinking` is Anthropic's parameter.
GPT_4O: Final = _table(_but("reasoning_effort", "thinking"))

# GPT-5 ("Using GPT-5": temperature, top_p and logprobs are not supported, verbosity and reasoning_effort are new).
GPT_5_MINI: Final = _table(
    {
        **_but(
            "audio",
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "modalities",
            "prediction",
            "presence_penalty",
            "stop",
            "temperature",
            "thinking",
            "top_logprobs",
            "top_p",
            "web_search_options",
        ),
        "max_tokens": {"max_completion_tokens": 777},
    }
)

_ANTHROPIC_TOOL = {"name": "weather", "description": "The weather in a city", "input_schema": FUNCTION["parameters"]}

CLAUDE: Final = _table(
    {
        "max_completion_tokens": {"max_tokens": 777},
        "max_tokens": {"max_tokens": 777},
        "parallel_tool_calls": {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}, "tools": [_ANTHROPIC_TOOL]},
        "reasoning_effort": {"thinking": {"type": "enabled"}},
        "response_format": {"output_format": {"type": "json_schema", "schema": SCHEMA}},
        "safety_identifier": {"metadata": {"user_id": "person-7"}},
        "stop": {"stop_sequences": ["END"]},
        "temperature": {"temperature": 0.25},
        "thinking": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        "tool_choice": {"tool_choice": {"type": "any"}},
        "tools": {"tools": [_ANTHROPIC_TOOL]},
        "top_p": {"top_p": 0.4},
        "user": {"metadata": {"user_id": "person-7"}},
        "web_search_options": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    }
)


def _generation(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


GEMINI: Final = _table(
    {
        "frequency_penalty": _generation(frequencyPenalty=0.7),
        "functions": {"tools": [{"functionDeclarations": [FUNCTION]}]},
        "logprobs": _generation(responseLogprobs=True),
        "max_completion_tokens": _generation(maxOutputTokens=777),
        "max_tokens": _generation(maxOutputTokens=777),
        "modalities": _generation(responseModalities=["TEXT", "AUDIO"]),
        "n": _generation(candidateCount=2),
        "presence_penalty": _generation(presencePenalty=0.3),
        "reasoning_effort": _generation(thinkingConfig={"thinkingBudget": 1024}),
        "response_format": _generation(responseMimeType="application/json", responseJsonSchema=SCHEMA),
        "seed": _generation(seed=1234),
        "service_tier": {"serviceTier": "flex"},
        "stop": _generation(stopSequences=["END"]),
        "temperature": _generation(temperature=0.25),
        "thinking": _generation(thinkingConfig={"thinkingBudget": 2048, "includeThoughts": True}),
        "tool_choice": {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        "tools": {"tools": [{"functionDeclarations": [FUNCTION]}]},
        "top_logprobs": _generation(responseLogprobs=True, logprobs=3),
        "top_p": _generation(topP=0.4),
        "web_search_options": {"tools": [{"googleSearch": {}}]},
    }
)

_RESPONSES_TOOL = {"type": "function", **FUNCTION}

# The Responses API has no n, seed, stop, logit_bias, penalties, prediction, audio. A reasoning model takes no sampling.
RESPONSES: Final = _table(
    {
        **{
            name: {name: VALUES[name]}
            for name in "metadata prompt_cache_key prompt_cache_retention safety_identifier service_tier store user".split()
        },
        "max_completion_tokens": {"max_output_tokens": 777},
        "max_tokens": {"max_output_tokens": 777},
        "parallel_tool_calls": {"parallel_tool_calls": False, "tools": [_RESPONSES_TOOL]},
        "reasoning_effort": {"reasoning": {"effort": "low"}},
        "response_format": {"text": {"format": {"type": "json_schema", "name": "reply", "schema": SCHEMA, "strict": True}}},
        "stream_options": {"stream": True, "stream_options": {"include_obfuscation": False}},
        "tool_choice": {"tool_choice": "required"},
        "tools": {"tools": [_RESPONSES_TOOL]},
        "verbosity": {"text": {"verbosity": "low"}},
    }
)

TABLES: Final[dict[str, dict[str, Row]]] = {
    "openai/gpt-4o": GPT_4O,
    "openai/gpt-5-mini": GPT_5_MINI,
    "openai/gpt-5.3-codex": RESPONSES,
    "anthropic/claude-sonnet-4-5": CLAUDE,
    "gemini/gemini-2.5-flash": GEMINI,
}

# Forms of tool_choice.
CHOICES: Final[dict[str, list[tuple[Any, dict[str, Any]]]]] = {
    "openai/gpt-4o": [(c, {"tool_choice": c}) for c in ("auto", "none", "required", FORCED)],
    "openai/gpt-5.3-codex": [
        *((c, {"tool_choice": c}) for c in ("auto", "none", "required")),
        (FORCED, {"tool_choice": {"type": "function", "name": "weather"}}),
    ],
    "anthropic/claude-sonnet-4-5": [
        ("auto", {"tool_choice": {"type": "auto"}}),
        ("none", {"tool_choice": {"type": "none"}}),
        ("required", {"tool_choice": {"type": "any"}}),
        (FORCED, {"tool_choice": {"type": "tool", "name": "weather"}}),
    ],
    "gemini/gemini-2.5-flash": [
        ("auto", {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}}),
        ("none", {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}),
        ("required", {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
        (FORCED, {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}}),
    ],
    "mistral/mistral-large-latest": [(c, {"tool_choice": c}) for c in ("none", "required", FORCED)],
    "cohere/command-a-03-2025": [("none", {"tool_choice": "NONE"}), ("required", {"tool_choice": "REQUIRED"})],
    "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0": [
        ("auto", {"toolConfig": {"toolChoice": {"auto": {}}}}),
        ("required", {"toolConfig": {"toolChoice": {"any": {}}}}),
        (FORCED, {"toolConfig": {"toolChoice": {"tool": {"name": "weather"}}}}),
    ],
}

# A provider's own parameters, as its own reference spells them.
OWN: Final[list[tuple[str, dict[str, Any], dict[str, Any]]]] = [
    ("anthropic/claude-sonnet-4-5", {"top_k": 5}, {"top_k": 5}),
    ("anthropic/claude-sonnet-4-5", {"stop_sequences": ["END"]}, {"stop_sequences": ["END"]}),
    ("anthropic/claude-sonnet-4-5", {"container": "container_1"}, {"container": "container_1"}),
    ("gemini/gemini-2.5-flash", {"top_k": 5}, {"generationConfig": {"topK": 5}}),
    (
        "gemini/gemini-2.5-flash",
        {"safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
        {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
    ),
    ("gemini/gemini-2.5-flash", {"cached_content": "cachedContents/7"}, {"cachedContent": "cachedContents/7"}),
    ("vertex/gemini-3.5-flash", {"labels": {"team": "blue"}}, {"labels": {"team": "blue"}}),
    ("mistral/mistral-large-latest", {"safe_prompt": True}, {"safe_prompt": True}),
    ("mistral/mistral-large-latest", {"random_seed": 7}, {"random_seed": 7}),
    ("perplexity/sonar", {"search_domain_filter": ["example.com"]}, {"search_domain_filter": ["example.com"]}),
    ("perplexity/sonar", {"return_images": True}, {"return_images": True}),
    ("ollama/llama3.3", {"num_ctx": 4096}, {"options": {"num_ctx": 4096}}),
    ("ollama/llama3.3", {"keep_alive": "5m"}, {"keep_alive": "5m"}),
    ("ollama/llama3.3", {"top_k": 5}, {"options": {"top_k": 5}}),
    ("ollama/llama3.3", {"think": True}, {"think": True}),
    ("openrouter/openai/gpt-4o", {"provider": {"order": ["azure"]}}, {"provider": {"order": ["azure"]}}),
    ("openrouter/openai/gpt-4o", {"models": ["a/b", "c/d"]}, {"models": ["a/b", "c/d"]}),
    (
        "bedrock/amazon.nova-pro-v1:0",
        {"guardrailConfig": {"guardrailIdentifier": "gr-1", "guardrailVersion": "1"}},
        {"guardrailConfig": {"guardrailIdentifier": "gr-1", "guardrailVersion": "1"}},
    ),
    ("bedrock/amazon.nova-pro-v1:0", {"requestMetadata": {"team": "blue"}}, {"requestMetadata": {"team": "blue"}}),
    (
        "bedrock/amazon.nova-pro-v1:0",
        {"performanceConfig": {"latency": "optimized"}},
        {"performanceConfig": {"latency": "optimized"}},
    ),
    ("together/meta-llama/Llama-3.3-70B-Instruct-Turbo", {"min_p": 0.1}, {"min_p": 0.1}),
    ("together/meta-llama/Llama-3.3-70B-Instruct-Turbo", {"repetition_penalty": 1.1}, {"repetition_penalty": 1.1}),
    ("cohere/command-a-03-2025", {"safety_mode": "STRICT"}, {"safety_mode": "STRICT"}),
    ("cohere/command-a-03-2025", {"top_k": 5}, {"k": 5}),
    ("groq/openai/gpt-oss-120b", {"reasoning_format": "parsed"}, {"reasoning_format": "parsed"}),
    ("xai/grok-4", {"search_parameters": {"mode": "on"}}, {"search_parameters": {"mode": "on"}}),
    ("cerebras/llama-3.3-70b", {"disable_reasoning": True}, {"disable_reasoning": True}),
    ("fireworks/accounts/fireworks/models/llama", {"prompt_truncate_length": 9}, {"prompt_truncate_length": 9}),
    ("moonshot/kimi-k2.7-code", {"use_search": True}, {"use_search": True}),
    ("zai/glm-5", {"do_sample": False}, {"do_sample": False}),
    ("azure/gpt-4o", {"data_sources": [{"type": "azure_search"}]}, {"data_sources": [{"type": "azure_search"}]}),
    ("deepseek/deepseek-flash", {"quite_new_option": 7}, {"quite_new_option": 7}),
    ("huggingface/openai/gpt-oss-120b", {"quite_new_option": 7}, {"quite_new_option": 7}),
    ("openai/gpt-4o", {"quite_new_option": 7}, {"quite_new_option": 7}),
]

# What asks for OpenAI's default anyway ("Create chat completion": defaults of each parameter).
NEUTRAL: Final[list[tuple[str, Any]]] = [
    ("frequency_penalty", 0),
    ("frequency_penalty", 0.0),
    ("presence_penalty", 0),
    ("logit_bias", {}),
    ("logprobs", False),
    ("n", 1),
    ("response_format", {"type": "text"}),
    ("service_tier", "auto"),
    ("store", False),
    ("stop", []),
    ("temperature", 1),
    ("temperature", 1.0),
    ("top_p", 1),
    ("tools", []),
    ("metadata", {}),
    ("modalities", ["text"]),
    ("max_tokens", None),
    ("seed", None),
    ("user", None),
]

# Other values of parameters that a config might treat otherwise than those above: zero, a word, a list.
OTHERS: Final[dict[str, list[Any]]] = {
    "reasoning_effort": ["high"],
    "response_format": [{"type": "json_object"}],
    "seed": [0],
    "stop": ["END"],
    "temperature": [0],
    "tool_choice": ["none", FORCED],
    "top_p": [0.01],
    "max_tokens": [1],
    "thinking": [{"type": "enabled", "budget_tokens": 4096}],
    "user": ["u"],
}
