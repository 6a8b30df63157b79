// Weights as bytes, multiplied by tiles: CPUs with AMX, which takes 16 rows by 64 inputs by 16 outputs at once.
#pragma once

#include "bytes.h"

#if defined(__AMX_INT8__) && defined(__AMX_TILE__) && defined(__AVX512VNNI__)
#define HAS_BYTE_TILES 1

#include <immintrin.h>

#include "quads.h"
#include "tile_unit.h"

struct ByteTiles : Bytes {
  static_assert(BLOCK == 32);

  // Gives the unit's tiles their sizes for as long as it lives, in the thread that makes it.
  struct Unit : TileUnit {
    explicit Unit(int64_t num_rows) : TileUnit(shape(static_cast<uint8_t>(std::min(num_rows, GROUP_ROWS)))) {}

   private:
    static TileHeights shape(uint8_t rows) { return {rows, rows, rows, rows, rows, rows, GROUP_ROWS, GROUP_ROWS}; }
  };

  // Products of one block and at most ROWS rows; those of rows that are not there mean nothing.
  static void multiply_block(
      const int8_t* block, const ByteRows& rows, int64_t first_row, int64_t num_rows, float* products) {
    // a row alone is not worth its tiles; whole numbers are the same either way
    if (num_rows == 1) return Quads::multiply_block(block, rows, first_row, num_rows, products);
    constexpr int64_t STRIDE = QUAD * BLOCK;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t step = 0; step < rows.num_steps(); ++step, block += STEP_INPUTS * BLOCK) {
      const uint8_t* const upper = rows.upper(first_row, step);
      fetch_ahead(block, STEP_INPUTS * BLOCK);
      _tile_loadd(4, upper, STEP_INPUTS);
      _tile_loadd(6, block, STRIDE);
      _tile_dpbusd(0, 4, 6);
      _tile_loadd(7, block + STRIDE / 2, STRIDE);
      _tile_dpbusd(1, 4, 7);
      _tile_loadd(5, upper + ByteRows::GROUP_BYTES, STEP_INPUTS);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    }
    constexpr int64_t PRODUCT_STRIDE = BLOCK * sizeof(int32_t);
    _tile_stored(0, products, PRODUCT_STRIDE);
    _tile_stored(1, products + 16, PRODUCT_STRIDE);
    _tile_stored(2, products + ROWS * BLOCK, PRODUCT_STRIDE);
    _tile_stored(3, products + ROWS * BLOCK + 16, PRODUCT_STRIDE);
  }
};

#else
#define HAS_BYTE_TILES 0
#endif
