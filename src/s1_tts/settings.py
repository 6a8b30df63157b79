"""All settings of the models: ``S1_*`` environment over ``config.pbtxt`` parameters over the defaults here."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from s1_protocol.errors import SettingsError
from s1_protocol.secret_free import check_secret_free
from s1_protocol.service_links import is_service_link

ENV_PREFIX = "S1_"

CLIENT_VARIABLES = frozenset({"S1_URL", "S1_GATEWAY", "S1_TOKEN", "S1_TOKEN_FILE"})
"""Variables of the command ``s1-tts``; a server that finds them in its environment leaves them alone."""

OTHERS_PREFIXES = ("S1_GATEWAY_",)
"""How names begin that belong to other programs, which may share the environment."""


GPU_SLOTS_PER_GB = 0.85
MIN_GPU_SLOTS, MAX_GPU_SLOTS = 8, 64
GPU_CONTEXT_TOKENS = 2048


class Settings(BaseSettings):
    """Validated settings. Build them with :meth:`load`; unknown names and bad values raise ``SettingsError``."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    checkpoint: Path | None = Field(default=None, description="folder of the checkpoint")
    host: str = Field(default="127.0.0.1", description="address that s1-tts-serve listens on; 0.0.0.0: all")
    profile: Literal["notes", "calls"] = Field(
        default="notes", description="s1-tts-serve: notes gathers arrivals for a moment, calls does not wait"
    )
    drain_s: float = Field(
        default=3.0,
        ge=0,
        description="s1-tts-serve: after SIGTERM, how long open streams may go on",
    )
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="where the models compute")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the device computes it natively, else float32"
    )
    weights: Literal["auto", "int8"] = Field(
        default="auto",
        description="auto: as dtype; int8: the language model's rounded at start, CPUs with a C++ compiler; "
        "with AMX the codec's layers are compiled too",
    )
    max_slots: int = Field(
        default=8,
        ge=1,
        le=256,
        description="sequences decoded at once; on CUDA by memory, if context_tokens is left too",
    )
    max_queue: int = Field(
        default=64, ge=0, description="sequences of each class waiting for a slot; one more is refused"
    )
    call_slots: int = Field(
        default=1, ge=0, description="slots that only calls may take; fewer than max_slots, else notes starve"
    )
    context_tokens: int = Field(
        default=0, ge=0, description="longest prompt and speech in tokens; 0: what the checkpoint allows"
    )
    prefill_tokens: int = Field(
        default=0, ge=0, description="prompt tokens computed between two decode steps; 0: 32 on a CPU, 256 on CUDA"
    )
    prefix_cache_mb: int = Field(
        default=1024, ge=0, description="memory for the keys and values of voices that are used again; 0: keep none"
    )
    part_characters: int = Field(
        default=300, ge=20, description="longest part of a text generated in one go; longer texts split at sentences"
    )
    gpu_kernels: bool = Field(
        default=True, description="on CUDA, compute with this project's Triton kernels; false: with torch's layers"
    )
    cudnn_attention: bool = Field(
        default=False, description="on CUDA, let torch choose cuDNN's attention, which plans anew for each new length"
    )
    native_layers: bool = Field(default=True, description="on a CPU with a C++ compiler, compile layers for it")
    threads: int = Field(
        default=0,
        ge=0,
        description="CPU threads of each of the two models; 0: half of the cores, at least 1, and for a large language "
        "model's compiled layers all of up to 8",
    )
    max_streams: int = Field(default=256, ge=1, description="streams whose codec state is kept at once")
    stream_idle_s: float = Field(
        default=60.0, gt=0, description="codec state of a stream without chunks is dropped after this long"
    )
    codec_wait_ms: float = Field(
        default=2.0, ge=0, description="longest time a chunk waits for others to be decoded with it"
    )
    voices: str | None = Field(
        default=None, description="voice store: a path, hf://... or s3://...; none: a folder by the checkpoint"
    )
    voice_changes: bool = Field(default=True, description="whether callers may add, change and remove voices")
    voice_cache_mb: float = Field(
        default=64.0, ge=0, description="memory for codes of stored voices, and as much for those of recordings sent"
    )
    triton_server: str | None = Field(
        default=None, description="program of a tritonserver elsewhere; none: on PATH, NVIDIA's image, nvidia-pytriton"
    )
    recordings_mb: float = Field(
        default=256.0, gt=0, description="recordings under way at once, sent along or being stored; one always may be"
    )
    unread_mb: float = Field(
        default=2048.0,
        gt=0,
        description="memory that tritonserver may come to hold, mostly sound that callers do not read; then new ones "
        "are refused, and after a minute the server ends",
    )
    max_waiting_voices: int = Field(
        default=64,
        ge=1,
        description="requests that may wait for a stored voice, and as many that bring recordings or change the store",
    )

    @field_validator("voices")
    @classmethod
    def _check_voices(cls, value: str | None) -> str | None:
        return value if value is None else check_secret_free("voices", value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment over what ``config.pbtxt`` says, and read no file."""
        return env_settings, init_settings

    @classmethod
    def load(cls, parameters: Mapping[str, str] | None = None) -> Self:
        """Read the environment and the parameters of a ``config.pbtxt``.

        Args:
            parameters: ``name -> value`` of the model's ``config.pbtxt``; empty values are left out.

        Raises:
            SettingsError: an unknown name (with the nearest known one) or a value out of range.
        """
        given = {name: value for name, value in (parameters or {}).items() if value != ""}
        env_names = [
            name
            for name, value in os.environ.items()
            if name.startswith(ENV_PREFIX) and not _is_of_others(name) and not is_service_link(name, value)
        ]
        known = set(cls.model_fields)
        for name, shown in [(n, n) for n in given] + [(n[len(ENV_PREFIX) :].lower(), n) for n in env_names]:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {ENV_PREFIX}{near[0].upper()}?" if near else ""
                raise SettingsError(f"unknown setting {shown}{hint}")
        try:
            return cls(**given)  # type: ignore[arg-type]  # pydantic turns the strings into the fields' types
        except ValidationError as error:
            raise SettingsError("; ".join(_fault(each) for each in error.errors())) from None

    def sized_for(self, device_bytes: int) -> Self:
        """The settings with slots and context as a GPU's memory allows, where both are left to the server.

        A slot takes 229 MB of keys and values at 2 048 tokens in bfloat16: slots take about a fifth of the memory.

        Args:
            device_bytes: Memory of the GPU; 0: the models compute elsewhere.
        """
        if not device_bytes or self.model_fields_set & {"max_slots", "context_tokens"}:
            return self
        fitting = int(GPU_SLOTS_PER_GB * device_bytes / 1e9)
        slots = max(MIN_GPU_SLOTS, min(MAX_GPU_SLOTS, 1 << (fitting.bit_length() - 1)))
        return self.model_copy(update={"max_slots": slots, "context_tokens": GPU_CONTEXT_TOKENS})

    def require_checkpoint(self) -> Path:
        """Folder of the checkpoint.

        Raises:
            SettingsError: it is not set.
        """
        if self.checkpoint is None:
            raise SettingsError(f"{ENV_PREFIX}CHECKPOINT is not set: give the folder of a checkpoint")
        return self.checkpoint

    def describe(self) -> str:
        """Tell every setting and its value on one line, for the start-up log."""
        return " ".join(f"{name}={value}" for name, value in self.model_dump().items())


def _fault(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    shown = "" if name == "voices" else f"={error['input']!r}"  # which may hold a secret
    return f"{ENV_PREFIX}{name.upper()}{shown}: {error['msg']}"


def _is_of_others(name: str) -> bool:
    return name in CLIENT_VARIABLES or name.startswith(OTHERS_PREFIXES)
