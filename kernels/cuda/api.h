/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libnevacuda.so (or the emulation's library) gives the engine: one table,
 * found by the one symbol NEVA_CUDA_SYMBOL. Plain C, no header of CUDA: the
 * engine loads the library when a GPU is first asked for.
 *
 * Pointers are device memory unless "host" is said. Every int is a status: 0,
 * a cudaError_t, or a status of cuBLAS or NCCL above NEVA_CUDA_BLAS or
 * NEVA_CUDA_NCCL; error_text () puts it into words. Calls act on the device
 * that the calling thread has set. Launchers queue, never wait, and report
 * launch errors only.
 */
#ifndef NEVA_CUDA_API_H
#define NEVA_CUDA_API_H

#include "attention.h"
#include "image.h"
#include "matmul.h"
#include "sample.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st *NevaCudaStream;
typedef struct CUevent_st *NevaCudaEvent;
typedef struct CUgraphExec_st *NevaCudaGraph;

enum { NEVA_CUDA_BLAS = 10000, NEVA_CUDA_NCCL = 20000 };
/* cudaError_t that the engine tells apart */
enum {
  NEVA_CUDA_OUT_OF_MEMORY = 2,
  NEVA_CUDA_NO_DRIVER = 35,
  NEVA_CUDA_NO_DEVICE = 100,
  NEVA_CUDA_NOT_READY = 600
};

/* Compute capability, in tenths, from which the kernels run at all. */
#define NEVA_CUDA_CAPABILITY 80

/* ---- Launchers ---------------------------------------------------------- */

/* rowwise.h says what these compute; rows are contiguous where there is no
 * stride. In place as there. */
#define NEVA_DECL_CUDA_RMS_NORM(name)                                          \
  int name (float *dst, const float *x, const float *w, size_t rows,           \
      size_t dim, float eps, NevaCudaStream stream)
#define NEVA_DECL_CUDA_LAYER_NORM(name)                                        \
  int name (float *dst, const float *x, const float *w, const float *bias,     \
      size_t rows, size_t dim, float eps, NevaCudaStream stream)
#define NEVA_DECL_CUDA_ROPE(name)                                              \
  int name (float *x, size_t ldx, const float *cosine, const float *sine,      \
      size_t rows, size_t heads, size_t head_dim, size_t rot,                  \
      NevaCudaStream stream)
#define NEVA_DECL_CUDA_ADD(name)                                               \
  int name (float *dst, const float *x, size_t n, NevaCudaStream stream)
#define NEVA_DECL_CUDA_ACT_MUL(name)                                           \
  int name (float *dst, size_t ldd, const float *gate, size_t ldg,             \
      const float *up, size_t ldu, size_t rows, size_t dim, NevaAct act,       \
      NevaCudaStream stream)

/* dst[r][i] = src[r][i]; dst[rows[i]] += scale[i] x[i], rows all different. */
#define NEVA_DECL_CUDA_COPY_ROWS(name)                                         \
  int name (float *dst, size_t ldd, const float *src, size_t lds, size_t rows, \
      size_t cols, NevaCudaStream stream)
#define NEVA_DECL_CUDA_ADD_ROWS(name)                                          \
  int name (float *dst, size_t ldd, const size_t *rows, const float *x,        \
      size_t ldx, const float *scale, size_t n, size_t dim,                    \
      NevaCudaStream stream)

/* dst[i] = table[ids[i]], rows of k of F32, BF16 or F16. Class: exact. */
#define NEVA_DECL_CUDA_GATHER(name)                                            \
  int name (float *dst, size_t ldd, const void *table, NevaDType type,         \
      size_t k, const int32_t *ids, size_t n, NevaCudaStream stream)

/* dst [m][k] contiguous, nearest even. Class: exact. */
#define NEVA_DECL_CUDA_TO_BF16(name)                                           \
  int name (uint16_t *dst, const float *x, size_t ldx, size_t m, size_t k,     \
      NevaCudaStream stream)

/* dst = epilogue (sum) for sums [m][n] that may lie in dst. Class: n ulp. */
#define NEVA_DECL_CUDA_EPILOGUE(name)                                          \
  int name (float *dst, size_t ldd, const float *sum, size_t lds, size_t m,    \
      size_t n, NevaEpilogue epilogue, NevaCudaStream stream)

/* dst [m][n] = epilogue (x W^T) for few rows: m <= NEVA_CUDA_FEW_ROWS. W is F32
 * or BF16; for BF16, x is rounded to bf16. Class: sum. */
#define NEVA_CUDA_FEW_ROWS 16
#define NEVA_DECL_CUDA_MATVEC(name)                                            \
  int name (float *dst, size_t ldd, const float *x, size_t ldx,                \
      const NevaWeight *host_w, NevaEpilogue epilogue, size_t m,               \
      NevaCudaStream stream)

/* dst = act (x gate^T + gate_bias) * (x up^T + up_bias), to the bit what matvec
 * and act_mul make of it; biases may be NULL. For pairs of which
 * neva_cuda_gated_takes () says so. */
#define NEVA_DECL_CUDA_MATVEC_GATED(name)                                      \
  int name (float *dst, size_t ldd, const float *x, size_t ldx,                \
      const NevaWeight *host_gate, const NevaWeight *host_up,                  \
      const float *gate_bias, const float *up_bias, NevaAct act, size_t m,     \
      NevaCudaStream stream)
static inline bool
neva_cuda_gated_takes (const NevaWeight *gate, const NevaWeight *up, size_t m)
{
  return m <= NEVA_CUDA_FEW_ROWS && gate->type == NEVA_DTYPE_BF16 &&
         up->type == NEVA_DTYPE_BF16 && gate->n == up->n && gate->k == up->k &&
         gate->k % 8 == 0 && (uintptr_t) gate->data % 16 == 0 &&
         (uintptr_t) up->data % 16 == 0;
}

/* matmul.h's act_prepare and matmul for I8 and I4: xq is as matmul_layout.h
 * says, to the bit; W is packed as there. Any m. Classes: exact, sum. */
#define NEVA_DECL_CUDA_ACT_PREPARE(name)                                       \
  int name (void *xq, const float *x, size_t ldx, NevaDType type, size_t m,    \
      size_t k, NevaCudaStream stream)
#define NEVA_DECL_CUDA_MATMUL_GROUPS(name)                                     \
  int name (float *dst, size_t ldd, const void *xq, const NevaWeight *host_w,  \
      NevaEpilogue epilogue, size_t m, NevaCudaStream stream)

/* dst [m][n] = epilogue (x W^T) for E4M3 weights as fp8.h says; any m. Class:
 * sum, of some 14 bits in each run of 32. */
#define NEVA_DECL_CUDA_MATMUL_E4M3(name)                                       \
  int name (float *dst, size_t ldd, const float *x, size_t ldx,                \
      const NevaWeight *host_w, NevaEpilogue epilogue, size_t m,               \
      NevaCudaStream stream)
/* fp8.h's conversion of n numbers. Class: exact. */
#define NEVA_DECL_CUDA_TO_E4M3(name)                                           \
  int name (uint8_t *dst, const float *x, size_t n, NevaCudaStream stream)
/* Compute capability, in tenths, from which a GPU has these. */
#define NEVA_CUDA_E4M3_CAPABILITY 89

/* A run of tokens of one sequence: NevaSpan of the engine, for the device. */
typedef struct {
  uint64_t blocks_at; /* bytes from `spans` to its list of blocks, pointers
                         [ceil(kv_len / NEVA_KV_PAGE)] */
  uint32_t row, rows, pos0, kv_len;
} NevaCudaSpan;

/* Passed by value to kernels. Pages are those of attention.h. */
typedef struct {
  const NevaCudaSpan *spans;  /* [n_spans], device */
  uint32_t n_spans, max_rows; /* of a span */
  uint32_t heads, kv_heads, head_dim;
  uint32_t window; /* 0: all */
  NevaDType type;  /* F32 or BF16 */
  bool causal;
  float scale;
  size_t head_offset; /* bytes from a block to its K page of head 0 */
  size_t page_bytes;  /* of a K page; the V page follows it */
  uint32_t max_kv;    /* attention: no span's kv_len is more */
  float *work; /* attention: neva_cuda_attention_work () bytes, aligned to 16,
                  or NULL: the same bits, slower where rows are few */
} NevaCudaHeads;

/* Keys of which attention keeps sums of their own: pieces that blocks may take
 * apart without a bit changing. */
#define NEVA_CUDA_CHUNK 256
/* Query rows times heads that a block takes; fewer in all: 16. */
#define NEVA_CUDA_ATTENTION_TILE 64

/* Bytes of work with which blocks share out the cache, too; 0: the rows alone
 * are blocks enough for a GPU, or would need too much. */
static inline size_t
neva_cuda_attention_work (const NevaCudaHeads *h)
{
  const size_t chunks =
      ((size_t) h->max_kv + NEVA_CUDA_CHUNK - 1) / NEVA_CUDA_CHUNK;
  const size_t items = (size_t) h->max_rows * (h->heads / h->kv_heads);
  const size_t blocks = (items + NEVA_CUDA_ATTENTION_TILE - 1) /
                        NEVA_CUDA_ATTENTION_TILE * h->kv_heads * h->n_spans;
  const size_t bytes = chunks * h->n_spans * h->max_rows * h->heads *
                       (h->head_dim + 4) * sizeof (float);

  return h->type == NEVA_DTYPE_BF16 && chunks > 1 && blocks < 132 &&
                 bytes <= (size_t) 64 << 20
             ? bytes
             : 0;
}

/* k, v [..][kv_heads * head_dim]. Class: exact. */
#define NEVA_DECL_CUDA_KV_STORE(name)                                          \
  int name (const NevaCudaHeads *host_heads, const float *k, size_t ldk,       \
      const float *v, size_t ldv, NevaCudaStream stream)
/* What rope of q, rope of k and kv_store do one after the other, to the bit; k
 * stays as it is. Passed by value to kernels. */
typedef struct {
  float *q; /* [..][heads * head_dim], turned where it lies; or NULL */
  const float *k, *v; /* [..][kv_heads * head_dim] */
  size_t ldq, ldk, ldv;
  const float *cosine, *sine; /* [..][rot / 2] */
  size_t rot;                 /* even, no more than head_dim */
} NevaCudaRotation;
#define NEVA_DECL_CUDA_ROPE_STORE(name)                                        \
  int name (const NevaCudaHeads *host_heads,                                   \
      const NevaCudaRotation *host_rotation, NevaCudaStream stream)
/* q, dst [..][heads * head_dim]; what attention.h says, including which bits
 * depend on what. Classes: sum (F32), relative-to-naive (BF16). */
#define NEVA_DECL_CUDA_ATTENTION(name)                                         \
  int name (const NevaCudaHeads *host_heads, float *dst, size_t ldd,           \
      const float *q, size_t ldq, NevaCudaStream stream)

/* NevaSampleRow of the device: its pointers are these, in bytes from the first
 * row; 0: none. */
typedef struct {
  NevaSampleRow row;
  uint64_t allowed_at, seen_at;
} NevaCudaSampleRow;

/* sample.h's choice from n rows of logits; of rows whose vocab is 0 dst stays
 * as it is. work [n][2][ldw], ldw no less than any vocab. Class: exact. */
#define NEVA_DECL_CUDA_SAMPLE(name)                                            \
  int name (NevaSampled *dst, const float *logits, size_t ldl,                 \
      const NevaCudaSampleRow *rows, size_t n, uint32_t *work, size_t ldw,     \
      NevaCudaStream stream)

/* A picture (vision/color.h) in a canvas, `left` and `top` pixels from its
 * corner; passed by value to kernels. Rows of packed RGB: planes 1, `order` and
 * `bytes` of a pixel; gray: planes 1 and a table; 4:2:0: planes 2 (interleaved)
 * or 3, samples of `bytes` and `shift` as in image.h. */
typedef struct {
  const uint8_t *plane[3]; /* device */
  int64_t stride[3];       /* bytes; may be < 0 */
  uint32_t width, height, left, top;
  uint32_t planes, bytes, shift;
  uint8_t order[3], pad[3];
  bool gray, interleaved, h_cosited, v_cosited;
  NevaYuvMatrix matrix;
  uint8_t gray_table[256];
} NevaCudaPicture;

/* dst [3][rows][columns]: pixels from (x0, y0) of the canvas, pad colour around
 * the picture; yuv_to_rgb of image.h over chroma_mix. Class: exact. */
#define NEVA_DECL_CUDA_PICTURE_RGB(name)                                       \
  int name (uint8_t *dst, const NevaCudaPicture *host_picture, uint32_t x0,    \
      uint32_t y0, uint32_t columns, uint32_t rows, NevaCudaStream stream)

/* image.h's resample of three channels, anywhere in memory: output o of a lane
 * is dst[c dst_channel + o dst_step + lane dst_lane], inputs likewise; there
 * are `inputs` of them, weights of those beyond are zero. Class: exact. */
typedef struct {
  const uint32_t *first; /* [n], device */
  const int8_t *digits;  /* [n][groups][3][4], device */
  size_t n, groups, inputs, lanes;
  size_t dst_channel, dst_step, dst_lane;
  size_t src_channel, src_step, src_lane;
} NevaCudaResample;
#define NEVA_DECL_CUDA_RESAMPLE(name)                                          \
  int name (uint8_t *dst, const uint8_t *src,                                  \
      const NevaCudaResample *host_plan, NevaCudaStream stream)

/* rgb [frames][side][side][3] through table [3][256] to rows of patches, dst
 * [frames][grid][grid][3][patch][patch], grid = side / patch. Class: exact. */
#define NEVA_DECL_CUDA_PATCHES(name)                                           \
  int name (float *dst, const uint8_t *rgb, const float *table, size_t frames, \
      size_t side, size_t patch, NevaCudaStream stream)

/* Every launcher, once: X (field, declaration). */
#define NEVA_CUDA_LAUNCHERS(X)                                                 \
  X (rms_norm, RMS_NORM)                                                       \
  X (layer_norm, LAYER_NORM)                                                   \
  X (rope, ROPE)                                                               \
  X (add, ADD)                                                                 \
  X (act_mul, ACT_MUL)                                                         \
  X (copy_rows, COPY_ROWS)                                                     \
  X (add_rows, ADD_ROWS)                                                       \
  X (gather, GATHER)                                                           \
  X (to_bf16, TO_BF16)                                                         \
  X (epilogue, EPILOGUE)                                                       \
  X (matvec, MATVEC)                                                           \
  X (matvec_gated, MATVEC_GATED)                                               \
  X (act_prepare, ACT_PREPARE)                                                 \
  X (matmul_groups, MATMUL_GROUPS)                                             \
  X (matmul_e4m3, MATMUL_E4M3)                                                 \
  X (to_e4m3, TO_E4M3)                                                         \
  X (kv_store, KV_STORE)                                                       \
  X (rope_store, ROPE_STORE)                                                   \
  X (attention, ATTENTION)                                                     \
  X (sample, SAMPLE)                                                           \
  X (picture_rgb, PICTURE_RGB)                                                 \
  X (resample, RESAMPLE)                                                       \
  X (patches, PATCHES)

#define NEVA_CUDA_DECLARE(field, DECL)                                         \
  NEVA_DECL_CUDA_##DECL (neva_cuda_##field);
NEVA_CUDA_LAUNCHERS (NEVA_CUDA_DECLARE)
#undef NEVA_CUDA_DECLARE

/* ---- Runtime and libraries ---------------------------------------------- */

/* cuBLAS, on one stream. */
typedef struct NevaCudaBlas NevaCudaBlas;
/* One rank's end of an NCCL communicator. */
typedef struct NevaCudaNccl NevaCudaNccl;
#define NEVA_CUDA_NCCL_ID 128 /* bytes */

typedef struct {
  /* in words; until the thread's next call of error_text () */
  const char *(*error_text) (int status);
  /* 0 and *count, or why there is none */
  int (*device_count) (int *count);
  /* CUDA's version that the driver is for, 13000 for 13.0; 0: no driver */
  int (*driver_version) (int *version);
  int (*set_device) (int device);
  /* the driver's context (CUcontext) in which this thread's calls run */
  int (*context) (void **context);
  int (*memory_info) (size_t *free_bytes, size_t *total);
  /* compute capability in tenths: 90 for 9.0 */
  int (*capability) (int device, int *tenths);

  int (*alloc) (void **memory, size_t bytes); /* aligned to 256 */
  int (*release) (void *memory);
  /* In the order of the stream: unlike the two above they never wait for
   * another GPU of the process. Not for buffers of NCCL, which other GPUs
   * reach; what one of them made the other ends. */
  int (*alloc_ordered) (void **memory, size_t bytes, NevaCudaStream stream);
  int (*release_ordered) (void *memory, NevaCudaStream stream);
  int (*host_alloc) (void **memory, size_t bytes); /* pinned */
  int (*host_release) (void *memory);
  int (*set) (void *dst, int value, size_t bytes, NevaCudaStream stream);
  /* host memory that is not pinned: finished with when the call returns */
  int (*upload) (
      void *dst, const void *host, size_t bytes, NevaCudaStream stream);
  int (*download) (
      void *host, const void *src, size_t bytes, NevaCudaStream stream);
  int (*copy) (void *dst, const void *src, size_t bytes, NevaCudaStream stream);
  /* the same from memory that belongs to another context */
  int (*copy_from) (void *dst, const void *src, void *src_context, size_t bytes,
      NevaCudaStream stream);

  int (*stream_new) (NevaCudaStream *stream);
  int (*stream_free) (NevaCudaStream stream);
  int (*stream_wait) (NevaCudaStream stream); /* the host waits */
  /* 0: all is done; NEVA_CUDA_NOT_READY; or what failed */
  int (*stream_query) (NevaCudaStream stream);
  int (*event_new) (NevaCudaEvent *event);
  int (*event_free) (NevaCudaEvent event);
  int (*event_record) (NevaCudaEvent event, NevaCudaStream stream);
  int (*event_wait) (NevaCudaEvent event); /* the host waits */
  int (*event_ms) (float *ms, NevaCudaEvent start, NevaCudaEvent end);

  /* What is queued between begin and end becomes a graph instead of running. */
  int (*capture_begin) (NevaCudaStream stream);
  int (*capture_end) (NevaCudaStream stream, NevaCudaGraph *graph);
  int (*graph_launch) (NevaCudaGraph graph, NevaCudaStream stream);
  int (*graph_free) (NevaCudaGraph graph);

  int (*blas_new) (NevaCudaBlas **blas, NevaCudaStream stream);
  void (*blas_free) (NevaCudaBlas *blas);
  /* dst [m][n] (+)= x [m][k] W [n][k]^T: x and W are F32 or BF16, sums f32. */
  int (*blas_gemm) (NevaCudaBlas *blas, float *dst, size_t ldd, const void *x,
      size_t ldx, const void *w, NevaDType type, size_t m, size_t n, size_t k,
      bool add);

  /* NCCL is loaded when first asked for: 0, or why it cannot be. One rank makes
   * the id (a thread of its process listens from then on), all make the
   * communicator with it, each on its own device and all at once: nccl_new ()
   * and nccl_free () wait for the others, for ever when one is lost. Calls are
   * queued; all ranks make the same ones in the same order. */
  int (*nccl_load) (void);
  int (*nccl_id) (char *host_id);
  int (*nccl_new) (
      NevaCudaNccl **nccl, const char *host_id, int size, int rank);
  /* abort: without waiting for others; what is queued ends */
  void (*nccl_free) (NevaCudaNccl *nccl, bool abort);
  /* what went wrong since, or 0; never waits */
  int (*nccl_error) (NevaCudaNccl *nccl);
  int (*nccl_all_reduce) (
      NevaCudaNccl *nccl, float *x, size_t n, NevaCudaStream stream);
  int (*nccl_all_gather) (NevaCudaNccl *nccl, void *dst, const void *src,
      size_t bytes, NevaCudaStream stream);
  int (*nccl_broadcast) (NevaCudaNccl *nccl, void *data, size_t bytes, int root,
      NevaCudaStream stream);
  int (*nccl_send) (NevaCudaNccl *nccl, const void *src, size_t bytes, int to,
      NevaCudaStream stream);
  int (*nccl_recv) (NevaCudaNccl *nccl, void *dst, size_t bytes, int from,
      NevaCudaStream stream);
} NevaCudaRuntime;

#define NEVA_CUDA_FIELD(field, DECL) NEVA_DECL_CUDA_##DECL ((*field));
typedef struct {
  NevaCudaRuntime run;
  NEVA_CUDA_LAUNCHERS (NEVA_CUDA_FIELD)
} NevaCudaApi;
#undef NEVA_CUDA_FIELD

/* The table, or NULL when the library was built for another `size`. */
#define NEVA_CUDA_SYMBOL "neva_cuda_api"
__attribute__ ((visibility ("default"))) const NevaCudaApi *neva_cuda_api (
    size_t size);
typedef const NevaCudaApi *(*NevaCudaApiFunc) (size_t size);

#ifdef __cplusplus
}
#endif

#endif /* NEVA_CUDA_API_H */
