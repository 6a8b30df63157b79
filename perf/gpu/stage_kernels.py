"""Do the kernels compute what torch's layers compute, on this GPU, and does a row depend on its company."""

import numpy as np
import numpy.typing as npt
import torch

from perf.gpu.stage import NUM_POSITIONS, Stage
from perf.gpu.timing import first_ms, guarded, random_lm, tell
from s1_tts.lm.model import DualArModel
from s1_tts.lm.runner import ModelRunner
from s1_tts.lm.stepping import Frame, PromptPiece, Row, Runner
from s1_tts.speech_task import Sampling

NUM_FRAMES, REHEARSED_FRAMES = 24, 1
LENGTHS = (5, 64, 17, 300, 130, 33)
SLOTS = (0, 3, 7, 15, 20, 39)
REHEARSED_PROMPTS = 1


def run(stage: Stage) -> None:
    """Compare codes in float32, keys and values in bfloat16 too, and rows with themselves."""
    from s1_tts.lm.fused.runner import FusedRunner  # noqa: PLC0415  # needs Triton

    kinds = [(stage.size, torch.float32)]
    if stage.is_cuda:
        kinds = [("mid", torch.float32), (stage.size, torch.bfloat16), *kinds]
    which = range(len(SLOTS) if stage.is_cuda else REHEARSED_PROMPTS)
    num_frames = NUM_FRAMES if stage.is_cuda else REHEARSED_FRAMES
    num_slots = max(SLOTS[index] for index in which) + 1
    for size, dtype in kinds:
        name = f"{size}_{str(dtype).removeprefix('torch.')}"
        with guarded(name), torch.inference_mode():
            model = random_lm(stage.device, dtype, size, NUM_POSITIONS)
            fused = FusedRunner(model, num_slots, NUM_POSITIONS)
            warm_up_ms = first_ms(stage.device, fused.warm_up)
            plain = ModelRunner(model, num_slots, NUM_POSITIONS, use_cuda_graphs=False)
            codes, expected = (speak(runner, model, which, num_frames) for runner in (fused, plain))
            figures: dict[str, object] = {
                "warm_up_ms": warm_up_ms,
                "frames_equal": int((codes == expected).all(axis=2).sum()),
                "frames": int(codes.shape[0] * codes.shape[1]),
                "first_frames_equal": int((codes[0] == expected[0]).all(axis=1).sum()),
                "keys_off": off(fused.pool.keys, plain.pool.keys, which),
                "values_off": off(fused.pool.values, plain.pool.values, which),
            }
            if stage.is_cuda:  # Triton's interpreter takes seconds a frame
                again = speak(fused, model, which, num_frames)
                alone = [speak(fused, model, [index], num_frames)[:, 0] for index in which]
                figures["is_same_again"] = bool(np.array_equal(again, codes))
                figures["is_same_alone"] = all(np.array_equal(one, codes[:, row]) for row, one in enumerate(alone))
            tell(**{name: figures})
            del fused, plain, model
            if stage.is_cuda:
                torch.cuda.empty_cache()


def speak(runner: Runner, model: DualArModel, which: range | list[int], num_frames: int) -> npt.NDArray[np.int32]:
    """Frames ``[num_frames, rows, num_codebooks]`` of some of the prompts, every second one greedy."""
    pieces = []
    for index in which:
        sampling = Sampling(seed=index, temperature=0.0 if index % 2 else 0.8)
        runner.open(SLOTS[index], sampling)
        columns = prompt(model, index)
        for start in range(0, LENGTHS[index], 256):
            end = min(start + 256, LENGTHS[index])
            pieces.append(PromptPiece(SLOTS[index], columns[:, start:end], start))
    for start in (0, 256):
        if now := [piece for piece in pieces if piece.start == start]:
            runner.prefill_pieces(now)
    for index in which:
        runner.start(SLOTS[index], prompt(model, index)[:, -1])
    frames = []
    for number in range(num_frames):
        runner.launch([Row(SLOTS[index], LENGTHS[index] + number, number) for index in which])
        frames.append([_codes(frame) for frame in runner.collect()])
    return np.array(frames)


def prompt(model: DualArModel, index: int) -> npt.NDArray[np.int64]:
    """Random columns ``[1 + num_codebooks, LENGTHS[index] + 1]``, text first and then speech."""
    random = np.random.default_rng(index)
    length = LENGTHS[index] + 1
    columns = random.integers(0, 1024, (1 + model.config.num_codebooks, length))
    is_text = np.arange(length) < length // 2
    columns[0] = np.where(is_text, random.integers(0, 256, length), model.semantic_begin_id + columns[1])
    return columns


def off(actual: torch.Tensor, expected: torch.Tensor, which: range) -> list[float]:
    """How far keys or values of the prompts are off, relative, in each slot."""
    found = []
    for slot, length in ((SLOTS[index], LENGTHS[index]) for index in which):
        one, other = (kept[:, slot, :length].float() for kept in (actual, expected))
        found.append(float(f"{float((one - other).norm() / other.norm()):.3g}"))
    return found


def _codes(frame: Frame) -> npt.NDArray[np.int32]:
    return frame.codes
