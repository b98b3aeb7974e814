/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One function per slot of the table, or per group of slots. */
#ifndef CASES_H
#define CASES_H

#include "check.h"

void check_act_prepare (const CheckCtx *c);
void check_pack (const CheckCtx *c);
void check_matmul (const CheckCtx *c);
void check_kv_store (const CheckCtx *c);
void check_attention (const CheckCtx *c);
void check_rms_norm (const CheckCtx *c);
void check_layer_norm (const CheckCtx *c);
void check_rope (const CheckCtx *c);
void check_activate (const CheckCtx *c);
void check_act_mul (const CheckCtx *c);
void check_add (const CheckCtx *c);
void check_to_f32 (const CheckCtx *c);
void check_from_f32 (const CheckCtx *c);
void check_unpack_rgb (const CheckCtx *c);
void check_chroma_mix (const CheckCtx *c);
void check_yuv_to_rgb (const CheckCtx *c);
void check_tile (const CheckCtx *c);
void check_resample (const CheckCtx *c);

#endif /* CASES_H */
