// The blocks of a transformer over a few rows, on a CPU: one call runs all of them.
//
// What a row is given and gets does not depend on the other rows. Between two steps of a block all threads meet, and
// each then computes its share of the next one's outputs. Values between layers are float32, keys and values float32 or
// bfloat16, weights either of them or bytes. Formulas: layers.py beside this folder.

#include <new>

#include <omp.h>

#include "byte_tiles.h"
#include "draw.h"
#include "pairs.h"
#include "panels.h"
#include "quads.h"
#include "stack.h"
#include "tiles.h"

namespace {

enum Layout : int32_t { FLOAT_PANELS, BFLOAT_PANELS, BFLOAT_PAIRS, BFLOAT_TILES, BYTE_PANELS, BYTE_QUADS, BYTE_TILES };

template <typename Layout>
void run_stack(const Sizes& sizes, const Block* blocks, const Rows& rows, float* x) {
  Stack<Layout> stack(sizes, blocks, rows, x);
#pragma omp parallel num_threads(static_cast<int>(rows.num_threads))
  stack.run({omp_get_thread_num(), omp_get_num_threads()});
}

template <typename Layout>
void run_linear(
    const void* weights, const float* bias, const float* x, int64_t num_rows, int64_t num_inputs, int64_t num_outputs,
    int64_t num_threads, float* y) {
  Workspace workspace;
  const int64_t stride = round_up(Layout::Inputs::room(num_rows, num_inputs), LANES);
  const int64_t operand_stride = round_up(Layout::operand_room(num_rows, num_inputs), LANES);
  const int64_t total = num_threads * (stride + operand_stride);
  workspace.take(total);
  workspace.allocate();
  float* const room = workspace.take(total);
  float* const operand_room = room + num_threads * stride;
#pragma omp parallel num_threads(static_cast<int>(num_threads))
  {
    const typename Layout::Unit unit(num_rows);
    const Worker worker{omp_get_thread_num(), omp_get_num_threads()};
    typename Layout::Inputs inputs(room + worker.index * stride, num_rows, num_inputs);
    for (int64_t row = 0; row < num_rows; ++row) inputs.put(row, 0, x + row * num_inputs, num_inputs);
    const auto& operand = Layout::operand(inputs, operand_room + worker.index * operand_stride);
    multiply_into<Layout>(weights, bias, num_outputs, operand, worker, y);
  }
}

// Do something in a layout, which is given as an empty object; returns 0, or 1 when there is no memory for it.
template <typename Work>
int32_t in_layout(int32_t layout, Work work) {
  try {
    switch (layout) {
      case FLOAT_PANELS: work(Panels<float>{}); break;
      case BFLOAT_PANELS: work(Panels<BFloat16>{}); break;
#if HAS_PAIRS
      case BFLOAT_PAIRS: work(Pairs{}); break;
#endif
#if HAS_TILES
      case BFLOAT_TILES: work(Tiles{}); break;
#endif
      case BYTE_PANELS: work(Panels<int8_t>{}); break;
#if HAS_QUADS
      case BYTE_QUADS: work(Quads{}); break;
#endif
#if HAS_BYTE_TILES
      case BYTE_TILES: work(ByteTiles{}); break;
#endif
    }
  } catch (const std::bad_alloc&) {
    return 1;
  }
  return 0;
}

}  // namespace

extern "C" {

int64_t s1_block_outputs() { return BLOCK; }

// Whether this machine multiplies in a layout.
int32_t s1_has_layout(int32_t layout) {
  switch (layout) {
    case FLOAT_PANELS:
    case BFLOAT_PANELS:
    case BYTE_PANELS: return 1;
    case BFLOAT_PAIRS: return HAS_PAIRS;
#if HAS_TILES
    case BFLOAT_TILES: return TileUnit::is_usable();
#endif
    case BYTE_QUADS: return HAS_QUADS;
#if HAS_BYTE_TILES
    case BYTE_TILES: return TileUnit::is_usable();
#endif
    default: return 0;
  }
}

// Run all blocks over rows `x` [count][width], in place; returns as `in_layout`.
int32_t s1_run_stack(int32_t layout, const Sizes* sizes, const Block* blocks, const Rows* rows, float* x) {
  return in_layout(layout, [&](auto chosen) { run_stack<decltype(chosen)>(*sizes, blocks, *rows, x); });
}

// Multiply rows `x` [num_rows][num_inputs] into `y` [num_rows][num_outputs]; returns as `in_layout`.
int32_t s1_run_linear(
    int32_t layout, const void* weights, const float* bias, const float* x, int64_t num_rows, int64_t num_inputs,
    int64_t num_outputs, int64_t num_threads, float* y) {
  return in_layout(layout, [&](auto chosen) {
    run_linear<decltype(chosen)>(weights, bias, x, num_rows, num_inputs, num_outputs, num_threads, y);
  });
}

// Norm rows `x` [num_rows][width] into `y`.
void s1_run_norm(const float* weight, float eps, const float* x, int64_t num_rows, int64_t width, float* y) {
  for (int64_t row = 0; row < num_rows; ++row) norm(x + row * width, weight, eps, y + row * width, width);
}

// Draw a code of each row; returns how many rows were left undecided, or -1 when there is no memory for it.
int32_t s1_draw(const Draw* draw) {
  try {
    std::vector<float> room(round_up(draw->candidates, LANES));
    int32_t undecided = 0;
    for (int64_t row = 0; row < draw->rows; ++row) {
      draw->codes[row] = RowDraw(*draw, row, room.data()).code();
      undecided += draw->codes[row] < 0;
    }
    return undecided;
  } catch (const std::bad_alloc&) {
    return -1;
  }
}
}
