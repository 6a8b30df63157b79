// The unit of a CPU with AMX that multiplies tiles: whether it may be used, and the sizes of its tiles.
#pragma once

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>

using TileHeights = std::array<uint8_t, 8>;  // rows of each tile; a row has 64 bytes

// Gives tiles their sizes for as long as it lives, in the thread that makes it.
struct TileUnit {
  explicit TileUnit(const TileHeights& heights) {
    alignas(64) uint8_t shape[64] = {};
    shape[0] = 1;
    for (int tile = 0; tile < 8; ++tile) {
      shape[16 + 2 * tile] = 64;
      shape[48 + tile] = heights[tile];
    }
    // GCC takes the instruction to read 8 bytes, and may leave the others unwritten
    __asm__ volatile("" : : "r"(shape) : "memory");
    _tile_loadconfig(shape);
  }
  ~TileUnit() { _tile_release(); }
  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;

  // Whether the system lets this process use the unit; Linux wants to be asked (ARCH_REQ_XCOMP_PERM for XTILEDATA).
  static bool is_usable() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }
};
