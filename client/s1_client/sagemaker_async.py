"""The client of a SageMaker endpoint for callers with an event loop: boto3 waits in threads."""

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

from s1_client.audio import AudioChunk, Speech
from s1_client.errors import S1ClientError
from s1_client.options import SpeechOptions


class AsyncSageMakerClient:
    """Asks a SageMaker endpoint for speech: ``async with AsyncSageMakerClient("voice") as client``.

    Arguments and errors are those of :class:`~s1_client.sagemaker.SageMakerClient`.

    Raises:
        S1ClientError: boto3 is not installed; the message says how it is.
    """

    def __init__(self, endpoint: str, **options: Any) -> None:
        try:
            from s1_client.sagemaker import SageMakerClient  # noqa: PLC0415  # boto3 is an extra
        except ModuleNotFoundError as error:
            raise S1ClientError(f"a SageMaker endpoint needs {error.name}: pip install 's1-tts[sagemaker]'") from error
        self._client = SageMakerClient(endpoint, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    async def speak(self, text: str, options: SpeechOptions | None = None) -> Speech:
        """Say a text and wait for all of it."""
        return await asyncio.to_thread(self._client.speak, text, options)

    async def stream(self, text: str, options: SpeechOptions | None = None) -> AsyncGenerator[AudioChunk]:
        """Say a text and get its sound in chunks, in one where nothing streams."""
        chunks = self._client.stream(text, options)
        try:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                yield chunk
        finally:
            await asyncio.to_thread(chunks.close)
