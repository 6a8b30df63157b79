// Weights as bytes and rows as whole numbers of 16 bits, which are multiplied as two bytes each: all sums are exact.
//
// A block is `[inputs / 4][BLOCK][4]` (four inputs of an output lie together), inputs filled up with zeros to 64; behind it
// lie its outputs' scales, float32, and the sums of their weights, int32. What multiplies them: quads.h, byte_tiles.h.
#pragma once

#include "linear.h"

constexpr int64_t QUAD = 4;           // inputs that are multiplied at once
constexpr int64_t STEP_INPUTS = 64;   // inputs that a unit of tiles takes at once
constexpr int64_t GROUP_ROWS = 16;    // rows that it takes
constexpr float MOST = 32767.0f;      // the number that the largest value of a row becomes
constexpr int32_t HIGH_ZERO = 128;    // what the upper byte of a 0 is: bytes of rows have no sign, those of weights do

// Rows that are multiplied: a row's values are its numbers, less 32 768, times its scale.
//
// Upper and lower bytes of the numbers lie apart, `[rows / 16][inputs / 64][upper, lower][16][64]`.
class ByteRows {
 public:
  // Floats of room for so many rows.
  static int64_t room(int64_t num_rows, int64_t width) {
    const int64_t num_bytes = round_up(num_rows, GROUP_ROWS) * round_up(width, STEP_INPUTS) * 2;
    return num_bytes / static_cast<int64_t>(sizeof(float)) + num_rows;
  }

  ByteRows(const FloatRows& rows, float* room)
      : scales_(room + ByteRows::room(rows.num_rows(), rows.width()) - rows.num_rows()),
        bytes_(reinterpret_cast<uint8_t*>(room)),
        num_rows_(rows.num_rows()),
        width_(rows.width()) {
    for (int64_t row = 0; row < num_rows_; ++row) take(row, rows.row(row));
  }

  int64_t num_rows() const { return num_rows_; }
  int64_t num_steps() const { return round_up(width_, STEP_INPUTS) / STEP_INPUTS; }
  int64_t width() const { return width_; }
  float scale(int64_t row) const { return scales_[row]; }

  // Upper bytes of a step of a row; the lower ones lie a group of rows behind.
  const uint8_t* upper(int64_t row, int64_t step) const { return bytes_ + place(row, step); }
  static constexpr int64_t GROUP_BYTES = GROUP_ROWS * STEP_INPUTS;

 private:
  int64_t place(int64_t row, int64_t step) const {
    const int64_t group = (row / GROUP_ROWS * num_steps() + step) * 2 * GROUP_BYTES;
    return group + row % GROUP_ROWS * STEP_INPUTS;
  }

  void take(int64_t row, const float* values) {
    // what is not finite makes the sum NaN, and with it every product of the row
    float top = 0.0f, fault = 0.0f;
    Vector tops{}, faults{};
    int64_t at = 0;
    for (; at + LANES <= width_; at += LANES) {
      const Vector some = load(values + at);
      const Vector sizes = some < 0.0f ? -some : some;
      tops = sizes > tops ? sizes : tops;
      faults += some * 0.0f;
    }
    for (int64_t lane = 0; lane < LANES; ++lane) top = std::max(top, tops[lane]);
    fault = sum(faults);
    for (; at < width_; ++at) {
      top = std::max(top, values[at] < 0.0f ? -values[at] : values[at]);
      fault += values[at] * 0.0f;
    }
    scales_[row] = top / MOST + fault;
    const float inverse = top > 0.0f ? MOST / top : 0.0f;
    for (int64_t step = 0; step < num_steps(); ++step) {
      for (int64_t lane = 0; lane < STEP_INPUTS; lane += LANES) {
        put(values, step * STEP_INPUTS + lane, inverse, bytes_ + place(row, step) + lane);
      }
    }
  }

  // Sixteen numbers of a row, from a column on; zeros behind its end.
  void put(const float* values, int64_t column, float inverse, uint8_t* to) const {
    alignas(64) float some[LANES] = {};
    const int64_t count = std::clamp<int64_t>(width_ - column, 0, LANES);
    std::memcpy(some, values + column, count * sizeof(float));
    const Vector shifted = load(some) * inverse + 12582912.0f;  // 1.5 * 2^23: rounds to a whole number
    const IntVector numbers = reinterpret_cast<IntVector>(shifted) ^ 0x8000;  // of 16 bits, 32 768 for a zero
    using Bytes = uint8_t __attribute__((vector_size(16)));
    const Bytes upper = __builtin_convertvector((numbers >> 8) & 0xff, Bytes);
    const Bytes lower = __builtin_convertvector(numbers & 0xff, Bytes);
    std::memcpy(to, &upper, sizeof upper);
    std::memcpy(to + GROUP_BYTES, &lower, sizeof lower);
  }

  float* scales_;
  uint8_t* bytes_;
  int64_t num_rows_, width_;
};

// What layouts of bytes have in common.
struct Bytes {
  using Weight = int8_t;
  using Inputs = FloatRows;
  using Operand = ByteRows;

  static constexpr int64_t ROWS = GROUP_ROWS;
  static constexpr int64_t PRODUCTS = 2 * ROWS * BLOCK;  // of upper bytes, then of lower ones; whole numbers

  static int64_t operand_room(int64_t num_rows, int64_t width) { return ByteRows::room(num_rows, width); }
  static Operand operand(const Inputs& inputs, float* room) { return {inputs, room}; }

  static int64_t block_values(int64_t width) {
    return (round_up(width, STEP_INPUTS) + static_cast<int64_t>(sizeof(float) + sizeof(int32_t))) * BLOCK;
  }

  // Put the products of the bytes together and scale them.
  static void finish(const Weight* block, const ByteRows& rows, int64_t first_row, int64_t num_rows, float* products) {
    const Weight* const scales = block + round_up(rows.width(), STEP_INPUTS) * BLOCK;
    const Weight* const sums = scales + BLOCK * sizeof(float);
    for (int64_t row = 0; row < num_rows; ++row) {
      for (int64_t at = 0; at < BLOCK; at += LANES) {
        float* const upper = products + row * BLOCK + at;
        const IntVector excess = load_numbers(sums + at * sizeof(int32_t)) * HIGH_ZERO;
        const Vector found = __builtin_convertvector(load_numbers(upper) - excess, Vector) * 256.0f +
                             __builtin_convertvector(load_numbers(upper + ROWS * BLOCK), Vector);
        store(found * (load_floats(scales + at * sizeof(float)) * rows.scale(first_row + row)), upper);
      }
    }
  }

 private:
  static IntVector load_numbers(const void* from) {
    IntVector numbers;
    std::memcpy(&numbers, from, sizeof numbers);
    return numbers;
  }
};
