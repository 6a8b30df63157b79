// Weights as tiles `[blocks][inputs / 32][2][16][16][2]` (pairs of inputs of 16 outputs), bfloat16, inputs filled up with
// zeros: CPUs with AMX, which multiplies 16 rows by 16 outputs at once and adds in float32.
#pragma once

#if defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__AVX512BF16__)
#define HAS_TILES 1

#include <immintrin.h>

#include "linear.h"
#include "tile_unit.h"

// Rows that are multiplied, rounded to bfloat16, as tiles `[rows / 16][inputs / 32][16][32]`.
class TileRows {
 public:
  static constexpr int64_t TILE_ROWS = 16;
  static constexpr int64_t TILE_INPUTS = 32;
  static constexpr int64_t TILE_VALUES = TILE_ROWS * TILE_INPUTS;

  // Floats of room for so many rows.
  static int64_t room(int64_t num_rows, int64_t width) {
    return round_up(num_rows, TILE_ROWS) * round_up(width, TILE_INPUTS) / 2;
  }

  TileRows(float* room, int64_t num_rows, int64_t width)
      : tiles_(reinterpret_cast<BFloat16*>(room)), num_rows_(num_rows), width_(width) {}

  int64_t num_rows() const { return num_rows_; }
  int64_t num_steps() const { return round_up(width_, TILE_INPUTS) / TILE_INPUTS; }
  int64_t width() const { return width_; }
  const BFloat16* tiles(int64_t row) const { return tiles_ + row / TILE_ROWS * num_steps() * TILE_VALUES; }

  // Take over `count` values of a row, from a column on; what the last one leaves of its tile becomes zeros. Threads
  // may put different columns at the same time.
  void put(int64_t row, int64_t column, const float* values, int64_t count) {
    BFloat16* const of_row = tiles_ + row / TILE_ROWS * num_steps() * TILE_VALUES + row % TILE_ROWS * TILE_INPUTS;
    while (count > 0) {
      const int64_t begin = column % TILE_INPUTS, taken = std::min(TILE_INPUTS - begin, count);
      const bool is_last = column + taken == width_;
      const __m512bh both = _mm512_cvtne2ps_pbh(
          _mm512_maskz_loadu_ps(first_lanes(taken - LANES), values + LANES),
          _mm512_maskz_loadu_ps(first_lanes(taken), values));
      const int64_t written = is_last ? TILE_INPUTS - begin : taken;
      std::memcpy(of_row + column / TILE_INPUTS * TILE_VALUES + begin, &both, written * sizeof(BFloat16));
      column += taken;
      values += taken;
      count -= taken;
    }
  }

 private:
  static __mmask16 first_lanes(int64_t count) {
    return static_cast<__mmask16>((1u << std::clamp<int64_t>(count, 0, LANES)) - 1);
  }

  BFloat16* tiles_;
  int64_t num_rows_, width_;
};

struct Tiles : MultipliesRows<TileRows> {
  using Weight = BFloat16;

  static constexpr int64_t TILE_ROWS = TileRows::TILE_ROWS;
  static constexpr int64_t TILE_VALUES = TileRows::TILE_VALUES;
  static constexpr int64_t ROWS = 2 * TILE_ROWS;
  static constexpr int64_t PRODUCTS = ROWS * BLOCK;
  static_assert(BLOCK == 32);

  static int64_t block_values(int64_t width) { return round_up(width, TileRows::TILE_INPUTS) * BLOCK; }

  // Gives the unit's tiles their sizes for as long as it lives, in the thread that makes it: no more rows of inputs and
  // products than there are.
  struct Unit : TileUnit {
    explicit Unit(int64_t num_rows) : TileUnit(shape(num_rows)) {}

   private:
    static TileHeights shape(int64_t num_rows) {
      const auto first = static_cast<uint8_t>(std::min(num_rows, TILE_ROWS));
      const auto more = static_cast<uint8_t>(num_rows > TILE_ROWS ? std::min(num_rows - TILE_ROWS, TILE_ROWS) : 1);
      return {first, first, more, more, first, more, TILE_ROWS, TILE_ROWS};
    }
  };

  // Products of one block and at most ROWS rows `[rows][BLOCK]`; those of rows that are not there mean nothing.
  static void multiply_block(
      const BFloat16* block, const TileRows& inputs, int64_t first_row, int64_t num_rows, float* products) {
    if (num_rows > TILE_ROWS) {
      multiply_rows<true>(block, inputs, first_row, products);
    } else {
      multiply_rows<false>(block, inputs, first_row, products);
    }
  }

  static void finish(const BFloat16*, const TileRows&, int64_t, int64_t, float*) {}

 private:
  template <bool HAS_MORE>
  static void multiply_rows(const BFloat16* block, const TileRows& inputs, int64_t first_row, float* products) {
    const BFloat16* rows = inputs.tiles(first_row);
    const BFloat16* more_rows = inputs.tiles(first_row + TILE_ROWS);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t step = 0; step < inputs.num_steps(); ++step, block += 2 * TILE_VALUES) {
      fetch_ahead(block, 2 * TILE_VALUES * sizeof(BFloat16));
      _tile_loadd(4, rows + step * TILE_VALUES, 64);
      _tile_loadd(6, block, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, block + TILE_VALUES, 64);
      _tile_dpbf16ps(1, 4, 7);
      if (HAS_MORE) {
        _tile_loadd(5, more_rows + step * TILE_VALUES, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
    constexpr int64_t STRIDE = BLOCK * sizeof(float);
    _tile_stored(0, products, STRIDE);
    _tile_stored(1, products + 16, STRIDE);
    if (HAS_MORE) {
      _tile_stored(2, products + TILE_ROWS * BLOCK, STRIDE);
      _tile_stored(3, products + TILE_ROWS * BLOCK + 16, STRIDE);
    }
  }
};

#else
#define HAS_TILES 0
#endif
