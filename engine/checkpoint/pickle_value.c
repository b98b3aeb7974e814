/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a pickle may name, and walking the values that came out of one. */
#include "config.h"
#include <string.h>
#include "checkpoint/pickle.h"

/* Everything that torch.save of a state dict, Megatron's extra state and
 * PyTorch's distributed checkpoint metadata name. Sorted. */
static const char *const allowed_globals[] = {
    "__builtin__ bytes",
    "__builtin__ set",
    "_codecs encode",
    "_io BytesIO",
    "argparse Namespace",
    "builtins set",
    "collections OrderedDict",
    "collections defaultdict",
    "pathlib PosixPath",
    "torch BFloat16Storage",
    "torch BoolStorage",
    "torch ByteStorage",
    "torch CharStorage",
    "torch DoubleStorage",
    "torch FloatStorage",
    "torch HalfStorage",
    "torch IntStorage",
    "torch LongStorage",
    "torch ShortStorage",
    "torch Size",
    "torch bfloat16",
    "torch bool",
    "torch device",
    "torch float16",
    "torch float32",
    "torch float64",
    "torch int16",
    "torch int32",
    "torch int64",
    "torch int8",
    "torch strided",
    "torch uint8",
    "torch._tensor _rebuild_from_type_v2",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor_v2",
    "torch.distributed.checkpoint.filesystem _StorageInfo",
    "torch.distributed.checkpoint.metadata BytesStorageMetadata",
    "torch.distributed.checkpoint.metadata ChunkStorageMetadata",
    "torch.distributed.checkpoint.metadata Metadata",
    "torch.distributed.checkpoint.metadata MetadataIndex",
    "torch.distributed.checkpoint.metadata StorageMeta",
    "torch.distributed.checkpoint.metadata TensorProperties",
    "torch.distributed.checkpoint.metadata TensorStorageMetadata",
    "torch.distributed.checkpoint.metadata _MEM_FORMAT_ENCODING",
    "torch.nn.parameter Parameter",
    "torch.serialization _get_layout",
    "torch.storage UntypedStorage",
};

const char *
neva_pickle_allowed_global (const char *full_name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (allowed_globals); i++) {
    if (!strcmp (allowed_globals[i], full_name))
      return allowed_globals[i];
  }
  return NULL;
}

/* ---- Walking --------------------------------------------------------------
 */

const NevaPickleValue *
neva_pickle_get (const NevaPickleValue *value, const char *key)
{
  if (value && value->kind == NEVA_PICKLE_OBJECT && !value->n_items)
    value = value->state;
  if (!value ||
      (value->kind != NEVA_PICKLE_DICT && value->kind != NEVA_PICKLE_OBJECT))
    return NULL;
  for (gsize i = 0; i + 1 < value->n_items; i += 2) {
    const char *name = neva_pickle_string (value->items[i]);

    if (name && !strcmp (name, key))
      return value->items[i + 1];
  }
  return NULL;
}

const NevaPickleValue *
neva_pickle_item (const NevaPickleValue *value, gsize index)
{
  if (value && value->kind == NEVA_PICKLE_OBJECT)
    value = value->args;
  if (!value || value->kind != NEVA_PICKLE_SEQUENCE || index >= value->n_items)
    return NULL;
  return value->items[index];
}

gboolean
neva_pickle_is (const NevaPickleValue *value, const char *callable)
{
  return value && value->kind == NEVA_PICKLE_OBJECT &&
         !strcmp (value->callable->string, callable);
}

gboolean
neva_pickle_int (const NevaPickleValue *value, gint64 *integer)
{
  if (!value || value->kind != NEVA_PICKLE_INT)
    return FALSE;
  *integer = value->integer;
  return TRUE;
}

const char *
neva_pickle_string (const NevaPickleValue *value)
{
  return value && value->kind == NEVA_PICKLE_STRING ? value->string : NULL;
}
