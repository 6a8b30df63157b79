// Attention over the window of each position of some streams.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "vectors.h"

// What Python fills in; the same fields in tile_layers.py.
struct Window {
  const float *query, *key, *value;  // [batch][length][heads][head_width]
  float *keys, *values;              // [batch][context][heads][head_width], a stride apart; moved on
  const bool* mask;                  // [batch][length][context + length]: what a position may see of its window
  float* y;                          // [batch][length][heads][head_width]
  int64_t batch, length, context, heads, head_width, state_stride, num_threads;
};

class WindowAttention {
 public:
  explicit WindowAttention(const Window& window)
      : w_(window),
        width_(window.heads * window.head_width),
        score_stride_(round_up(window.context + 1, LANES)),
        scores_(score_stride_ * window.num_threads) {}

  // Called by every thread: a head of a position of a stream is computed by one.
  void attend(int64_t thread, int64_t num_threads) {
    float* const scores = scores_.data() + thread * score_stride_;
    const int64_t total = w_.batch * w_.heads * w_.length;
    for (int64_t index = total * thread / num_threads; index < total * (thread + 1) / num_threads; ++index) {
      attend_one(index / w_.length / w_.heads, index / w_.length % w_.heads, index % w_.length, scores);
    }
  }

  // The next window's keys and values; after all threads have attended.
  void move_on() const {
    for (int64_t stream = 0; stream < w_.batch; ++stream) {
      move_on(w_.keys + stream * w_.state_stride, w_.key + stream * w_.length * width_);
      move_on(w_.values + stream * w_.state_stride, w_.value + stream * w_.length * width_);
    }
  }

 private:
  void attend_one(int64_t stream, int64_t head, int64_t position, float* scores) const {
    const int64_t count = w_.context + 1, width = w_.head_width, at = head * width;
    const int64_t place = (stream * w_.length + position) * width_ + at;
    const bool* const mask = w_.mask + (stream * w_.length + position) * (w_.context + w_.length) + position;
    const float scale = 1.0f / std::sqrt(static_cast<float>(width));
    float highest = -INFINITY;
    for (int64_t index = 0; index < count; ++index) {
      scores[index] = mask[index] ? scale * product(w_.query + place, row(w_.keys, w_.key, stream, position + index) + at)
                                  : -INFINITY;
      highest = std::max(highest, scores[index]);
    }
    float total = 0;
    for (int64_t index = 0; index < count; ++index) total += scores[index] = std::exp(scores[index] - highest);
    for (int64_t column = 0; column < width; column += LANES) {
      Vector sums{};
      for (int64_t index = 0; index < count; ++index) {
        sums += scores[index] * load(row(w_.values, w_.value, stream, position + index) + at + column);
      }
      store(sums / total, w_.y + place + column);
    }
  }

  // Of the positions remembered and then of the new ones.
  const float* row(const float* old, const float* now, int64_t stream, int64_t index) const {
    return index < w_.context ? old + stream * w_.state_stride + index * width_
                              : now + (stream * w_.length + index - w_.context) * width_;
  }

  float product(const float* query, const float* key) const {
    Vector products{};
    for (int64_t at = 0; at < w_.head_width; at += LANES) products += load(query + at) * load(key + at);
    return sum(products);
  }

  void move_on(float* old, const float* now) const {
    const int64_t kept = std::max<int64_t>(w_.context - w_.length, 0), taken = w_.context - kept;
    std::memmove(old, old + (w_.context - kept) * width_, kept * width_ * sizeof(float));
    std::memcpy(old + kept * width_, now + (w_.length - taken) * width_, taken * width_ * sizeof(float));
  }

  const Window& w_;
  const int64_t width_, score_stride_;
  std::vector<float> scores_;
};
