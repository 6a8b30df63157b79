// Weights as bytes, four inputs at a time multiplied and added as whole numbers: CPUs with VNNI.
#pragma once

#include "bytes.h"

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define HAS_QUADS 1

#include <immintrin.h>

struct Quads : Bytes {
  // What a thread needs to have set up while it multiplies.
  struct Unit {
    explicit Unit(int64_t) {}
  };

  // Products of one block and at most ROWS rows.
  static void multiply_block(
      const int8_t* block, const ByteRows& rows, int64_t first_row, int64_t num_rows, float* products) {
    auto* const to = reinterpret_cast<int32_t*>(products);
    int64_t row = 0;
    for (; row + 4 <= num_rows; row += 4) multiply_rows<4>(block, rows, first_row + row, to + row * BLOCK);
    switch (num_rows - row) {
      case 1: return multiply_rows<1>(block, rows, first_row + row, to + row * BLOCK);
      case 2: return multiply_rows<2>(block, rows, first_row + row, to + row * BLOCK);
      case 3: return multiply_rows<3>(block, rows, first_row + row, to + row * BLOCK);
    }
  }

 private:
#ifdef __AVX512VNNI__
  using Sums = __m512i;
  static Sums load_bytes(const int8_t* from) { return _mm512_loadu_si512(from); }
  static Sums spread(int32_t quad) { return _mm512_set1_epi32(quad); }
  static Sums add(Sums sums, Sums rows, Sums weights) { return _mm512_dpbusd_epi32(sums, rows, weights); }
  static void store_numbers(int32_t* to, Sums sums) { _mm512_storeu_si512(to, sums); }
#else
  using Sums = __m256i;
  static Sums load_bytes(const int8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const Sums*>(from)); }
  static Sums spread(int32_t quad) { return _mm256_set1_epi32(quad); }
  static Sums add(Sums sums, Sums rows, Sums weights) { return _mm256_dpbusd_avx_epi32(sums, rows, weights); }
  static void store_numbers(int32_t* to, Sums sums) { _mm256_storeu_si256(reinterpret_cast<Sums*>(to), sums); }
#endif
  static constexpr int64_t OUTPUTS = sizeof(Sums) / QUAD;
  static constexpr int64_t VECTORS = BLOCK / OUTPUTS;

  template <int COUNT>
  static void multiply_rows(const int8_t* block, const ByteRows& rows, int64_t first_row, int32_t* products) {
    Sums upper[COUNT][VECTORS] = {}, lower[COUNT][VECTORS] = {};
    for (int64_t step = 0; step < rows.num_steps(); ++step) {
      const uint8_t* of_step[COUNT];
      for (int row = 0; row < COUNT; ++row) of_step[row] = rows.upper(first_row + row, step);
      for (int64_t input = 0; input < STEP_INPUTS; input += QUAD, block += QUAD * BLOCK) {
        fetch_ahead(block, QUAD * BLOCK);
        Sums weights[VECTORS];
        for (int64_t v = 0; v < VECTORS; ++v) weights[v] = load_bytes(block + v * sizeof(Sums));
        for (int row = 0; row < COUNT; ++row) {
          const Sums high = spread(quad_at(of_step[row] + input));
          const Sums low = spread(quad_at(of_step[row] + input + ByteRows::GROUP_BYTES));
          for (int64_t v = 0; v < VECTORS; ++v) {
            upper[row][v] = add(upper[row][v], high, weights[v]);
            lower[row][v] = add(lower[row][v], low, weights[v]);
          }
        }
      }
    }
    for (int row = 0; row < COUNT; ++row) {
      for (int64_t v = 0; v < VECTORS; ++v) {
        store_numbers(products + row * BLOCK + v * OUTPUTS, upper[row][v]);
        store_numbers(products + (ROWS + row) * BLOCK + v * OUTPUTS, lower[row][v]);
      }
    }
  }

  static int32_t quad_at(const uint8_t* from) {
    int32_t quad;
    std::memcpy(&quad, from, sizeof quad);
    return quad;
  }
};

#else
#define HAS_QUADS 0
#endif
