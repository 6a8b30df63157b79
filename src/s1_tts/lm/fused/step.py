"""Prefills and decode steps of the whole model by kernels, on tensors that stay where they are."""

import math
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s1_tts.kernel_launch import launch, power_of_two
from s1_tts.lm.fused.kernels.draw import draw
from s1_tts.lm.fused.kernels.embed import embed
from s1_tts.lm.fused.rows import FIRST_COLUMN, RowTable
from s1_tts.lm.fused.stack import FastStack, SlowStack, run_linear
from s1_tts.lm.fused.tiles import DECODE_ATTENTION, PREFILL_ATTENTION
from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.model import DualArModel
from s1_tts.lm.noise import BLOCK, NoiseLayout
from s1_tts.lm.sampling import PENALTY_WINDOW_FRAMES

if TYPE_CHECKING:
    from s1_tts.lm.layers import BlockStack


class FusedPrefill:
    """Prompt columns of some slots, computed together.

    Args:
        model: The model, its tables made.
        pool: Where keys and values go.
        num_rows: Columns at most.
    """

    def __init__(self, model: DualArModel, pool: KvPool, num_rows: int) -> None:
        config = model.config
        self.num_rows = num_rows
        self.table = RowTable(num_rows, config.num_codebooks, model.device)
        self._embed = _Embed(model)
        self._x = torch.zeros(num_rows, config.dim, dtype=model.dtype, device=model.device)
        layers = cast("BlockStack", model.layers)
        self._slow = SlowStack(layers, config.slow, model.rotations, pool, num_rows, PREFILL_ATTENTION)
        self._no_columns = torch.zeros(0, dtype=torch.int64, device=model.device)

    def run(self, num_rows: int) -> None:
        """Compute the first rows of the table. A CUDA graph can hold it."""
        x = self._x[:num_rows]
        self._embed.run(self.table, self._no_columns, x)
        self._slow.run(x, self.table)


class FusedStep:
    """Decode steps: the row of a slot is the slot's number.

    Args:
        model: The model, its tables made.
        pool: Keys and values.
    """

    def __init__(self, model: DualArModel, pool: KvPool) -> None:
        config, device, dtype = model.config, model.device, model.dtype
        num_rows = pool.num_slots
        self._model = model
        self.table = RowTable(num_rows, config.num_codebooks, device)
        self._embed = _Embed(model)
        layers, fast_layers = cast("BlockStack", model.layers), cast("BlockStack", model.fast_layers)
        self._slow = SlowStack(layers, config.slow, model.rotations, pool, num_rows, DECODE_ATTENTION)
        self._fast = FastStack(fast_layers, config.fast, model.fast_rotations, config.num_codebooks, num_rows, dtype)
        self._noise = NoiseLayout(model.num_semantic + 1, config.num_residual_codes, config.num_codebooks)

        def zeros(*shape: int, kind: torch.dtype = dtype) -> Tensor:
            return torch.zeros(*shape, dtype=kind, device=device)

        self._x = zeros(num_rows, config.dim)
        self._inputs = zeros(num_rows, 2, config.fast.dim)
        self._input = zeros(num_rows, 1, config.fast.dim)
        self._semantic_logits = zeros(num_rows, model.num_semantic + 1, kind=torch.float32)
        self._residual_logits = zeros(num_rows, config.num_residual_codes, kind=torch.float32)
        self._window = zeros(num_rows, config.num_codebooks, PENALTY_WINDOW_FRAMES, kind=torch.int64)
        self._columns = zeros(num_rows, 1 + config.num_codebooks, kind=torch.int64)
        self._sound = zeros(num_rows, kind=torch.int32)
        self.frames = zeros(num_rows, config.num_codebooks, kind=torch.int32)
        """Frames of the last step ``[R, num_codebooks]``; see :func:`s1_tts.lm.decode.decode_step`."""

    def run(self, num_rows: int) -> None:
        """Decode a frame of each of the first rows of the table. A CUDA graph can hold it."""
        model = self._model
        x = self._x[:num_rows]
        self._embed.run(self.table, self._columns, x)
        self._slow.run(x, self.table)
        logits = self._semantic_logits[:num_rows]
        run_linear(x, model.norm, model.output, logits)
        first = self._project(x)
        inputs = self._inputs[:num_rows]
        self._draw(0, logits, first, inputs)
        start = 0
        for codebook in range(1, model.config.num_codebooks):
            self._fast.run(inputs, start)
            start += inputs.shape[1]
            logits = self._residual_logits[:num_rows]
            run_linear(inputs[:, -1], model.fast_norm, model.fast_output, logits)
            inputs = self._input[:num_rows]
            self._draw(codebook, logits, first, inputs)

    def _project(self, hidden: Tensor) -> Tensor:
        project = self._model.fast_project_in
        return F.linear(hidden, project.weight, project.bias) if isinstance(project, nn.Linear) else hidden

    def _draw(self, codebook: int, logits: Tensor, first: Tensor, inputs: Tensor) -> None:
        model, config, table = self._model, self._model.config, self.table
        num_candidates, dim = logits.shape[1], config.fast.dim
        launch(
            draw,
            (logits.shape[0],),
            *(logits, table.rows, table.options, self._window, self._columns, self.frames, self._sound),
            *(model.fast_embeddings.weight, first, inputs),
            *(table.width, codebook, self._noise.begin(codebook) // BLOCK, model.semantic_begin_id),
            IS_FIRST=codebook == 0,
            IS_LAST=codebook == config.num_codebooks - 1,
            NUM_CODEBOOKS=config.num_codebooks,
            CANDIDATES=num_candidates,
            BLOCK=power_of_two(num_candidates),
            WINDOW=PENALTY_WINDOW_FRAMES,
            DIM=dim,
            BLOCK_DIM=power_of_two(dim),
            num_warps=16 if num_candidates > 2048 else 4,
        )


class _Embed:
    """Embeddings of the rows' columns."""

    def __init__(self, model: DualArModel) -> None:
        self._model = model
        is_scaled = model.config.scale_codebook_embeddings
        self._scale = 1 / math.sqrt(model.config.num_codebooks + 1) if is_scaled else 1.0

    def run(self, table: RowTable, columns: Tensor, out: Tensor) -> None:
        """Write the embeddings ``[R, dim]`` of the first rows."""
        model = self._model
        num_rows, dim = out.shape
        block = min(256, power_of_two(dim))
        launch(
            embed,
            (num_rows, -(-dim // block)),
            *(table.rows, columns, model.embeddings.weight, model.codebook_embeddings.weight, out, table.width),
            *(model.semantic_begin_id, model.num_semantic, model.config.codebook_size, self._scale),
            FIRST_COLUMN=FIRST_COLUMN,
            NUM_CODEBOOKS=model.config.num_codebooks,
            DIM=dim,
            BLOCK_DIM=block,
            num_warps=2,
        )
