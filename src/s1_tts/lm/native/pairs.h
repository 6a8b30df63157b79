// Weights as pairs of inputs `[blocks][inputs / 2][BLOCK][2]`, bfloat16, inputs filled up with zeros: CPUs that multiply
// pairs of bfloat16 and add in float32 (AVX512-BF16).
#pragma once

#if defined(__AVX512BF16__)
#define HAS_PAIRS 1

#include <immintrin.h>

#include "linear.h"

// Rows that are multiplied, rounded to bfloat16.
class PairRows {
 public:
  // Floats of room for so many rows.
  static int64_t room(int64_t num_rows, int64_t width) { return num_rows * (round_up(width, 2) / 2); }

  PairRows(float* room, int64_t num_rows, int64_t width)
      : values_(reinterpret_cast<BFloat16*>(room)), num_rows_(num_rows), width_(width) {}

  int64_t num_rows() const { return num_rows_; }
  int64_t num_pairs() const { return round_up(width_, 2) / 2; }
  int64_t width() const { return width_; }
  const BFloat16* row(int64_t row) const { return values_ + row * 2 * num_pairs(); }

  // Take over `count` values of a row, from a column on; what the last one leaves of its pair becomes zero. Threads may
  // put different columns at the same time.
  void put(int64_t row, int64_t column, const float* values, int64_t count) {
    BFloat16* const to = values_ + row * 2 * num_pairs() + column;
    for (int64_t at = 0; at < count; at += LANES) {
      const auto lanes = static_cast<__mmask16>((1u << std::min(count - at, LANES)) - 1);
      const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, values + at));
      _mm256_mask_storeu_epi16(to + at, lanes, reinterpret_cast<__m256i>(rounded));
    }
    if (column + count == width_ && width_ % 2) to[count] = 0;
  }

 private:
  BFloat16* values_;
  int64_t num_rows_, width_;
};

struct Pairs : MultipliesRows<PairRows> {
  using Weight = BFloat16;

  static constexpr int64_t ROWS = 8;  // as many as sums fit into the registers
  static constexpr int64_t PRODUCTS = ROWS * BLOCK;

  // What a thread needs to have set up while it multiplies.
  struct Unit {
    explicit Unit(int64_t) {}
  };

  static int64_t block_values(int64_t width) { return round_up(width, 2) * BLOCK; }

  // Products of one block and at most ROWS rows `[rows][BLOCK]`.
  static void multiply_block(
      const BFloat16* block, const PairRows& rows, int64_t first_row, int64_t num_rows, float* products) {
    switch (num_rows) {
      case 1: return multiply_rows<1>(block, rows, first_row, products);
      case 2: return multiply_rows<2>(block, rows, first_row, products);
      case 3: return multiply_rows<3>(block, rows, first_row, products);
      case 4: return multiply_rows<4>(block, rows, first_row, products);
      case 5: return multiply_rows<5>(block, rows, first_row, products);
      case 6: return multiply_rows<6>(block, rows, first_row, products);
      case 7: return multiply_rows<7>(block, rows, first_row, products);
      default: return multiply_rows<8>(block, rows, first_row, products);
    }
  }

  static void finish(const BFloat16*, const PairRows&, int64_t, int64_t, float*) {}

 private:
  template <int COUNT>
  static void multiply_rows(const BFloat16* block, const PairRows& inputs, int64_t first_row, float* products) {
    constexpr int64_t VECTORS = BLOCK / LANES;
    const BFloat16* rows[COUNT];
    for (int row = 0; row < COUNT; ++row) rows[row] = inputs.row(first_row + row);
    __m512 sums[COUNT][VECTORS] = {};
    for (int64_t pair = 0; pair < inputs.num_pairs(); ++pair, block += 2 * BLOCK) {
      fetch_ahead(block, 2 * BLOCK * sizeof(BFloat16));
      __m512bh weights[VECTORS];
      for (int64_t v = 0; v < VECTORS; ++v) {
        weights[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(block + 2 * v * LANES));
      }
      for (int row = 0; row < COUNT; ++row) {
        int32_t both;
        std::memcpy(&both, rows[row] + 2 * pair, sizeof both);
        const auto values = reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
        for (int64_t v = 0; v < VECTORS; ++v) sums[row][v] = _mm512_dpbf16_ps(sums[row][v], values, weights[v]);
      }
    }
    for (int row = 0; row < COUNT; ++row) {
      for (int64_t v = 0; v < VECTORS; ++v) _mm512_storeu_ps(products + row * BLOCK + v * LANES, sums[row][v]);
    }
  }
};

#else
#define HAS_PAIRS 0
#endif
