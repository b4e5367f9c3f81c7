"""Hand-written oddities of Bedrock: converse's rarer blocks, and the other vendors behind invoke."""

from __future__ import annotations

from .recordings import Recording
from .samples import (
    ASKED,
    AWS,
    QUESTION,
    Json,
    aws,
    aws_chunks,
    sample,
)


def _chat(text: str) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def bedrock_oddities() -> list[Recording]:
    """Converse's rarer blocks, and the other vendors behind invoke."""
    messages = {"messages": [{"role": "user", "content": [{"text": QUESTION}]}], "inferenceConfig": {"maxTokens": 9}}
    counted = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
    cited = {"citationsContent": {"content": [{"text": "Paris."}], "citations": []}}
    blocks = [{"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}}, {"text": "So: "}, cited]
    whole = {"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": "end_turn", "usage": counted}
    said = {"role": "assistant", "content": [{"text": "Paris."}]}
    plain = whole | {"output": {"message": said}}
    empty_call: list[tuple[str, Json]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "now"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": ""}}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": counted, "metrics": {"latencyMs": 1}}),
    ]
    titan = {"inputText": QUESTION, "textGenerationConfig": {"maxTokenCount": 9, "temperature": 0}}
    titan_answer = {
        "inputTextTokenCount": 5,
        "results": [{"tokenCount": 3, "outputText": "Paris.", "completionReason": "FINISH"}],
    }
    titan_chunk = {
        "outputText": "Paris.",
        "index": 0,
        "totalOutputTextTokenCount": 3,
        "completionReason": "FINISH",
        "inputTextTokenCount": 5,
    }
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 25, "outputTokenCount": 4}}
    old: list[Json] = [
        {"completion": " Par", "stop_reason": None, "stop": None},
        {"completion": "is.", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"} | metrics,
    ]
    old_asked = {"prompt": f"\n\nHuman: {QUESTION}\n\nAssistant:", "max_tokens_to_sample": 9}
    nova_chunks: list[Json] = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Paris."}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 5}, "metrics": {}, "trace": {}}} | metrics,
    ]
    stream = "invoke-with-response-stream"

    def at(model: str, what: str = "invoke") -> str:
        return f"/model/{model}/{what}"

    return [
        sample("bedrock/cited", at("us.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "converse"), messages, whole),
        sample("bedrock/no_arguments", at("amazon.nova-lite-v1%3A0", "converse-stream"), messages, aws(*empty_call), kind=AWS),
        sample(
            "bedrock/busy",
            at("amazon.nova-lite-v1%3A0", "converse"),
            messages,
            {"message": "Too many requests, please wait before trying again."},
            status=429,
        ),
        sample(
            "bedrock/long",
            at("amazon.nova-lite-v1%3A0", "converse"),
            messages,
            {"message": "Input is too long for requested model."},
            status=400,
        ),
        sample(
            "bedrock/unavailable",
            at("amazon.nova-lite-v1%3A0", "converse-stream"),
            messages,
            {"message": "Bedrock is unable to process your request."},
            status=503,
        ),
        sample("bedrock/titan", at("amazon.titan-text-express-v1"), titan, titan_answer),
        sample(
            "bedrock/titan_stream",
            at("amazon.titan-text-express-v1", stream),
            titan,
            aws_chunks(titan_chunk | metrics),
            kind=AWS,
        ),
        sample(
            "bedrock/old_claude",
            at("anthropic.claude-v2"),
            old_asked,
            {"completion": " Paris.", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
        ),
        sample("bedrock/old_claude_stream", at("anthropic.claude-instant-v1", stream), old_asked, aws_chunks(*old), kind=AWS),
        sample("bedrock/nova", at("amazon.nova-micro-v1%3A0"), messages | {"schemaVersion": "messages-v1"}, plain),
        sample("bedrock/nova_stream", at("amazon.nova-micro-v1%3A0", stream), messages, aws_chunks(*nova_chunks), kind=AWS),
        sample(
            "bedrock/mistral",
            at("mistral.mistral-7b-instruct-v0%3A2"),
            {"prompt": f"<s>[INST] {QUESTION} [/INST]", "max_tokens": 9},
            {"outputs": [{"text": " Paris.", "stop_reason": "stop"}]},
        ),
        sample(
            "bedrock/mistral_chat",
            at("mistral.mistral-large-2407-v1%3A0"),
            {"messages": ASKED["messages"], "max_tokens": 9},
            _chat("Paris."),
        ),
        sample(
            "bedrock/command",
            at("cohere.command-text-v14"),
            {"prompt": QUESTION, "max_tokens": 9},
            {"generations": [{"finish_reason": "COMPLETE", "id": "g", "text": " Paris."}], "id": "x", "prompt": QUESTION},
        ),
        sample(
            "bedrock/command_r",
            at("cohere.command-r-v1%3A0"),
            {"message": QUESTION, "max_tokens": 9},
            {"response_id": "r", "text": "Paris.", "generation_id": "g", "chat_history": [], "finish_reason": "COMPLETE"},
        ),
        sample(
            "bedrock/jurassic",
            at("ai21.j2-mid-v1"),
            {"prompt": QUESTION, "maxTokens": 9},
            {
                "id": 1,
                "prompt": {"text": "x", "tokens": []},
                "completions": [{"data": {"text": "\nParis.", "tokens": []}, "finishReason": {"reason": "endoftext"}}],
            },
        ),
        sample(
            "bedrock/gpt_oss",
            at("openai.gpt-oss-20b-1%3A0"),
            {"messages": ASKED["messages"], "max_completion_tokens": 9},
            _chat("<reasoning>Hm.</reasoning>Paris."),
        ),
    ]


BEDROCK_ODDITIES = bedrock_oddities()
