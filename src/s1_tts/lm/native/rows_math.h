// What is done to the values of a row between two linear layers, and the memory of a call.
#pragma once

#include <cmath>
#include <memory>
#include <new>

#include "attention.h"
#include "linear.h"

inline void norm(const float* from, const float* weight, float eps, float* to, int64_t width) {
  const float scale = 1.0f / std::sqrt(dot(from, from, width) / static_cast<float>(width) + eps);
  for (int64_t at = 0; at < width; ++at) to[at] = from[at] * scale * weight[at];
}

// At most BLOCK values; nearly always that many, which is worth its own loop.
inline void copy_values(const float* from, float* to, int64_t count) {
  if (count == BLOCK) {
    for (int64_t at = 0; at < BLOCK; at += LANES) store(load(from + at), to + at);
  } else {
    std::copy(from, from + count, to);
  }
}

inline void add_values(const float* from, float* to, int64_t count) {
  if (count == BLOCK) {
    for (int64_t at = 0; at < BLOCK; at += LANES) store(load(to + at) + load(from + at), to + at);
  } else {
    for (int64_t at = 0; at < count; ++at) to[at] += from[at];
  }
}

// Turn neighbouring pairs of a head's values.
inline void rotate(float* head, const float* rotations, int64_t width) {
  for (int64_t at = 0; at < width; at += 2) {
    const float x = head[at], y = head[at + 1], cosine = rotations[at], sine = rotations[at + 1];
    head[at] = x * cosine - y * sine;
    head[at + 1] = x * sine + y * cosine;
  }
}

// silu(x) * up, in place of x; the count is one of whole vectors.
inline void gate(float* x, const float* up, int64_t count) {
  for (int64_t at = 0; at < count; at += LANES) {
    const Vector values = load(x + at);
    store(values / (1.0f + exponential(-values)) * load(up + at), x + at);
  }
}

// Memory of a call. Widths are rounded up, so that whole vectors may be read and written.
class Workspace {
 public:
  float* take(int64_t num_values) {
    const int64_t begin = used_;
    used_ += round_up(num_values, LANES) + LANES;
    return memory_ ? memory_.get() + begin : nullptr;
  }

  // Allocate what was taken so far; what is then taken in the same order is real.
  void allocate() {
    memory_.reset(new (std::align_val_t{64}) float[used_]);
    used_ = 0;
  }

 private:
  struct Free {
    void operator()(float* memory) const { operator delete[](memory, std::align_val_t{64}); }
  };
  std::unique_ptr<float[], Free> memory_;
  int64_t used_ = 0;
};

// A linear layer: a thread's share of the outputs of all rows, into `to` [rows][num_outputs].
