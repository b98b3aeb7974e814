/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quantization_config of config.json. */
#ifndef NEVA_HF_QUANT_H
#define NEVA_HF_QUANT_H

#include "checkpoint/hf_reader.h"
#include "model/config.h"

/* How the checkpoint's 4-bit matrices lie; any other quantisation is a fault
 * that names the key. `top`: of config.json. */
NevaAwqLayout neva_hf_read_awq (const NevaHfReader *top);

#endif /* NEVA_HF_QUANT_H */
