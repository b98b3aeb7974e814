/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libsentencepiece for C. No exception leaves these functions. */
#ifndef NEVA_SENTENCEPIECE_SHIM_H
#define NEVA_SENTENCEPIECE_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct NevaSentencepiece NevaSentencepiece;

typedef enum {
  NEVA_SP_NORMAL,
  NEVA_SP_UNKNOWN,
  NEVA_SP_CONTROL,
  NEVA_SP_UNUSED,
  NEVA_SP_BYTE
} NevaSpKind;

/* proto [size]: a serialized model that neva_sp_check () has accepted; copied.
 * On failure NULL and *message, to be freed by free (). */
NevaSentencepiece *neva_sp_new (const void *proto, size_t size, char **message);
void neva_sp_free (NevaSentencepiece *sp);

int32_t neva_sp_size (const NevaSentencepiece *sp);
/* Owned by sp; id in range. */
const char *neva_sp_piece (const NevaSentencepiece *sp, int32_t id);
NevaSpKind neva_sp_kind (const NevaSentencepiece *sp, int32_t id);
int32_t neva_sp_bos (const NevaSentencepiece *sp); /* -1: none */
int32_t neva_sp_eos (const NevaSentencepiece *sp); /* -1: none */

/* Ids of text [length], to be freed by free (); NULL with *message set on
 * failure. Thread-safe. */
int32_t *neva_sp_encode (const NevaSentencepiece *sp, const char *text,
    size_t length, size_t *n_ids, char **message);

#ifdef __cplusplus
}
#endif

#endif /* NEVA_SENTENCEPIECE_SHIM_H */
