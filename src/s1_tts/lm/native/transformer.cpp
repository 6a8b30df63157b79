// The blocks of a transformer over a few rows, on a CPU: one call runs all of them.
//
// What a row is given and gets does not depend on the other rows. Between two steps of a block all threads meet, and
// each then computes its share of the next one's outputs. Values between layers are float32, keys and values float32 or
// bfloat16, weights either of them or bytes. Formulas: layers.py beside this folder.

#include <cmath>
#include <memory>
#include <new>
#include <vector>

#include <omp.h>

#include "attention.h"
#include "byte_tiles.h"
#include "linear.h"
#include "pairs.h"
#include "panels.h"
#include "quads.h"
#include "tiles.h"

// --- what Python fills in; the same fields in layers.py ---

struct Sizes {
  int64_t num_blocks, width, num_heads, num_key_heads, head_width, inner_width;
  float norm_eps;
};

// Weights of a block. Norms and biases are float32; a bias or a head's norm that is not there is null.
struct Block {
  const float *attention_norm, *query_norm, *key_norm, *ffn_norm, *qkv_bias, *out_bias;
  const void *qkv, *out;
  const void* gate_and_up;  // a block of outputs of the gate, then one of the other, in turns
  const void* down;
};

// Rows, and where their keys and values are.
struct Rows {
  int64_t count;
  const int64_t* slots;
  const int64_t* positions;
  const float* rotations;  // [count][head_width / 2][2], cosine and sine
  void *keys, *values;     // [blocks][slots][positions][key heads][head_width], packed from the positions on
  int64_t block_stride, slot_stride;
  int64_t kept_bytes;  // of a key's or value's number: 4 float32, 2 bfloat16
  int64_t num_threads;
};

namespace {

enum Layout : int32_t { FLOAT_PANELS, BFLOAT_PANELS, BFLOAT_PAIRS, BFLOAT_TILES, BYTE_PANELS, BYTE_QUADS, BYTE_TILES };

void norm(const float* from, const float* weight, float eps, float* to, int64_t width) {
  const float scale = 1.0f / std::sqrt(dot(from, from, width) / static_cast<float>(width) + eps);
  for (int64_t at = 0; at < width; ++at) to[at] = from[at] * scale * weight[at];
}

// At most BLOCK values; nearly always that many, which is worth its own loop.
void copy_values(const float* from, float* to, int64_t count) {
  if (count == BLOCK) {
    for (int64_t at = 0; at < BLOCK; at += LANES) store(load(from + at), to + at);
  } else {
    std::copy(from, from + count, to);
  }
}

void add_values(const float* from, float* to, int64_t count) {
  if (count == BLOCK) {
    for (int64_t at = 0; at < BLOCK; at += LANES) store(load(to + at) + load(from + at), to + at);
  } else {
    for (int64_t at = 0; at < count; ++at) to[at] += from[at];
  }
}

// Turn neighbouring pairs of a head's values.
void rotate(float* head, const float* rotations, int64_t width) {
  for (int64_t at = 0; at < width; at += 2) {
    const float x = head[at], y = head[at + 1], cosine = rotations[at], sine = rotations[at + 1];
    head[at] = x * cosine - y * sine;
    head[at + 1] = x * sine + y * cosine;
  }
}

// silu(x) * up, in place of x; the count is one of whole vectors.
void gate(float* x, const float* up, int64_t count) {
  for (int64_t at = 0; at < count; at += LANES) {
    const Vector values = load(x + at);
    store(values / (1.0f + exponential(-values)) * load(up + at), x + at);
  }
}

// Memory of a call. Widths are rounded up, so that whole vectors may be read and written.
class Workspace {
 public:
  float* take(int64_t num_values) {
    const int64_t begin = used_;
    used_ += round_up(num_values, LANES) + LANES;
    return memory_ ? memory_.get() + begin : nullptr;
  }

  // Allocate what was taken so far; what is then taken in the same order is real.
  void allocate() {
    memory_.reset(new (std::align_val_t{64}) float[used_]);
    used_ = 0;
  }

