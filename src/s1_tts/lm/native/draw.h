// Draw one code a row; what is drawn is what sampling.py beside this folder draws, without sorting.
//
// The code with the highest score (logit over temperature, plus noise) wins if it is in the nucleus, which the
// probability of what is likelier tells; else the best of those that are likelier than it is tried.
#pragma once

#include <cmath>
#include <vector>

#include "attention.h"

// What Python fills in; the same fields in native_draw.py.
struct Draw {
  const float *logits, *noise;   // [rows][candidates], each row a stride after the one before
  const float *temperature, *top_p, *penalty;  // one a row, a stride apart
  const int64_t* window;         // [rows][window_frames]; -1 where there is none
  int64_t* codes;                // [rows]; -1: what is near the nucleus' edge is left to who called
  int64_t rows, candidates, logits_stride, noise_stride, options_stride, window_stride, window_frames;
};

constexpr float LOWEST_TEMPERATURE = 1e-5f;
constexpr float EDGE = 1e-4f;  // sums of probabilities that differ by less may differ by rounding alone

class RowDraw {
 public:
  RowDraw(const Draw& draw, int64_t row, float* room)
      : draw_(draw), row_(row), count_(draw.candidates), whole_(round_up(draw.candidates, LANES)), logits_(room) {
    const float* const from = draw.logits + row * draw.logits_stride;
    std::copy(from, from + count_, logits_);
    std::fill(logits_ + count_, logits_ + whole_, -INFINITY);
    penalise(from);
  }

  // The code, or -1.
  int64_t code() const {
    const float temperature = draw_.temperature[row_ * draw_.options_stride];
    const float top_p = draw_.top_p[row_ * draw_.options_stride];
    const int64_t likeliest = best(-INFINITY, [this](int64_t index) { return logits_[index]; });
    if (temperature == 0.0f) return likeliest;
    const float highest = logits_[likeliest], total = mass_above(-INFINITY, highest);
    const float divisor = std::max(temperature, LOWEST_TEMPERATURE);
    const float* const noise = draw_.noise + row_ * draw_.noise_stride;
    float limit = -INFINITY;
    while (true) {
      const int64_t found = best(limit, [&](int64_t index) { return logits_[index] / divisor + noise[index]; });
      const float logit = logits_[found];
      if (logit == highest) return found;
      const float mass = (mass_above(logit, highest) + std::exp(logit - highest)) / total;
      if (!(std::fabs(mass - top_p) > EDGE)) return -1;
      if (mass <= top_p) return found;
      limit = logit;
    }
  }

 private:
  void penalise(const float* from) {
    const float penalty = draw_.penalty[row_ * draw_.options_stride];
    const int64_t* const window = draw_.window + row_ * draw_.window_stride;
    for (int64_t frame = 0; frame < draw_.window_frames; ++frame) {
      const int64_t code = window[frame];
      if (code < 0 || code >= count_) continue;
      logits_[code] = from[code] < 0.0f ? from[code] * penalty : from[code] / penalty;
    }
  }

  // The first of those with the highest score whose logit is over a limit; the first of all where there is none.
  template <typename Score>
  int64_t best(float limit, Score score) const {
    int64_t found = 0;
    float highest = -INFINITY;
    for (int64_t index = 0; index < count_; ++index) {
      const float value = score(index);
      if (logits_[index] > limit && value > highest) {
        highest = value;
        found = index;
      }
    }
    return found;
  }

  // Sum of e to the power of what logits over a limit are below the highest.
  float mass_above(float limit, float highest) const {
    Vector sums{};
    for (int64_t at = 0; at < whole_; at += LANES) {
      const Vector logits = load(logits_ + at);
      sums += logits > limit ? exponential(logits - highest) : Vector{};
    }
    return sum(sums);
  }

  const Draw& draw_;
  const int64_t row_, count_, whole_;
  float* const logits_;
};
