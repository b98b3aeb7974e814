/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quantization_config of config.json. */
#ifndef NEVA_HF_QUANT_H
#define NEVA_HF_QUANT_H

#include "checkpoint/hf_reader.h"
#include "model/config.h"

/* How the checkpoint's matrices of codes lie: config->awq, config->int8; any
 * other quantisation is a fault that names the key. `top`: of config.json. */
void neva_hf_read_quantization (const NevaHfReader *top, NevaConfig *config);

#endif /* NEVA_HF_QUANT_H */