 private:
  struct Free {
    void operator()(float* memory) const { operator delete[](memory, std::align_val_t{64}); }
  };
  std::unique_ptr<float[], Free> memory_;
  int64_t used_ = 0;
};

// A linear layer: a thread's share of the outputs of all rows, into `to` [rows][num_outputs].
template <typename Layout>
void multiply_into(
    const void* weights, const float* bias, int64_t num_outputs, const typename Layout::Operand& operand,
    const Worker& worker, float* to) {
  multiply<Layout>(
      static_cast<const typename Layout::Weight*>(weights), num_outputs, worker.share(num_blocks(num_outputs)), operand,
      [&](int64_t row, int64_t output, int64_t count, const float* products) {
        float* const at = to + row * num_outputs + output;
        copy_values(products, at, count);
        if (bias) add_values(bias + output, at, count);
      });
}

template <typename Layout>
class Stack {
 public:
  using Weight = typename Layout::Weight;
  using Inputs = typename Layout::Inputs;
  using Operand = typename Layout::Operand;

  Stack(const Sizes& sizes, const Block* blocks, const Rows& rows, float* x)
      : sizes_(sizes),
        blocks_(blocks),
        rows_(rows),
        x_(x),
        query_width_(sizes.num_heads * sizes.head_width),
        key_width_(sizes.num_key_heads * sizes.head_width),
        projected_width_(query_width_ + 2 * key_width_),
        score_stride_(round_up(1 + *std::max_element(rows.positions, rows.positions + rows.count), LANES)) {
    lay_out();
    workspace_.allocate();
    lay_out();
  }

  // Called by every thread.
  void run(const Worker& worker) {
    const typename Layout::Unit unit(rows_.count);
    for (int64_t index = 0; index < sizes_.num_blocks; ++index) run_block(index, worker);
  }

 private:
  // What a thread works in.
  struct Desk {
    float *normed_room, *operand_room;
    float *row, *scores, *attended, *gates;
  };

  void lay_out() {
    const int64_t count = rows_.count;
    projected_ = workspace_.take(count * projected_width_);
    attended_room_ = workspace_.take(Inputs::room(count, query_width_));
    inner_room_ = workspace_.take(Inputs::room(count, sizes_.inner_width));
    desks_.clear();
    for (int64_t thread = 0; thread < rows_.num_threads; ++thread) {
      Desk desk;
      desk.normed_room = workspace_.take(Inputs::room(count, sizes_.width));
      desk.operand_room = workspace_.take(std::max(
          {Layout::operand_room(count, sizes_.width), Layout::operand_room(count, query_width_),
           Layout::operand_room(count, sizes_.inner_width)}));
      desk.row = workspace_.take(sizes_.width);
      desk.scores = workspace_.take(sizes_.num_heads * score_stride_);
      desk.attended = workspace_.take(query_width_);
      desk.gates = workspace_.take(count * BLOCK);
      desks_.push_back(desk);
    }
  }

  void run_block(int64_t index, const Worker& worker) {
    const Block& block = blocks_[index];
    Inputs attended(attended_room_, rows_.count, query_width_);
    Inputs inner(inner_room_, rows_.count, sizes_.inner_width);

    float* const room = desks_[worker.index].operand_room;
    const Inputs rows = normed(block.attention_norm, worker);
    multiply_into<Layout>(
        block.qkv, block.qkv_bias, projected_width_, Layout::operand(rows, room), worker, projected_);
#pragma omp barrier
    if (rows_.kept_bytes == sizeof(float)) {
      attend_rows<float>(block, index, worker, attended);
    } else {
      attend_rows<BFloat16>(block, index, worker, attended);
    }
#pragma omp barrier
    add(block.out, block.out_bias, Layout::operand(attended, room), worker);
#pragma omp barrier
    const Inputs fed = normed(block.ffn_norm, worker);
    feed(block, Layout::operand(fed, room), worker, inner);
#pragma omp barrier
    add(block.down, nullptr, Layout::operand(inner, room), worker);
#pragma omp barrier
  }

  // All rows after a norm; each thread makes them for itself, which takes less time than to wait for others.
  Inputs normed(const float* weight, const Worker& worker) {
    const Desk& desk = desks_[worker.index];
    Inputs inputs(desk.normed_room, rows_.count, sizes_.width);
    for (int64_t row = 0; row < rows_.count; ++row) {
      norm(x_ + row * sizes_.width, weight, sizes_.norm_eps, desk.row, sizes_.width);
      inputs.put(row, 0, desk.row, sizes_.width);
    }
    return inputs;
  }

