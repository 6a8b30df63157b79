"""Callers with tokens, each with other rights and limits."""

import openai

from s1_gateway.auth import hash_token
from tests.gateway.running import RunningGateway

TEXT = "Hello there, this is what I have to say."
LONG_TEXT = TEXT * 5
TOKENS = {
    "full": "s1_full-token",
    "plain": "s1_plain-token",
    "few": "s1_few-token",
    "one": "s1_one-token",
    "short": "s1_short-token",
    "ops": "s1_ops-token",
    "jobs": "s1_jobs-token",
}
ENTRIES = "\n".join(
    [
        "# a comment",
        f"full {hash_token(TOKENS['full'])} scopes=speak,voices,jobs,metrics",
        f"plain {hash_token(TOKENS['plain'])}",
        f"few {hash_token(TOKENS['few'])} rpm=3",
        f"one {hash_token(TOKENS['one'])} streams=1",
        f"short {hash_token(TOKENS['short'])} cpd=100",
        f"jobs {hash_token(TOKENS['jobs'])} scopes=jobs rpm=3 cpd=100",
        f"ops {hash_token(TOKENS['ops'])} scopes=metrics",
    ]
)


def sdk_of(gateway: RunningGateway, api_key: str = "unused", max_retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=api_key, max_retries=max_retries)


def ask(gateway: RunningGateway, token: str, text: str = TEXT, **options) -> bytes:
    request = {"model": "m", "voice": "alloy", "input": text, "response_format": "pcm", **options}
    with sdk_of(gateway, token) as sdk:
        return sdk.audio.speech.create(**request).content
