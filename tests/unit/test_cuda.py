"""What a process, a thread and a capture set up on a GPU, asked of a stand-in for torch's module."""

from collections.abc import Iterator
from unittest import mock

import pytest
import torch

from s1_protocol.errors import SettingsError
from s1_training.development.language_model import dev_lm_config
from s1_tts import cuda
from s1_tts.lm.kv_cache import GPU_RESERVE_BYTES, KvPool

SECOND = torch.device("cuda:1")
CPU = torch.device("cpu")


@pytest.fixture
def gpu() -> Iterator[mock.MagicMock]:
    """Stands for ``torch.cuda``."""
    with mock.patch.object(torch, "cuda") as module, mock.patch("sys.setswitchinterval"):
        yield module


@pytest.mark.parametrize("is_wanted", [False, True])
def test_cudnn_attention_is_off_unless_it_is_named(gpu: mock.MagicMock, is_wanted: bool) -> None:
    with mock.patch("torch.backends.cuda.enable_cudnn_sdp") as enable:
        cuda.prepare_process(SECOND, use_cudnn_attention=is_wanted)
        enable.assert_called_once_with(is_wanted)


def test_a_process_begins_on_its_own_gpu(gpu: mock.MagicMock) -> None:
    with mock.patch("torch.backends.cuda.enable_cudnn_sdp"):
        cuda.prepare_process(SECOND, use_cudnn_attention=False)
    gpu.set_device.assert_called_once_with(SECOND)


def test_on_a_cpu_nothing_is_set(gpu: mock.MagicMock) -> None:
    with mock.patch("torch.backends.cuda.enable_cudnn_sdp") as enable:
        cuda.prepare_process(CPU, use_cudnn_attention=False)
        cuda.enter(CPU)
        assert not cuda.is_lost(CPU)
        enable.assert_not_called()
    assert gpu.mock_calls == []


def test_captures_share_a_stream_and_a_pool_on_their_own_gpu(gpu: mock.MagicMock) -> None:
    """Each stream keeps a workspace for good; a capture on another GPU than the work is empty."""
    captures = cuda.GraphCapture(SECOND)
    ran = []
    replays = [captures.capture(lambda number=number: ran.append(number) or number) for number in (1, 2)]
    gpu.Stream.assert_called_once_with(SECOND)
    gpu.graph_pool_handle.assert_called_once_with()
    assert gpu.set_device.mock_calls == [mock.call(SECOND)] * 3
    assert ran == [1] * (cuda.WARM_UP_RUNS + 1) + [2] * (cuda.WARM_UP_RUNS + 1)
    for call in gpu.graph.mock_calls:
        if call.kwargs:
            assert call.kwargs["stream"] is gpu.Stream.return_value
            assert call.kwargs["pool"] is gpu.graph_pool_handle.return_value
    assert [replay() for replay in replays] == [1, 2]
    assert gpu.CUDAGraph.return_value.replay.call_count == 2
    assert len(ran) == 2 * (cuda.WARM_UP_RUNS + 1)  # a replay runs nothing on the host


def test_what_a_warm_up_computes_is_ordered_behind_and_before_the_thread_s_own_work(gpu: mock.MagicMock) -> None:
    order = []
    side, own = gpu.Stream.return_value, gpu.current_stream.return_value
    side.wait_stream.side_effect = lambda stream: order.append("side waits" if stream is own else "?")
    own.wait_stream.side_effect = lambda stream: order.append("own waits" if stream is side else "?")
    cuda.GraphCapture(SECOND).capture(lambda: order.append("run"))
    assert order == ["side waits", *["run"] * cuda.WARM_UP_RUNS, "own waits", "run"]


def test_a_gpu_that_answers_every_call_with_an_error_is_lost(gpu: mock.MagicMock) -> None:
    assert not cuda.is_lost(SECOND)
    gpu.synchronize.side_effect = RuntimeError("CUDA error: an illegal memory access was encountered")
    assert cuda.is_lost(SECOND)


def test_the_pool_leaves_room_for_graphs_and_other_processes(gpu: mock.MagicMock) -> None:
    gpu.mem_get_info.return_value = (GPU_RESERVE_BYTES + 1000, 80 * 2**30)
    with pytest.raises(SettingsError, match="lower S1_MAX_SLOTS"):
        KvPool(dev_lm_config("full").slow, 1, 2048, torch.bfloat16, torch.device("cuda"))


class TestLanding:
    """Copies to the host, read in their order."""

    def test_copies_are_read_in_the_order_they_were_sent(self) -> None:
        values = torch.zeros(2)
        landing = cuda.Landing(values, num_copies=2)
        for number in range(6):
            landing.send(values.fill_(number))
            if landing.num_waiting == 2:
                assert landing.read().tolist() == [number - 1.0] * 2
        assert landing.num_waiting == 1
        assert landing.read().tolist() == [5.0, 5.0]

    def test_what_is_forgotten_is_not_read(self) -> None:
        values = torch.zeros(1)
        landing = cuda.Landing(values, num_copies=2)
        landing.send(values.fill_(1))
        landing.forget()
        landing.send(values.fill_(2))
        assert landing.read().item() == 2

    def test_a_copy_is_waited_for_before_it_is_read(self, gpu: mock.MagicMock) -> None:
        events = [mock.MagicMock(), mock.MagicMock()]
        landing = cuda.Landing(torch.zeros(1), num_copies=2)
        landing._events = events
        landing.send(torch.ones(1))
        events[0].record.assert_called_once_with()
        events[0].synchronize.assert_not_called()
        landing.read()
        events[0].synchronize.assert_called_once_with()
        events[1].record.assert_not_called()
