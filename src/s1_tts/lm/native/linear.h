// Linear layers over weights that are laid out in the order in which they are read.
//
// A decode step multiplies a few rows by all the weights, so its time is that of reading them from memory: each thread
// reads one span of them from its beginning to its end, and asks for them ahead. A row is summed in the same order
// whatever the number of rows.
//
// Weights lie in blocks of BLOCK outputs, the last one filled up with zeros. How a block is laid out is the business of
// a layout: panels.h for any CPU, pairs.h and tiles.h for those that multiply bfloat16, quads.h for those that multiply
// bytes.
#pragma once

#include <algorithm>

#include "vectors.h"

#ifdef __AVX512F__
constexpr int64_t BLOCK = 32;
#else
constexpr int64_t BLOCK = 16;
#endif
constexpr int64_t AHEAD_BYTES = 1024;  // farther is slower on Sapphire Rapids

struct Span {
  int64_t begin, end;
};

// One of the threads that work together.
struct Worker {
  int64_t index, count;

  // The part of the work that is this thread's.
  Span share(int64_t total) const { return {total * index / count, total * (index + 1) / count}; }
};

inline int64_t num_blocks(int64_t num_outputs) { return round_up(num_outputs, BLOCK) / BLOCK; }

inline void fetch_ahead(const void* from, int64_t num_bytes) {
  for (int64_t at = 0; at < num_bytes; at += 64) {
    __builtin_prefetch(static_cast<const char*>(from) + AHEAD_BYTES + at);
  }
}

// Rows of floats.
class FloatRows {
 public:
  // Floats of room for so many rows.
  static int64_t room(int64_t num_rows, int64_t width) { return num_rows * width; }

  FloatRows(float* room, int64_t num_rows, int64_t width) : values_(room), num_rows_(num_rows), width_(width) {}

  int64_t num_rows() const { return num_rows_; }
  int64_t width() const { return width_; }
  const float* row(int64_t row) const { return values_ + row * width_; }

  // Take over `count` values of a row, from a column on. Threads may put different columns at the same time.
  void put(int64_t row, int64_t column, const float* values, int64_t count) {
    std::copy(values, values + count, values_ + row * width_ + column);
  }

 private:
  float* values_;
  int64_t num_rows_, width_;
};

// A layout that multiplies rows as they were put.
template <typename Rows>
struct MultipliesRows {
  using Inputs = Rows;   // where rows are put
  using Operand = Rows;  // what is multiplied

  static int64_t operand_room(int64_t, int64_t) { return 0; }
  static const Operand& operand(const Inputs& inputs, float*) { return inputs; }
};

// Multiply rows by blocks of outputs and hand out what comes of it.
//
// `take(row, output, count, products)` gets `count` products of a row, from an output on. It is called one block late:
// what a unit has just written cannot be read without waiting for it, and no weights would be asked for meanwhile.
template <typename Layout, typename Take>
inline void multiply(
    const typename Layout::Weight* weights, int64_t num_outputs, Span blocks, const typename Layout::Operand& operand,
    Take take) {
  struct Products {
    alignas(64) float values[Layout::PRODUCTS];
    const typename Layout::Weight* weights;
    int64_t first_row, num_rows, output;
  };
  Products products[2];
  const auto hand_out = [&](Products& done) {
    Layout::finish(done.weights, operand, done.first_row, done.num_rows, done.values);
    const int64_t count = std::min(BLOCK, num_outputs - done.output);
    for (int64_t row = 0; row < done.num_rows; ++row) {
      take(done.first_row + row, done.output, count, done.values + row * BLOCK);
    }
  };
  Products* before = nullptr;
  for (int64_t block = blocks.begin; block < blocks.end; ++block) {
    for (int64_t first = 0; first < operand.num_rows(); first += Layout::ROWS) {
      Products* const now = before == &products[0] ? &products[1] : &products[0];
      now->weights = weights + block * Layout::block_values(operand.width());
      now->first_row = first;
      now->num_rows = std::min(Layout::ROWS, operand.num_rows() - first);
      now->output = block * BLOCK;
      Layout::multiply_block(now->weights, operand, first, now->num_rows, now->values);
      if (before) hand_out(*before);
      before = now;
    }
  }
  if (before) hand_out(*before);
}
