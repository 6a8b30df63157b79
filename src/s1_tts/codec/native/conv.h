// What Python fills in for a convolution, and the rows that it multiplies.
//
// AMX multiplies bfloat16. A number of float32 is nearly the sum of two of bfloat16: itself rounded, and the rest
// rounded. Where both parts of inputs and weights are multiplied, three products of four matter, and they are right to
// about 2^-16; where only the first ones are, to 2^-8.
#pragma once

#include <algorithm>

#include "snake.h"
#include "tile_unit.h"

#if defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__AVX512BF16__)
#define HAS_TILES 1

constexpr int64_t TILE_ROWS = 16;
constexpr int64_t TILE_INPUTS = 32;  // a tile has 64 bytes a row
constexpr int64_t TILE_VALUES = TILE_ROWS * TILE_INPUTS;
constexpr int64_t BLOCK = 2 * TILE_ROWS;  // rows, and outputs, that are multiplied at once
constexpr int64_t SAME_PLACE_BYTES = 4096;  // rows so far apart displace each other in the cache

// The same fields in tile_layers.py.
struct Conv {
  const BFloat16* weights;  // [outputs / 32][taps][channels / 32][parts][2][16 pairs][16 outputs][2]
  const float *bias, *alpha, *inverse;  // [outputs], [channels]; alpha is null where no activation goes before
  int64_t parts, channels, outputs, taps, dilation, stride, context;
};

// The next inputs of some streams.
struct Piece {
  const float* x;         // [batch][length][channels]
  float* tails;           // [batch][context][channels], a stride apart: the inputs before, activated; moved on
  const float* residual;  // [batch][length / stride][outputs], added; or null
  float* y;               // [batch][length / stride][outputs]
  int64_t batch, length, tail_stride, num_threads;
};

// Inputs of a piece behind those before it, activated and split: for each stream and part its rows of channels. Channels
// are filled up with zeros. A block of products may read rows past the last one; what it makes of them is not used.
class TileRows {
 public:
  // Numbers of room that the rows of a piece take.
  static int64_t room(const Conv& conv, const Piece& piece) {
    return piece.batch * conv.parts * rows_of_part(conv, piece) * row_width(conv);
  }

  TileRows(const Conv& conv, const Piece& piece, BFloat16* room)
      : width(row_width(conv)), part_(rows_of_part(conv, piece) * width), parts_(conv.parts), room_(room) {}

  const BFloat16* row(int64_t stream, int64_t row) const { return room_ + stream * parts_ * part_ + row * width; }
  int64_t part() const { return part_; }  // from a number's first part to its second one

  void put(int64_t stream, int64_t row, int64_t column, Vector values) {
    BFloat16* const to = room_ + stream * parts_ * part_ + row * width + column;
    const auto wide = reinterpret_cast<__m512>(values);
    const __m256bh first = _mm512_cvtneps_pbh(wide);
    std::memcpy(to, &first, sizeof first);
    if (parts_ == 1) return;
    const __m256bh rest = _mm512_cvtneps_pbh(wide - reinterpret_cast<__m512>(load(to)));
    std::memcpy(to + part_, &rest, sizeof rest);
  }

  const int64_t width;

 private:
  static int64_t rows_of_part(const Conv& conv, const Piece& piece) {
    return conv.context + piece.length + BLOCK * conv.stride;
  }

  static int64_t row_width(const Conv& conv) {
    const int64_t width = round_up(conv.channels, TILE_INPUTS);
    const bool is_same_place = conv.stride * width * int64_t{sizeof(BFloat16)} % SAME_PLACE_BYTES == 0;
    return width + (is_same_place ? TILE_INPUTS : 0);
  }

  const int64_t part_, parts_;
  BFloat16* const room_;
};

#else
#define HAS_TILES 0
#endif
