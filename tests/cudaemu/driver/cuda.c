/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libcuda.so.1 of the emulation: whoever loads it finds the functions of
 * driver.cc, in the library that this one needs for the first of them. */
#include "config.h"

int cuInit (unsigned flags);
extern int (*const neva_emu_driver) (unsigned);
__attribute__ ((visibility ("default"))) int (*const neva_emu_driver) (
    unsigned) = cuInit;
