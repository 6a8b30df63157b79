// The activation between convolutions.
#pragma once

#include "vectors.h"

// x + sin(alpha x)^2 / alpha, within 2 units of the last place of float32 where |alpha x| is under 10^4. The sine's sign
// does not matter, so its argument is brought to half a turn around zero, where Taylor's series to the 13th power is
// exact to float32; pi in three parts keeps the remainder exact.
inline Vector snake(Vector x, Vector alpha, Vector inverse) {
  const Vector angle = x * alpha;
  const Vector turns = (angle * 0.318309886183790672f + 12582912.0f) - 12582912.0f;  // 1.5 * 2^23: a whole number
  const Vector rest = ((angle - turns * 3.140625f) - turns * 9.67025756835937e-4f) - turns * 6.27711415290832519e-7f;
  const Vector square = rest * rest;
  Vector series = square * 1.6059043836821613e-10f - 2.5052108385441720e-8f;
  series = series * square + 2.7557319223985893e-6f;
  series = series * square - 1.9841269841269841e-4f;
  series = series * square + 8.3333333333333332e-3f;
  series = series * square - 1.6666666666666666e-1f;
  const Vector sine = rest + rest * square * series;
  return x + sine * sine * inverse;
}
