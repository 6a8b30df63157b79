// The blocks of a transformer over a few rows: what Python fills in, and what threads do with it.
#pragma once

#include <vector>

#include "rows_math.h"

// --- what Python fills in; the same fields in native_layers.py ---

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
