// Attention of one query row over the keys of its sequence, the same numbers in every batch.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "vectors.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

constexpr int64_t KEYS_AT_ONCE = 8;  // positions between two turns of the heads

template <typename Value>
inline float dot(const float* x, const Value* y, int64_t width) {
  Vector sums{};
  int64_t at = 0;
  for (; at + LANES <= width; at += LANES) sums += load(x + at) * load(y + at);
  float total = sum(sums);
  for (; at < width; ++at) total += x[at] * to_float(y[at]);
  return total;
}

inline Vector larger(Vector x, Vector y) { return x > y ? x : y; }

// In place; there is room to the next whole vector.
inline void softmax(float* scores, int64_t count, float scale) {
  const int64_t whole = round_up(count, LANES);
  std::fill(scores + count, scores + whole, -INFINITY);
  Vector tops = load(scores);
  for (int64_t at = LANES; at < whole; at += LANES) tops = larger(load(scores + at), tops);
  float top = tops[0];
  for (int64_t lane = 1; lane < LANES; ++lane) top = std::max(top, tops[lane]);
  Vector totals{};
  for (int64_t at = 0; at < whole; at += LANES) {
    const Vector powers = exponential((load(scores + at) - top) * scale);
    store(powers, scores + at);
    totals += powers;
  }
  const float total = sum(totals);
  for (int64_t at = 0; at < whole; at += LANES) store(load(scores + at) / total, scores + at);
}

// Weighted sums of rows that lie `stride` values apart, for several queries at once: `to[query] += weights[query] . rows`.
template <int QUERIES, typename Value>
inline void add_weighted(
    const float* weights, int64_t weight_stride, const Value* rows, int64_t num_rows, int64_t stride, float* to,
    int64_t width) {
  constexpr int VECTORS = 4;
  int64_t at = 0;
  for (; at + VECTORS * LANES <= width; at += VECTORS * LANES) {
    Vector sums[QUERIES][VECTORS];
    for (int query = 0; query < QUERIES; ++query) {
      for (int v = 0; v < VECTORS; ++v) sums[query][v] = load(to + query * width + at + v * LANES);
    }
    for (int64_t row = 0; row < num_rows; ++row) {
      for (int v = 0; v < VECTORS; ++v) {
        const Vector values = load(rows + row * stride + at + v * LANES);
        for (int query = 0; query < QUERIES; ++query) sums[query][v] += weights[query * weight_stride + row] * values;
      }
    }
    for (int query = 0; query < QUERIES; ++query) {
      for (int v = 0; v < VECTORS; ++v) store(sums[query][v], to + query * width + at + v * LANES);
    }
  }
  for (; at < width; ++at) {
    for (int query = 0; query < QUERIES; ++query) {
      for (int64_t row = 0; row < num_rows; ++row) {
        to[query * width + at] += weights[query * weight_stride + row] * to_float(rows[row * stride + at]);
      }
    }
  }
}

// Scores of keys that lie `stride` values apart, for several queries: `scores[query][key]`.
template <int QUERIES, typename Value>
inline void score(
    const float* queries, const Value* keys, int64_t num_keys, int64_t stride, int64_t width, float* scores,
    int64_t score_stride) {
  for (int64_t key = 0; key < num_keys; ++key, keys += stride) {
    Vector sums[QUERIES] = {};
    int64_t at = 0;
    for (; at + LANES <= width; at += LANES) {
      const Vector values = load(keys + at);
      for (int query = 0; query < QUERIES; ++query) sums[query] += load(queries + query * width + at) * values;
    }
    for (int query = 0; query < QUERIES; ++query) {
      float total = sum(sums[query]);
      for (int64_t rest = at; rest < width; ++rest) total += queries[query * width + rest] * to_float(keys[rest]);
      scores[query * score_stride + key] = total;
    }
  }
}

