// Weights as panels `[blocks][inputs][BLOCK]`, float32, bfloat16 or bytes, multiplied in float32: any CPU. Behind the
// bytes of a block lie its outputs' scales, float32.
#pragma once

#include "linear.h"

template <typename WeightType>
struct Panels : MultipliesRows<FloatRows> {
  using Weight = WeightType;
  static constexpr bool HAS_SCALES = sizeof(Weight) == 1;

#ifdef __AVX512F__
  static constexpr int64_t ROWS = 8;  // as many as sums fit into the registers
#else
  static constexpr int64_t ROWS = 4;
#endif
  static constexpr int64_t PRODUCTS = ROWS * BLOCK;

  static int64_t block_values(int64_t width) {
    return width * BLOCK + (HAS_SCALES ? BLOCK * static_cast<int64_t>(sizeof(float)) : 0);
  }

  // What a thread needs to have set up while it multiplies.
  struct Unit {
    explicit Unit(int64_t) {}
  };

  // Products of one block and at most ROWS rows `[rows][BLOCK]`, not scaled yet.
  static void multiply_block(
      const Weight* block, const FloatRows& inputs, int64_t first_row, int64_t num_rows, float* products) {
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

  // Scale what `multiply_block` gave.
  static void finish(const Weight* block, const FloatRows& inputs, int64_t, int64_t num_rows, float* products) {
    if constexpr (HAS_SCALES) {
      const Weight* const scales = block + inputs.width() * BLOCK;
      for (int64_t at = 0; at < num_rows * BLOCK; at += LANES) {
        store(load(products + at) * load_floats(scales + at % BLOCK * sizeof(float)), products + at);
      }
    }
  }

 private:
  template <int COUNT>
  static void multiply_rows(const Weight* block, const FloatRows& inputs, int64_t first_row, float* products) {
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
