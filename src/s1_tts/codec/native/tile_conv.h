// Convolutions by AMX. A tile of inputs is 16 rows as they lie: those of neighbouring outputs are a stride apart, and taps
// begin a dilation apart, so nothing is copied for a tap. An output is summed in the same order in any piece and company.
#pragma once

#include "conv.h"

#if HAS_TILES

constexpr int64_t CACHED_BYTES = 1 << 20;  // weights that stay in a core's cache while all rows are multiplied by them

template <int PARTS>
class TileConv {
 public:
  TileConv(const Conv& conv, const Piece& piece, BFloat16* rows_room, float* next_tails)
      : conv_(conv), piece_(piece), rows_(conv, piece, rows_room), next_tails_(next_tails) {}

  // Called by every thread.
  void run(int64_t thread, int64_t num_threads) {
    join(thread, num_threads);
#pragma omp barrier
    if (thread == num_threads - 1) move_on();
    const TileUnit unit({16, 16, 16, 16, 16, 16, 16, 16});
    const int64_t row_blocks = round_up(num_outputs(), BLOCK) / BLOCK, all_row_blocks = piece_.batch * row_blocks;
    const int64_t output_blocks = round_up(conv_.outputs, BLOCK) / BLOCK, total = all_row_blocks * output_blocks;
    const bool is_cached = output_blocks * block_weights() * int64_t{sizeof(BFloat16)} <= CACHED_BYTES;
    for (int64_t index = total * thread / num_threads; index < total * (thread + 1) / num_threads; ++index) {
      const int64_t rows = is_cached ? index / output_blocks : index % all_row_blocks;
      const int64_t outputs = is_cached ? index % output_blocks : index / all_row_blocks;
      multiply(rows / row_blocks, rows % row_blocks * BLOCK, outputs);
    }
  }

 private:
  int64_t num_outputs() const { return piece_.length / conv_.stride; }  // of a stream
  int64_t num_channels() const { return round_up(conv_.channels, TILE_INPUTS); }
  int64_t block_weights() const { return conv_.taps * num_channels() * PARTS * BLOCK; }

  // Activate and split the thread's share of the rows, and keep those that the next piece needs.
  void join(int64_t thread, int64_t num_threads) {
    const int64_t count = conv_.context + piece_.length, total = piece_.batch * count;
    for (int64_t index = total * thread / num_threads; index < total * (thread + 1) / num_threads; ++index) {
      join_row(index / count, index % count);
    }
  }

  void join_row(int64_t stream, int64_t row) {
    const int64_t channels = conv_.channels, context = conv_.context;
    const bool is_old = row < context;
    const float* const from = is_old ? piece_.tails + stream * piece_.tail_stride + row * channels
                                     : piece_.x + (stream * piece_.length + row - context) * channels;
    float* const kept =
        row < piece_.length ? nullptr : next_tails_ + (stream * context + row - piece_.length) * channels;
    for (int64_t at = 0; at < num_channels(); at += LANES) {
      const int64_t lanes = std::clamp<int64_t>(channels - at, 0, LANES);
      Vector values = load_lanes(from + at, lanes);
      if (conv_.alpha && !is_old) {
        values = snake(values, load_lanes(conv_.alpha + at, lanes), load_lanes(conv_.inverse + at, lanes));
      }
      rows_.put(stream, row, at, values);
      if (kept) std::memcpy(kept + at, &values, lanes * sizeof(float));
    }
  }

  static Vector load_lanes(const float* from, int64_t lanes) {
    if (lanes == LANES) return load(from);
    Vector values{};
    std::memcpy(&values, from, lanes * sizeof(float));
    return values;
  }

  void move_on() {
    const int64_t count = conv_.context * conv_.channels;
    for (int64_t stream = 0; stream < piece_.batch; ++stream) {
      std::copy_n(next_tails_ + stream * count, count, piece_.tails + stream * piece_.tail_stride);
    }
  }

  void multiply(int64_t stream, int64_t first_row, int64_t output_block) {
    alignas(64) float products[BLOCK * BLOCK];
    const int64_t num_rows = std::min(BLOCK, num_outputs() - first_row);
    const BFloat16* const inputs = rows_.row(stream, first_row * conv_.stride);
    const BFloat16* const weights = conv_.weights + output_block * block_weights();
    if (num_rows > TILE_ROWS) {
      multiply_tiles<true>(inputs, weights, products);
    } else {
      multiply_tiles<false>(inputs, weights, products);
    }
    const int64_t output = output_block * BLOCK, count = std::min(BLOCK, conv_.outputs - output);
    for (int64_t row = 0; row < num_rows; ++row) {
      const int64_t at = (stream * num_outputs() + first_row + row) * conv_.outputs + output;
      hand_out(products + row * BLOCK, conv_.bias + output, piece_.residual ? piece_.residual + at : nullptr, count,
               piece_.y + at);
    }
  }

  static void hand_out(const float* products, const float* bias, const float* residual, int64_t count, float* y) {
    for (int64_t at = 0; at < count; ++at) y[at] = products[at] + bias[at] + (residual ? residual[at] : 0.0f);
  }

  // Multiply 16 or 32 rows by 32 outputs.
  template <bool HAS_MORE>
  void multiply_tiles(const BFloat16* inputs, const BFloat16* weights, float* products) const {
    const int64_t stride_bytes = conv_.stride * rows_.width * sizeof(BFloat16);
    const int64_t more = TILE_ROWS * conv_.stride * rows_.width;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t tap = 0; tap < conv_.taps; ++tap, inputs += conv_.dilation * rows_.width) {
      for (int64_t channel = 0; channel < num_channels(); channel += TILE_INPUTS, weights += PARTS * 2 * TILE_VALUES) {
        _tile_loadd(6, weights, 64);
        _tile_loadd(7, weights + TILE_VALUES, 64);
        if (PARTS == 2) {  // the small products first
          load_inputs<HAS_MORE>(inputs + channel + rows_.part(), more, stride_bytes);
          add_products<HAS_MORE>();
        }
        load_inputs<HAS_MORE>(inputs + channel, more, stride_bytes);
        add_products<HAS_MORE>();
        if (PARTS == 2) {
          _tile_loadd(6, weights + 2 * TILE_VALUES, 64);
          _tile_loadd(7, weights + 3 * TILE_VALUES, 64);
          add_products<HAS_MORE>();
        }
      }
    }
    constexpr int64_t PRODUCT_STRIDE = BLOCK * sizeof(float);
    _tile_stored(0, products, PRODUCT_STRIDE);
    _tile_stored(1, products + TILE_ROWS, PRODUCT_STRIDE);
    if (HAS_MORE) {
      _tile_stored(2, products + TILE_ROWS * BLOCK, PRODUCT_STRIDE);
      _tile_stored(3, products + TILE_ROWS * BLOCK + TILE_ROWS, PRODUCT_STRIDE);
    }
  }

  template <bool HAS_MORE>
  static void load_inputs(const BFloat16* inputs, int64_t more, int64_t stride_bytes) {
    _tile_loadd(4, inputs, stride_bytes);
    if (HAS_MORE) _tile_loadd(5, inputs + more, stride_bytes);
  }

  template <bool HAS_MORE>
  static void add_products() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (HAS_MORE) {
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }

  const Conv& conv_;
  const Piece& piece_;
  TileRows rows_;
  float* const next_tails_;
};

#endif