#ifdef __AVX512BF16__
// The same with queries rounded to bfloat16, 32 products at a time.
template <int QUERIES, int WIDTH>
inline void score_pairs(
    const float* queries, const BFloat16* keys, int64_t num_keys, int64_t stride, float* scores, int64_t score_stride) {
  constexpr int PARTS = WIDTH / 32;
  __m512bh rounded[QUERIES][PARTS];
  for (int query = 0; query < QUERIES; ++query) {
    for (int part = 0; part < PARTS; ++part) {
      const float* const from = queries + query * WIDTH + part * 32;
      rounded[query][part] = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from));
    }
  }
  for (int64_t key = 0; key < num_keys; ++key, keys += stride) {
    __m512 sums[QUERIES] = {};
    for (int part = 0; part < PARTS; ++part) {
      const auto values = reinterpret_cast<__m512bh>(_mm512_loadu_si512(keys + part * 32));
      for (int query = 0; query < QUERIES; ++query) {
        sums[query] = _mm512_dpbf16_ps(sums[query], rounded[query][part], values);
      }
    }
    for (int query = 0; query < QUERIES; ++query) scores[query * score_stride + key] = sum(sums[query]);
  }
}

template <int QUERIES>
inline void score(
    const float* queries, const BFloat16* keys, int64_t num_keys, int64_t stride, int64_t width, float* scores,
    int64_t score_stride) {
  switch (width) {
    case 64: return score_pairs<QUERIES, 64>(queries, keys, num_keys, stride, scores, score_stride);
    case 128: return score_pairs<QUERIES, 128>(queries, keys, num_keys, stride, scores, score_stride);
    default: return score<QUERIES, BFloat16>(queries, keys, num_keys, stride, width, scores, score_stride);
  }
}
#endif

// Heads of a cache that a row attends over.
struct Heads {
  int64_t begin, end;       // key heads
  int64_t queries_to_each;  // query heads that share a key head
  int64_t width;            // values of a head
};

// Ask ahead for one head of some positions.
template <typename Value>
inline void fetch(const Value* head, int64_t num_positions, int64_t stride, int64_t width) {
  for (int64_t position = 0; position < num_positions; ++position) {
    const char* const from = reinterpret_cast<const char*>(head + position * stride);
    for (int64_t at = 0; at < width * static_cast<int64_t>(sizeof(Value)); at += 64) __builtin_prefetch(from + at);
  }
}

// Go through keys or values a few positions at a time, the heads taking turns and the next positions asked for ahead.
//
// `work` gets how many queries of a head are computed with together, the first of them among those at hand, the
// head's rows, their first position and their number.
template <typename Value, typename Work>
inline void in_turns(const Heads& heads, const Value* rows, int64_t num_keys, int64_t stride, Work work) {
  for (int64_t from = 0; from < num_keys; from += KEYS_AT_ONCE) {
    const int64_t count = std::min(KEYS_AT_ONCE, num_keys - from);
    const int64_t num_next = std::min(KEYS_AT_ONCE, num_keys - from - count);
    for (int64_t head = heads.begin; head < heads.end; ++head) {
      const Value* const of_head = rows + from * stride + head * heads.width;
      fetch(of_head + count * stride, num_next, stride, heads.width);
      int64_t query = (head - heads.begin) * heads.queries_to_each;
      const int64_t end = query + heads.queries_to_each;
      for (; query + 2 <= end; query += 2) work(std::integral_constant<int, 2>{}, query, of_head, from, count);
      if (query < end) work(std::integral_constant<int, 1>{}, query, of_head, from, count);
    }
  }
}

// Attend over keys and values `[num_keys][all key heads][width]`, `stride` values from one position to the next.
//
// Queries are `[all query heads][width]`, results `[query heads at hand][width]`; the scores' room is
// `[query heads at hand][score_stride]`.
template <typename Value>
inline void attend(
    const Heads& heads, const Value* keys, const Value* values, int64_t num_keys, int64_t stride, const float* queries,
    float* scores, int64_t score_stride, float* results) {
  const int64_t width = heads.width;
  const int64_t num_queries = (heads.end - heads.begin) * heads.queries_to_each;
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  const float* const at_hand = queries + heads.begin * heads.queries_to_each * width;
  in_turns(heads, keys, num_keys, stride, [&](auto size, int64_t query, const Value* rows, int64_t from, int64_t count) {
    float* const found = scores + query * score_stride + from;
    score<size.value>(at_hand + query * width, rows, count, stride, width, found, score_stride);
  });
  for (int64_t query = 0; query < num_queries; ++query) softmax(scores + query * score_stride, num_keys, scale);
  std::fill(results, results + num_queries * width, 0.0f);
  in_turns(heads, values, num_keys, stride, [&](auto size, int64_t query, const Value* rows, int64_t from, int64_t count) {
    const float* const weights = scores + query * score_stride + from;
    add_weighted<size.value>(weights, score_stride, rows, count, stride, results + query * width, width);
  });
}
