/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tensor of the result: which blocks of which tensors of the source, one
 * below the other. Nothing is copied until it is written, so memory is bounded
 * by what one source tensor takes. */
#ifndef NEVA_OUT_TENSOR_H
#define NEVA_OUT_TENSOR_H

#include <gio/gio.h>
#include "checkpoint/tensor_source.h"
#include "convert/sink.h"

typedef struct {
  enum { NEVA_PART_BLOCK, NEVA_PART_ZEROS, NEVA_PART_IDENTITY } kind;
  const NevaTensorView *from; /* BLOCK; borrowed */
  gsize row, n_rows;          /* by the first dimension */
  gsize column, n_columns;    /* elements of a row */
} NevaOutPart;

/* Writes the bytes of a tensor that is made up while it is written. */
typedef gboolean (*NevaOutFunc) (gpointer data, NevaSink *sink, GError **error);

typedef struct {
  char *name;
  const char *dtype; /* "F32", … */
  guint n_dims;
  gsize shape[NEVA_TENSOR_MAX_DIMS];
  gsize bytes;
  GArray *parts;    /* NevaOutPart */
  NevaOutFunc make; /* instead of parts; NULL: none */
  gpointer make_data;
} NevaOutTensor;

/* One rank, shard or folder of them; (element-type NevaOutTensor). */
typedef GPtrArray NevaOutList;

NevaOutList *neva_out_list_new (void);
guint64 neva_out_list_bytes (const NevaOutList *list);

/* A tensor without parts; belongs to the list. printf-like. */
NevaOutTensor *neva_out_add (NevaOutList *list, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* Rows [row, row + n) below what is there; a first part gives type and shape,
 * others must have the same. FALSE with error naming the tensor. */
gboolean neva_out_rows (NevaOutTensor *tensor, const NevaTensorView *from,
    gsize row, gsize n, GError **error);
/* Rows and columns. */
gboolean neva_out_block (NevaOutTensor *tensor, const NevaTensorView *from,
    gsize row, gsize n, gsize column, gsize n_columns, GError **error);
/* All of it. */
gboolean neva_out_whole (
    NevaOutTensor *tensor, const NevaTensorView *from, GError **error);
/* Rows of zeros below a part that is there. */
void neva_out_zeros (NevaOutTensor *tensor, gsize n);
/* Made up: [n, n] with ones in the diagonal; [n] zeros. */
void neva_out_identity (NevaOutTensor *tensor, const char *dtype, gsize n);
void neva_out_vector (NevaOutTensor *tensor, const char *dtype, gsize n);

/* [rows, columns], or with columns 0 [rows], whose bytes `make` writes. data:
 * borrowed until then. */
void neva_out_made (NevaOutTensor *tensor, const char *dtype, gsize rows,
    gsize columns, NevaOutFunc make, gpointer data);

/* Where bytes are counted and the caller may stop. */
typedef struct {
  guint64 done, total;
  void (*progress) (double fraction, gpointer user_data); /* NULL */
  gpointer user_data;
  GCancellable *cancellable; /* NULL */
} NevaOutProgress;

/* The tensor's bytes, little endian, row-major. */
gboolean neva_out_write (const NevaOutTensor *tensor, NevaTensorSource *source,
    NevaSink *sink, NevaOutProgress *progress, GError **error);

#endif /* NEVA_OUT_TENSOR_H */
