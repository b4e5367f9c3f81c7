"""The recordings the simulator was written after. Others may have fields it doesn't speak of."""

from __future__ import annotations

from typing import Final

RECORDINGS: Final = frozenset(
    """
    anthropic/messages_cached__dd-trace-py.yaml
    anthropic/messages_json_schema__lmnr-python.yaml
    anthropic/messages_plain__ldp.yaml
    anthropic/messages_thinking_stream__lmnr-python.yaml
    anthropic/messages_tool_result__openllmetry.yaml
    anthropic/messages_tools__crewAI.yaml
    anthropic/messages_vision__crewAI.yaml
    bedrock/converse_plain__openinference.yaml
    bedrock/converse_thinking__pydantic-ai.yaml
    bedrock/converse_tools__crewAI.yaml
    cerebras/chat_plain__pydantic-ai.yaml
    cohere/chat_reasoning__langchain-cohere.yaml
    cohere/chat_schema__ruby_llm.yaml
    cohere/chat_tools__langchain-cohere.yaml
    deepseek/chat_plain__dd-trace-py.yaml
    deepseek/chat_tools__ruby_llm.yaml
    gemini/generate_json_schema__logfire.yaml
    gemini/generate_max_tokens__braintrust-sdk-python.yaml
    gemini/generate_plain__lmnr-python.yaml
    gemini/generate_safety__pydantic-ai.yaml
    gemini/generate_stream__mirascope.yaml
    gemini/generate_thinking__lmnr-python.yaml
    gemini/generate_tools_stream__crewAI.yaml
    gemini/generate_vision__mirascope.yaml
    groq/chat_plain__langtrace-python-sdk.yaml
    groq/chat_reasoning__pydantic-ai.yaml
    groq/chat_stream__openllmetry.yaml
    huggingface/chat_plain__pydantic-ai.yaml
    mistral/chat_stream__openinference.yaml
    mistral/chat_tools__pydantic-ai.yaml
    ollama/chat_reasoning__openinference.yaml
    openai/chat_cached__openllmetry.yaml
    openai/chat_gzip_header_but_plain_body__dd-apm-test-agent.yaml
    openai/chat_json_schema_stream__mirascope.yaml
    openai/chat_length__crewAI.yaml
    openai/chat_n2__opentelemetry-python-contrib.yaml
    openai/chat_pdf__mirascope.yaml
    openai/chat_plain__crewAI.yaml
    openai/chat_reasoning__mirascope.yaml
    openai/chat_refusal__lmnr-python.yaml
    openai/chat_stream_include_usage__lmnr-python.yaml
    openai/chat_tool_result__openllmetry.yaml
    openai/chat_tools__dd-trace-py.yaml
    openai/chat_tools_parallel__openllmetry.yaml
    openai/chat_vision__ldp.yaml
    openai/responses_plain__llm.yaml
    openai/responses_stream__llm.yaml
    openai/responses_tools__opentelemetry-python-contrib.yaml
    openrouter/chat_plain__braintrust-sdk-python.yaml
    openrouter/chat_reasoning__dd-trace-py.yaml
    openrouter/chat_tools_stream__magentic.yaml
    perplexity/chat_stream__ruby_llm.yaml
    together/chat_plain__mirascope.yaml
    together/chat_tools__openinference.yaml
    vertex/generate_plain__crewAI.yaml
    xai/chat_stream__magentic.yaml
    xai/chat_tools__fantasy.yaml
    zai/chat_plain__pydantic-ai.yaml
    """.split()
)
