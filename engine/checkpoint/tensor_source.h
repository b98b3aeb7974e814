/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a model's tensors come from, whatever the file format: found by name,
 * as views that live as long as the source. */
#ifndef NEVA_TENSOR_SOURCE_H
#define NEVA_TENSOR_SOURCE_H

#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_set.h"

typedef struct _NevaTensorSource NevaTensorSource;

/* Both take over their argument. Returns: (transfer full), never NULL. */
NevaTensorSource *neva_tensor_source_from_safetensors (NevaSafetensors *st);
/* path: the file that the tensors came from, for messages. */
NevaTensorSource *neva_tensor_source_from_set (
    NevaTensorSet *set, const char *path);
/* One more owner, on any thread: ranks of a process share what is mapped or
 * assembled once. */
NevaTensorSource *neva_tensor_source_ref (NevaTensorSource *source);
/* An owner is gone; the last one frees it. */
void neva_tensor_source_free (NevaTensorSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaTensorSource, neva_tensor_source_free)

/* (transfer none) NULL when there is no such tensor, or (with a warning) no
 * memory to put it together. The data is there until as many release ()s. Any
 * thread. */
const NevaTensorView *neva_tensor_source_find (
    NevaTensorSource *source, const char *name);
/* The same without its data (view->data may be NULL): data () gives it, until
 * release (). (transfer none) */
const NevaTensorView *neva_tensor_source_peek (
    const NevaTensorSource *source, const char *name);
const void *neva_tensor_source_data (
    const NevaTensorSource *source, const NevaTensorView *view, GError **error);
/* (transfer container): all names in file order, NULL-terminated. */
const char **neva_tensor_source_names (const NevaTensorSource *source);
/* The file that holds a tensor, for messages. */
const char *neva_tensor_source_file (
    const NevaTensorSource *source, const NevaTensorView *view);
/* The bytes of a tensor, mapped or put together, are no longer needed. */
void neva_tensor_source_release (
    NevaTensorSource *source, const NevaTensorView *view);
/* Is what was read of the tensors so far what the files held? Else
 * NEVA_ERROR_BAD_FILE naming the one that was cut short. *error may be set: the
 * reason goes before what came of it. One relaxed load while no mapped file of
 * the process was; a look at every tensor else, and when `thorough`. The
 * threads that own it. */
gboolean neva_tensor_source_check (
    NevaTensorSource *source, gboolean thorough, GError **error);
/* Of all tensors, for progress. */
guint64 neva_tensor_source_bytes (const NevaTensorSource *source);

#endif /* NEVA_TENSOR_SOURCE_H */
