"""Causal layers that carry on where the last chunk of their stream ended.

Activations are channels-last, ``[B, T, C]``: a shift in time is then an offset of whole rows, a transposed
convolution is a convolution and a reshape, and oneDNN and cuDNN take them as they are.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from s1_tts.codec.native.tile_layers import Activation as TileActivation
from s1_tts.codec.native.tile_layers import TileConv, TileKernels, TileProjection
from s1_tts.codec.packed import PackedConv, PackedProjection
from s1_tts.codec.state import StateLayout
from s1_tts.codec.weights import Weights

Activation = Callable[[Tensor, Tensor, Tensor, Tensor], None]
"""A way to compute a snake: of the input, ``alpha`` and its inverse, into an output."""


def snake(x: Tensor, alpha: Tensor, inverse: Tensor, out: Tensor) -> None:
    """Write ``x + sin(alpha x)^2 / alpha`` to ``out``, in few passes over memory without a compiler.

    Args:
        x: ``[B, T, C]``.
        alpha: ``[C]``.
        inverse: ``[C]``, of ``alpha``.
        out: As ``x``, not overlapping it.
    """
    sine = torch.mul(x, alpha).sin_()
    torch.addcmul(x, sine.mul_(sine), inverse, out=out)


def snake_in_one_pass(x: Tensor, alpha: Tensor, inverse: Tensor, out: Tensor) -> None:
    """The same as :func:`snake` as a formula, which a compiler turns into one kernel, or which has gradients."""
    out.copy_(torch.addcmul(x, torch.sin(x * alpha).square(), inverse))


class Snake:
    """``x + sin(alpha x)^2 / alpha``, per channel (descript-audio-codec 1.0.0, ``dac/nn/layers.py``).

    Args:
        weights: Holds ``alpha [1, C, 1]``.
    """

    def __init__(self, weights: Weights) -> None:
        alpha = weights.tensor("alpha").flatten()
        self.alpha = alpha  # [C]
        self.inverse = (alpha + 1e-9).reciprocal()
        # gradients want the values that the quicker way overwrites
        self.activate: Activation = snake_in_one_pass if alpha.requires_grad else snake

    def __call__(self, x: Tensor, out: Tensor) -> None:
        """Write the activation of ``x`` to ``out``; both ``[B, T, C]``, not overlapping."""
        self.activate(x, self.alpha, self.inverse, out)


def join(x: Tensor, tail: Tensor, snake: Snake | None) -> Tensor:
    """Put a chunk, activated, behind the last inputs of the one before.

    Args:
        x: ``[B, T, C]``.
        tail: ``[B, context, C]``.
        snake: Activation of ``x``.

    Returns:
        ``[B, context + T, C]``.
    """
    batch, length, channels = x.shape
    context = tail.shape[1]
    joined = x.new_empty(batch, context + length, channels)
    joined[:, :context] = tail
    if snake is None:
        joined[:, context:] = x
    else:
        snake(x, joined[:, context:])
    return joined


class CausalConv:
    """Convolution whose left context comes from the stream's state.

    The state is the last ``(kernel - 1) * dilation + 1 - stride`` inputs.

    Args:
        weight: ``[C_out, C_in / groups, kernel]``, weight norm folded.
        bias: ``[C_out]``.
        layout: Where the state's span is reserved.
        stride: Inputs per output; chunks are multiples of it.
        dilation: Inputs between two taps.
        groups: 1, or ``C_in`` for a depthwise convolution.
        snake: Activation of the input, if one goes before.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        layout: StateLayout,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        snake: Snake | None = None,
    ) -> None:
        self.conv = PackedConv(weight, bias, stride=stride, dilation=dilation, groups=groups)
        self.snake = snake
        self.in_channels = weight.shape[1] * groups
        self.context = (weight.shape[2] - 1) * dilation + 1 - stride
        self.span = layout.take(self.context, self.in_channels)

    def __call__(self, x: Tensor, states: Tensor) -> Tensor:
        """Convolve the next chunk.

        Args:
            x: ``[B, T, C_in]``.
            states: ``[B, N]``; moved on by ``T``.

        Returns:
            ``[B, T / stride, C_out]``.
        """
        tail = self.span.of(states)  # [B, context, C_in]
        joined = join(x, tail, self.snake)
        if self.context:
            tail.copy_(joined[:, x.shape[1] :])
        return self.conv(joined)


def make_conv(  # what a convolution is
    kernels: TileKernels | None,
    weight: Tensor,
    bias: Tensor,
    layout: StateLayout,
    *,
    stride: int = 1,
    dilation: int = 1,
    snake: Snake | None = None,
) -> CausalConv | TileConv:
    """A convolution by the kernels that there are; arguments as of :class:`CausalConv`."""
    if kernels is None:
        return CausalConv(weight, bias, layout, stride=stride, dilation=dilation, snake=snake)
    activation = None if snake is None else TileActivation(snake.alpha, snake.inverse)
    return TileConv(kernels, weight, bias, layout, stride=stride, dilation=dilation, activation=activation)


