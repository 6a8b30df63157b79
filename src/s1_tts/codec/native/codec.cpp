// The codec's convolutions for a CPU with AMX (a linear layer is one of a single tap), and its attention.

#include <cstdlib>
#include <new>

#include <omp.h>

#include "attention.h"
#include "tile_conv.h"

#if HAS_TILES

namespace {

// Memory of a thread that calls, kept from call to call: fresh pages take longer to come by than rows to be put in.
class Room {
 public:
  ~Room() { std::free(memory_); }

  // So many bytes, or null where there is no memory.
  void* of(int64_t num_bytes) {
    if (num_bytes > have_) {
      std::free(memory_);
      memory_ = std::aligned_alloc(64, round_up(num_bytes, 64));
      have_ = memory_ ? num_bytes : 0;
    }
    return memory_;
  }

 private:
  void* memory_ = nullptr;
  int64_t have_ = 0;
};

template <int PARTS>
void run(const Conv& conv, const Piece& piece, BFloat16* rows_room, float* next_tails) {
  TileConv<PARTS> work(conv, piece, rows_room, next_tails);
#pragma omp parallel num_threads(static_cast<int>(piece.num_threads))
  work.run(omp_get_thread_num(), omp_get_num_threads());
}

}  // namespace

#endif

extern "C" {

// Whether this machine has what the convolutions need.
int32_t s1_has_tiles() {
#if HAS_TILES
  return TileUnit::is_usable();
#else
  return 0;
#endif
}

// Convolve the next inputs of some streams; returns 0, or 1 when there is no memory for it.
int32_t s1_convolve(const struct Conv* conv, const struct Piece* piece) {
#if HAS_TILES
  static thread_local Room room;
  const int64_t rows_bytes = round_up(TileRows::room(*conv, *piece) * sizeof(BFloat16), 64);
  const int64_t tails_bytes = piece->batch * conv->context * conv->channels * sizeof(float);
  char* const memory = static_cast<char*>(room.of(rows_bytes + tails_bytes));
  if (!memory) return 1;
  const auto rows_room = reinterpret_cast<BFloat16*>(memory);
  const auto next_tails = reinterpret_cast<float*>(memory + rows_bytes);
  if (conv->parts == 1) {
    run<1>(*conv, *piece, rows_room, next_tails);
  } else {
    run<2>(*conv, *piece, rows_room, next_tails);
  }
#endif
  return 0;
}

// Attend from the next positions of some streams; returns as `s1_convolve`.
int32_t s1_attend(const struct Window* window) {
  try {
    WindowAttention work(*window);
#pragma omp parallel num_threads(static_cast<int>(window->num_threads))
    work.attend(omp_get_thread_num(), omp_get_num_threads());
    work.move_on();
  } catch (const std::bad_alloc&) {
    return 1;
  }
  return 0;
}
}
