// Sixteen floats at a time, on any CPU: GCC's vector extension becomes whatever the machine has.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

using Vector = float __attribute__((vector_size(64)));
using IntVector = int32_t __attribute__((vector_size(64)));
using BFloat16 = uint16_t;  // the upper half of a float

constexpr int64_t LANES = 16;

constexpr int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

inline float to_float(float value) { return value; }

inline float to_float(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

inline void store(float value, float* to) { *to = value; }

// Rounds to the nearest, ties to even; NaN stays NaN.
inline void store(float value, BFloat16* to) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  *to = static_cast<BFloat16>(is_nan ? 0x7fc0 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline Vector load(const float* from) {
  Vector values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

inline Vector load(const BFloat16* from) {
  using Half = uint16_t __attribute__((vector_size(32)));
  using Bits = uint32_t __attribute__((vector_size(64)));
  Half half;
  std::memcpy(&half, from, sizeof half);
  const Bits bits = __builtin_convertvector(half, Bits) << 16;
  return reinterpret_cast<Vector>(bits);
}

inline Vector load(const int8_t* from) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  // as GCC does not, it widens them one by one
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  const __m256 halves[2] = {
      _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
  Vector values;
  std::memcpy(&values, halves, sizeof values);
  return values;
#else
  using Bytes = int8_t __attribute__((vector_size(16)));
  Bytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, Vector);
#endif
}

// Floats that lie among values of another type.
inline Vector load_floats(const void* from) {
  Vector values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

inline void store(Vector values, float* to) { std::memcpy(to, &values, sizeof values); }

inline float sum(Vector values) {
  values += __builtin_shuffle(values, IntVector{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
  values += __builtin_shuffle(values, IntVector{4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
  values += __builtin_shuffle(values, IntVector{2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
  values += __builtin_shuffle(values, IntVector{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14});
  return values[0];
}

// e to the power of each value, within 2 units of the last place (Cephes' expf); NaN stays NaN.
inline Vector exponential(Vector x) {
  x = x > 88.0f ? Vector{} + 88.0f : x;
  x = x < -87.0f ? Vector{} - 87.0f : x;
  const Vector shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to a whole number
  const Vector whole = shifted - 12582912.0f;
  const Vector rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  Vector y = rest * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * rest + 8.3334519073e-3f;
  y = y * rest + 4.1665795894e-2f;
  y = y * rest + 1.6666665459e-1f;
  y = y * rest + 5.0000001201e-1f;
  y = y * rest * rest + rest + 1.0f;
  const IntVector power = (reinterpret_cast<IntVector>(shifted) - 0x4b400000 + 127) << 23;
  return y * reinterpret_cast<Vector>(power);
}
