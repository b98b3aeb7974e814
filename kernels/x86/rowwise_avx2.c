/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "exp_avx2.h"
#include "vector_avx2.h"

#define v_exp neva_exp_avx2
#define SUFFIX(name) name##_avx2
#include "rowwise_tile.h"