def make_projection(
    kernels: TileKernels | None, weight: Tensor, bias: Tensor | None = None
) -> PackedProjection | TileProjection:
    """A linear layer by the kernels that there are; arguments as of :class:`PackedProjection`."""
    return PackedProjection(weight, bias) if kernels is None else TileProjection(kernels, weight, bias)


class CausalTransposedConv:
    """Transposed convolution with kernel = stride, or kernel = 2 * stride and the right end trimmed.

    Output ``t * stride + j`` is ``x[t] W[j] + x[t - 1] W[stride + j]``: a causal convolution with as many taps as
    strides fit in the kernel and ``stride * C_out`` outputs. Its state is one input, or none.

    Args:
        weight: ``[C_in, C_out, kernel]``, weight norm folded.
        bias: ``[C_out]``.
        layout: Where the state's span is reserved.
        stride: Outputs per input.
        snake: Activation of the input, if one goes before.
        kernels: What computes it, see :func:`make_conv`.
    """

    def __init__(  # what a convolution is
        self,
        weight: Tensor,
        bias: Tensor,
        layout: StateLayout,
        *,
        stride: int,
        snake: Snake | None = None,
        kernels: TileKernels | None = None,
    ) -> None:
        taps = weight.shape[2] // stride
        by_tap = weight.view(*weight.shape[:2], taps, stride).flip(
            2
        )  # [C_in, C_out, taps, stride], the newest input last
        self.stride = stride
        self.conv = make_conv(
            kernels, by_tap.permute(3, 1, 0, 2).flatten(0, 1).contiguous(), bias.repeat(stride), layout, snake=snake
        )

    def __call__(self, x: Tensor, states: Tensor) -> Tensor:
        """Convolve the next chunk ``[B, T, C_in]`` to ``[B, T * stride, C_out]``; moves the states on."""
        y = self.conv(x, states)  # [B, T, stride * C_out]
        return y.reshape(y.shape[0], y.shape[1] * self.stride, -1)


class ResidualUnit:
    """``x + conv1(snake(conv7(snake(x))))`` (``ResidualUnit`` of ``modded_dac.py``).

    Args:
        weights: Below the unit.
        layout: Where the state's span is reserved.
        dilation: Dilation of the wide convolution.
    """

    def __init__(self, weights: Weights, layout: StateLayout, dilation: int) -> None:
        block = weights.under("block")
        self.snakes = Snake(block.under("0")), Snake(block.under("2"))
        self.wide = make_conv(weights.kernels, *block.conv("1.conv"), layout, dilation=dilation, snake=self.snakes[0])
        self.pointwise = make_conv(weights.kernels, *block.conv("3.conv"), layout, snake=self.snakes[1])

    def __call__(self, x: Tensor, states: Tensor) -> Tensor:
        """Apply to the next chunk ``[B, T, C]``; moves the states on."""
        y = self.wide(x, states)
        if isinstance(self.pointwise, TileConv):
            return self.pointwise(y, states, residual=x)
        return self.pointwise(y, states).add_(x)


NEXT_NORM_EPS = 1e-6
"""Of the layer norm in a ConvNeXt block."""


class ConvNeXtBlock:
    """Depthwise convolution and a pointwise feed-forward part (``ConvNeXtBlock`` of ``rvq.py``).

    Args:
        weights: Below the block.
        layout: Where the state's span is reserved.
    """

    def __init__(self, weights: Weights, layout: StateLayout) -> None:
        weight, bias = weights.conv("dwconv.conv")
        self.depthwise = CausalConv(weight, bias, layout, groups=weight.shape[0])
        self.norm_weight, self.norm_bias = weights.tensor("norm.weight"), weights.tensor("norm.bias")
        kernels = weights.kernels
        self.up = make_projection(kernels, weights.tensor("pwconv1.weight"), weights.tensor("pwconv1.bias"))
        self.down = make_projection(kernels, weights.tensor("pwconv2.weight"), weights.tensor("pwconv2.bias"))
        self.gamma = weights.tensor("gamma")

    def __call__(self, x: Tensor, states: Tensor) -> Tensor:
        """Apply to the next chunk ``[B, T, C]``; moves the states on."""
        y = self.depthwise(x, states)
        y = F.layer_norm(y, (y.shape[-1],), self.norm_weight, self.norm_bias, eps=NEXT_NORM_EPS)
        return x + self.gamma * self.down(F.gelu(self.up(y)))
