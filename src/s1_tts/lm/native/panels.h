// Weights as panels `[blocks][inputs][BLOCK]`, float32 or bfloat16, multiplied in float32: any CPU.
#pragma once

#include "linear.h"

template <typename WeightType>
struct Panels {
  using Weight = WeightType;

#ifdef __AVX512F__
  static constexpr int64_t ROWS = 8;  // as many as sums fit into the registers
#else
  static constexpr int64_t ROWS = 4;
#endif

  // Rows that are multiplied.
  class Inputs {
   public:
    // Floats of room for so many rows.
    static int64_t room(int64_t num_rows, int64_t width) { return num_rows * width; }

    Inputs(float* room, int64_t num_rows, int64_t width) : values_(room), num_rows_(num_rows), width_(width) {}

    int64_t num_rows() const { return num_rows_; }
    int64_t width() const { return width_; }
    int64_t block_values() const { return width_ * BLOCK; }
    const float* row(int64_t row) const { return values_ + row * width_; }

    // Take over `count` values of a row, from a column on. Threads may put different columns at the same time.
    void put(int64_t row, int64_t column, const float* values, int64_t count) {
      std::copy(values, values + count, values_ + row * width_ + column);
    }

   private:
    float* values_;
    int64_t num_rows_, width_;
  };

  // What a thread needs to have set up while it multiplies.
  struct Unit {
    explicit Unit(int64_t) {}
  };

  static bool is_usable() { return true; }

  // Products of one block and at most ROWS rows `[rows][BLOCK]`.
  static void multiply_block(
      const Weight* block, const Inputs& inputs, int64_t first_row, int64_t num_rows, float* products) {
    switch (num_rows) {
      case 1: return multiply_rows<1>(block, inputs, first_row, products);
      case 2: return multiply_rows<2>(block, inputs, first_row, products);
      case 3: return multiply_rows<3>(block, inputs, first_row, products);
      case 4: return multiply_rows<4>(block, inputs, first_row, products);
      case 5: return multiply_rows<5>(block, inputs, first_row, products);
      case 6: return multiply_rows<6>(block, inputs, first_row, products);
      case 7: return multiply_rows<7>(block, inputs, first_row, products);
      default: return multiply_rows<8>(block, inputs, first_row, products);
    }
  }

 private:
  template <int COUNT>
  static void multiply_rows(const Weight* block, const Inputs& inputs, int64_t first_row, float* products) {
    constexpr int64_t VECTORS = BLOCK / LANES;
    const float* rows[COUNT];
    for (int row = 0; row < COUNT; ++row) rows[row] = inputs.row(first_row + row);
    Vector sums[COUNT][VECTORS] = {};
    for (int64_t input = 0; input < inputs.width(); ++input, block += BLOCK) {
      fetch_ahead(block, BLOCK * sizeof(Weight));
      Vector weights[VECTORS];
      for (int64_t v = 0; v < VECTORS; ++v) weights[v] = load(block + v * LANES);
      for (int row = 0; row < COUNT; ++row) {
        for (int64_t v = 0; v < VECTORS; ++v) sums[row][v] += weights[v] * rows[row][input];
      }
    }
    for (int row = 0; row < COUNT; ++row) {
      for (int64_t v = 0; v < VECTORS; ++v) store(sums[row][v], products + row * BLOCK + v * LANES);
    }
  }
};
