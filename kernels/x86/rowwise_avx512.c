/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "exp_avx512.h"
#include "vector_avx512.h"

#define v_exp neva_exp_avx512
#define SUFFIX(name) name##_avx512
#include "rowwise_tile.h"