  template <typename Kept>
  void attend_rows(const Block& block, int64_t index, const Worker& worker, Inputs& attended) {
    keep_keys<Kept>(block, index, worker);
#pragma omp barrier
    attend_share<Kept>(index, worker, attended);
  }

  // Norm and turn queries and keys, and put keys and values where they are kept.
  template <typename Kept>
  void keep_keys(const Block& block, int64_t index, const Worker& worker) {
    const int64_t width = sizes_.head_width;
    const Span rows = worker.share(rows_.count);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      float* const heads = projected_ + row * projected_width_;
      const float* const rotations = rows_.rotations + row * width;
      for (int64_t head = 0; head < sizes_.num_heads + sizes_.num_key_heads; ++head) {
        const float* const weight = head < sizes_.num_heads ? block.query_norm : block.key_norm;
        float* const at = heads + head * width;
        if (weight) norm(at, weight, sizes_.norm_eps, at, width);
        rotate(at, rotations, width);
      }
      const int64_t place = place_of(index, row) + rows_.positions[row] * key_width_;
      Kept* const key = static_cast<Kept*>(rows_.keys) + place;
      Kept* const value = static_cast<Kept*>(rows_.values) + place;
      for (int64_t at = 0; at < key_width_; ++at) store(heads[query_width_ + at], key + at);
      for (int64_t at = 0; at < key_width_; ++at) store(heads[query_width_ + key_width_ + at], value + at);
    }
  }

  // Each thread takes a span of all key heads of all rows, row by row.
  template <typename Kept>
  void attend_share(int64_t index, const Worker& worker, Inputs& attended) {
    const Desk& desk = desks_[worker.index];
    const int64_t num_heads = sizes_.num_key_heads, each = sizes_.num_heads / num_heads;
    const Span span = worker.share(rows_.count * num_heads);
    for (int64_t row = span.begin / num_heads; row * num_heads < span.end; ++row) {
      const Heads heads{
          std::max<int64_t>(span.begin - row * num_heads, 0), std::min(span.end - row * num_heads, num_heads), each,
          sizes_.head_width};
      const int64_t place = place_of(index, row);
      attend(
          heads, static_cast<const Kept*>(rows_.keys) + place, static_cast<const Kept*>(rows_.values) + place,
          rows_.positions[row] + 1, key_width_, projected_ + row * projected_width_, desk.scores, score_stride_,
          desk.attended);
      const int64_t head_values = each * sizes_.head_width;
      attended.put(row, heads.begin * head_values, desk.attended, (heads.end - heads.begin) * head_values);
    }
  }

  // The gated inner values of the feed-forward.
  void feed(const Block& block, const Operand& operand, const Worker& worker, Inputs& inner) {
    float* const gates = desks_[worker.index].gates;
    const Span pairs = worker.share(num_blocks(sizes_.inner_width));
    multiply<Layout>(
        static_cast<const Weight*>(block.gate_and_up), 2 * BLOCK * pairs.end, {2 * pairs.begin, 2 * pairs.end}, operand,
        [&](int64_t row, int64_t output, int64_t, const float* products) {
          float* const gated = gates + row * BLOCK;
          const int64_t column = output / (2 * BLOCK) * BLOCK;
          if (output % (2 * BLOCK) == 0) {
            copy_values(products, gated, BLOCK);
          } else {
            gate(gated, products, BLOCK);
            inner.put(row, column, gated, std::min(BLOCK, sizes_.inner_width - column));
          }
        });
  }

  // Add a linear layer's outputs to the rows.
  void add(const void* weights, const float* bias, const Operand& operand, const Worker& worker) {
    multiply<Layout>(
        static_cast<const Weight*>(weights), sizes_.width, worker.share(num_blocks(sizes_.width)), operand,
        [&](int64_t row, int64_t output, int64_t count, const float* products) {
          float* const to = x_ + row * sizes_.width + output;
          add_values(products, to, count);
          if (bias) add_values(bias + output, to, count);
        });
  }

  int64_t place_of(int64_t index, int64_t row) const {
    return index * rows_.block_stride + rows_.slots[row] * rows_.slot_stride;
  }

  const Sizes& sizes_;
  const Block* blocks_;
  const Rows& rows_;
  float* x_;
  const int64_t query_width_, key_width_, projected_width_, score_stride_;
  Workspace workspace_;
  float *projected_ = nullptr, *attended_room_ = nullptr, *inner_room_ = nullptr;
  std::vector<Desk> desks_;
};

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
}
