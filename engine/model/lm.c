/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "lm.h"
#include "moe.h"

#include <math.h>

/* Rows of logits computed at a time: a vocabulary is wide. */
#define LOGITS_BYTES (16u << 20)

typedef struct {
  float *norm1, *norm1_bias, *norm2, *norm2_bias;
  NevaMatrix q, k, v, out, gate, up, down; /* gate: only if gated */
  float *q_bias, *k_bias, *v_bias, *out_bias, *gate_bias, *up_bias, *down_bias;
  NevaMoe moe; /* instead of gate, up, down; n = 0: none */
} Layer;

struct _NevaLm {
  NevaTextConfig c; /* this rank's share */
  NevaShard shard;
  gboolean adds; /* of the ranks of a stage: the one that adds what all have,
                    the residual and biases, before the sum is made */
  NevaRope rope;
  NevaMatrix table, head; /* [vocab, H] */
  float *norm, *norm_bias;
  Layer *layers;
};

/* What moves through the layers: at first all rows of the pass, at the end only
 * those whose logits are wanted. */
typedef struct {
  gsize rows;
  const NevaSpan *spans;
  gsize n_spans;
  float *x;             /* [rows, H] */
  float *h;             /* [rows, H] */
  float *cosine, *sine; /* [rows, rot/2] */
} Flow;

typedef struct {
  Flow all, wanted;
  float *q, *attended; /* [rows, heads * head_dim] */
  float *k, *v;        /* [rows, kv_heads * head_dim] */
  float *ffn;          /* [rows, ffn] */
  float *logits;       /* [logit_rows, vocab] of a rank's share */
  gsize logit_rows;
  NevaSampled *sampled; /* [logit_rows] */
  NevaMoeScratch moe;
} Scratch;

static void
load_layer (const NevaLm *d, NevaWeightStore *s, guint i, Layer *l)
{
  const NevaTextConfig *c = &d->c;
  const gsize h = c->hidden, f = c->ffn;
  const gsize q = (gsize) c->heads * c->head_dim;
  const gsize kv = (gsize) c->kv_heads * c->head_dim;
  const gboolean layer_norm = c->norm != NEVA_NORM_RMS;
  const float plus = c->norm == NEVA_NORM_LAYER_1P ? 1.0f : 0.0f;
  const gboolean mlp_bias = c->mlp_bias && !c->experts;

#define VECTOR(wanted, n, offset, name)                                        \
  neva_weights_vector (                                                        \
      s, wanted, n, offset, NEVA_PART_TEXT, "layers.%u." name, i)
#define PART(wanted, n, name)                                                  \
  neva_weights_vector_part (s, wanted, n, NEVA_PART_TEXT, "layers.%u." name, i)
#define MATRIX(m, split, n, k, name)                                           \
  neva_weights_matrix_part (s, m, NEVA_ROLE_TEXT, NEVA_SPLIT_##split, n, k,    \
      NEVA_PART_TEXT, "layers.%u." name, i)
  l->norm1 = VECTOR (TRUE, h, plus, "input_layernorm.weight");
  l->norm1_bias = VECTOR (layer_norm, h, 0, "input_layernorm.bias");
  l->norm2 = VECTOR (TRUE, h, plus, "post_attention_layernorm.weight");
  l->norm2_bias = VECTOR (layer_norm, h, 0, "post_attention_layernorm.bias");
  MATRIX (&l->q, ROWS, q, h, "self_attn.q_proj.weight");
  MATRIX (&l->k, ROWS, kv, h, "self_attn.k_proj.weight");
  MATRIX (&l->v, ROWS, kv, h, "self_attn.v_proj.weight");
  MATRIX (&l->out, COLUMNS, h, q, "self_attn.o_proj.weight");
  if (c->experts) {
    neva_moe_load (&l->moe, c, i, s);
  } else {
    if (c->gated)
      MATRIX (&l->gate, ROWS, f, h, "mlp.gate_proj.weight");
    MATRIX (&l->up, ROWS, f, h, "mlp.up_proj.weight");
    MATRIX (&l->down, COLUMNS, h, f, "mlp.down_proj.weight");
  }
  l->q_bias = PART (c->qkv_bias, q, "self_attn.q_proj.bias");
  l->k_bias = PART (c->qkv_bias, kv, "self_attn.k_proj.bias");
  l->v_bias = PART (c->qkv_bias, kv, "self_attn.v_proj.bias");
  l->out_bias = VECTOR (c->out_bias && d->adds, h, 0, "self_attn.o_proj.bias");
  l->gate_bias = PART (mlp_bias && c->gated, f, "mlp.gate_proj.bias");
  l->up_bias = PART (mlp_bias, f, "mlp.up_proj.bias");
  l->down_bias = VECTOR (mlp_bias && d->adds, h, 0, "mlp.down_proj.bias");
#undef VECTOR
#undef PART
#undef MATRIX
}

NevaLm *
neva_lm_load (
    const NevaTextConfig *whole, const NevaShard *shard, NevaWeightStore *s)
{
  NevaLm *d = g_new0 (NevaLm, 1);
  const NevaTextConfig *c = &d->c;
  const float plus = whole->norm == NEVA_NORM_LAYER_1P ? 1.0f : 0.0f;

  d->c = neva_shard_config (whole, shard);
  d->shard = *shard;
  d->adds = shard->part == 0;
  neva_rope_init (&d->rope, c);
  neva_weights_set_rank (s, shard->part, shard->tp);
  if (neva_shard_first_stage (shard))
    neva_weights_matrix_part (s, &d->table, NEVA_ROLE_TABLE, NEVA_SPLIT_ROWS,
        c->vocab, c->hidden, NEVA_PART_TEXT, "embed_tokens.weight");
  d->layers = g_new0 (Layer, c->layers);
  for (guint i = 0; i < c->layers; i++)
    load_layer (d, s, shard->stage * c->layers + i, &d->layers[i]);
  if (!neva_shard_last_stage (shard))
    return d;
  d->norm = neva_weights_vector (
      s, TRUE, c->hidden, plus, NEVA_PART_TEXT, "norm.weight");
  d->norm_bias = neva_weights_vector (
      s, c->norm != NEVA_NORM_RMS, c->hidden, 0, NEVA_PART_TEXT, "norm.bias");
  neva_weights_head (s, &d->head, c->vocab, c->hidden, c->tied_embeddings);
  return d;
}

void
neva_lm_free (NevaLm *d)
{
  if (!d)
    return;
  neva_rope_clear (&d->rope);
  for (guint i = 0; i < d->c.layers; i++)
    neva_moe_clear (&d->layers[i].moe);
  g_free (d->layers);
  g_free (d);
}

void
neva_lm_round_rotary (NevaLm *d)
{
  neva_rope_round_bf16 (&d->rope);
}

static Flow
take_flow (const NevaLm *d, NevaArena *a, gsize rows)
{
  Flow f = {.rows = rows};

  f.x = neva_arena_floats (a, rows * d->c.hidden);
  f.h = neva_arena_floats (a, rows * d->c.hidden);
  f.cosine = neva_arena_floats (a, rows * (d->rope.rot / 2));
  f.sine = neva_arena_floats (a, rows * (d->rope.rot / 2));
  return f;
}

static Scratch
take_scratch (const NevaLm *d, NevaArena *a, gsize rows)
{
  const NevaTextConfig *c = &d->c;
  const gsize q = (gsize) c->heads * c->head_dim;
  const gsize kv = (gsize) c->kv_heads * c->head_dim;
  Scratch s;

  s.all = take_flow (d, a, rows);
  s.wanted = take_flow (d, a, rows);
  s.q = neva_arena_floats (a, rows * q);
  s.attended = neva_arena_floats (a, rows * q);
  s.k = neva_arena_floats (a, rows * kv);
  s.v = neva_arena_floats (a, rows * kv);
  s.ffn = neva_arena_floats (a, rows * c->ffn);
  s.logit_rows = CLAMP (LOGITS_BYTES / (c->vocab * sizeof (float)), 1, rows);
  s.logits = neva_arena_floats (a, s.logit_rows * c->vocab);
  s.sampled = neva_arena_take (a, s.logit_rows * sizeof *s.sampled);
  s.moe = neva_moe_scratch (c, a, rows);
  return s;
}

gsize
neva_lm_batch (const NevaLm *d, gsize bytes, gsize most)
{
  const gsize step = 64;
  NevaArena one = {0}, two = {0};

  /* the difference leaves out what does not grow with the rows */
  take_scratch (d, &one, 1024);
  take_scratch (d, &two, 1024 + step);
  return CLAMP (bytes / (two.peak - one.peak), 1, most / step) * step;
}

static void
norm (const NevaLm *d, NevaBackend *b, float *dst, const float *x,
    const float *w, const float *bias, gsize rows)
{
  if (d->c.norm == NEVA_NORM_RMS)
    neva_backend_rms_norm (b, dst, x, w, rows, d->c.hidden, d->c.eps);
  else
    neva_backend_layer_norm (b, dst, x, w, bias, rows, d->c.hidden, d->c.eps);
}

/* Runs of ids in one go. Of a shared vocabulary a rank knows its own rows. */
static void
embed_ids (const NevaLm *d, NevaBackend *b, const Scratch *s, const gint32 *ids,
    gsize row, gsize n)
{
  const gsize hidden = d->c.hidden;
  const gint32 first = (gint32) (d->shard.part * d->c.vocab);
  const gint32 end = first + (gint32) d->c.vocab;
  g_autofree gint32 *own = g_new (gint32, n);
  gsize r = 0;

  while (r < n) {
    gsize count = 0;

    while (r < n && (ids[r] < first || ids[r] >= end))
      r++;
    while (r + count < n && ids[r + count] >= first && ids[r + count] < end) {
      own[count] = ids[r + count] - first;
      count++;
    }
    if (count)
      neva_backend_gather (
          b, s->all.x + (row + r) * hidden, hidden, &d->table, own, count);
    r += count;
  }
}

/* Rows from `r` on that lie behind each other: a frame's do. */
static gsize
features_in_a_row (const NevaPass *pass, gsize r, gsize hidden)
{
  gsize n = 1;

  while (r + n < pass->rows &&
         pass->features[r + n] == pass->features[r] + n * hidden)
    n++;
  return n;
}

/* Word rows by id, feature rows from the leader's host. */
static void
embed (const NevaLm *d, NevaBackend *b, const Scratch *s, const NevaPass *pass)
{
  const gsize hidden = d->c.hidden;
  float *x = s->all.x;

  if (d->shard.stage_comm)
    neva_backend_clear (b, x, pass->rows * hidden * sizeof (float));
  for (gsize r = 0; r < pass->rows;) {
    gsize end = r;

    while (end < pass->rows && !(pass->features && pass->features[end]))
      end++;
    embed_ids (d, b, s, pass->ids + r, r, end - r);
    for (r = end; r < pass->rows && pass->features && pass->features[r];) {
      const gsize n = features_in_a_row (pass, r, hidden);

      neva_backend_upload (
          b, x + r * hidden, pass->features[r], n * hidden * sizeof (float));
      r += n;
    }
  }
  if (d->shard.stage_comm)
    neva_comm_all_reduce (d->shard.stage_comm, b, x, pass->rows * hidden);
}

/* Each rank of a stage hands its copy to the rank with the same part. */
static void
from_stage_before (
    const NevaLm *d, NevaBackend *b, const Scratch *s, gsize rows)
{
  NevaComm *group = d->shard.group;

  neva_comm_recv (group, b, s->all.x, rows * d->c.hidden * sizeof (float),
      group->rank - d->shard.tp);
}

static void
to_stage_after (const NevaLm *d, NevaBackend *b, const Scratch *s, gsize rows)
{
  NevaComm *group = d->shard.group;

  neva_comm_send (group, b, s->all.x, rows * d->c.hidden * sizeof (float),
      group->rank + d->shard.tp);
}

static void
upload_angles (const NevaLm *d, NevaBackend *b, const Flow *f)
{
  const gsize half = d->rope.rot / 2, bytes = f->rows * half * sizeof (float);
  g_autofree float *cosine = g_new (float, f->rows *half + 1);
  g_autofree float *sine = g_new (float, f->rows *half + 1);

  for (gsize i = 0; i < f->n_spans; i++) {
    const NevaSpan *span = &f->spans[i];

    for (gsize r = 0; r < span->rows; r++)
      neva_rope_angles (&d->rope, span->pos0 + r,
          cosine + (span->row + r) * half, sine + (span->row + r) * half);
  }
  neva_backend_upload (b, f->cosine, cosine, bytes);
  neva_backend_upload (b, f->sine, sine, bytes);
}

/* Copies the wanted rows; each becomes a span of its own. `spans` [rows]. */
static void
gather_wanted (const NevaLm *d, NevaBackend *b, Scratch *s,
    const NevaPass *pass, NevaSpan *spans)
{
  const gsize hidden = d->c.hidden, half = d->rope.rot / 2;
  Flow *to = &s->wanted;
  const Flow *from = &s->all;

  to->rows = 0;
  to->spans = spans;
  for (gsize i = 0; i < pass->n_spans; i++) {
    const NevaSpan *span = &pass->spans[i];

    for (gsize r = span->row; r < span->row + span->rows; r++) {
      const gsize n = to->rows;

      if (!pass->wanted[r])
        continue;
      spans[n] = (NevaSpan){
          span->blocks, n, 1, span->pos0 + r - span->row, span->kv_len};
      neva_backend_copy_rows (b, to->x + n * hidden, hidden,
          from->x + r * hidden, hidden, 1, hidden);
      neva_backend_copy_rows (b, to->h + n * hidden, hidden,
          from->h + r * hidden, hidden, 1, hidden);
      neva_backend_copy_rows (b, to->cosine + n * half, half,
          from->cosine + r * half, half, 1, half);
      neva_backend_copy_rows (
          b, to->sine + n * half, half, from->sine + r * half, half, 1, half);
      to->rows++;
    }
  }
  to->n_spans = to->rows;
}

/* q: NULL where it is not there yet. */
static void
store_keys (const NevaLm *d, NevaBackend *b, const Scratch *s,
    const NevaHeads *heads, const Flow *f, float *q)
{
  const gsize dim = d->c.head_dim, kv = d->c.kv_heads * dim;
  const NevaRotation r = {q, s->k, s->v, d->c.heads * dim, kv, kv, f->cosine,
      f->sine, f->rows, d->rope.rot};

  neva_backend_rope_store (b, heads, f->spans, f->n_spans, &r);
}

/* x holds what this rank adds to the residual; afterwards, the residual. */
static void
join_parts (const NevaLm *d, NevaBackend *b, const Flow *f)
{
  if (d->shard.stage_comm)
    neva_comm_all_reduce (d->shard.stage_comm, b, f->x, f->rows * d->c.hidden);
}

static void
attend (const NevaLm *d, NevaBackend *b, const Scratch *s, const Layer *l,
    const NevaHeads *heads, const Flow *f)
{
  const gsize dim = d->c.head_dim, q = d->c.heads * dim;
  const NevaProduct out = {
      &l->out, f->x, d->c.hidden, {.bias = l->out_bias, .add = d->adds}};

  neva_backend_attention (
      b, heads, f->spans, f->n_spans, s->attended, q, s->q, q);
  neva_backend_linear (b, s->attended, q, f->rows, &out, 1);
  join_parts (d, b, f);
}

static void
run_mlp (const NevaLm *d, NevaBackend *b, const Scratch *s, const Layer *l,
    const Flow *f)
{
  const gsize hidden = d->c.hidden, ffn = d->c.ffn;
  const NevaGated gated = {
      &l->gate, &l->up, l->gate_bias, l->up_bias, d->c.act, s->ffn, ffn};
  const NevaProduct up = {
      &l->up, s->ffn, ffn, {.bias = l->up_bias, .act = d->c.act}};
  const NevaProduct down = {
      &l->down, f->x, hidden, {.bias = l->down_bias, .add = d->adds}};

  norm (d, b, f->h, f->x, l->norm2, l->norm2_bias, f->rows);
  if (l->moe.n) {
    if (!d->adds)
      neva_backend_clear (b, f->x, f->rows * hidden * sizeof (float));
    neva_moe_run (&l->moe, &d->c, b, &s->moe, f->x, f->h, s->ffn, f->rows);
    join_parts (d, b, f);
    return;
  }
  if (d->c.gated)
    neva_backend_gated (b, f->h, hidden, f->rows, &gated);
  else
    neva_backend_linear (b, f->h, hidden, f->rows, &up, 1);
  neva_backend_linear (b, s->ffn, ffn, f->rows, &down, 1);
  join_parts (d, b, f);
}

static NevaHeads
layer_heads (const NevaLm *d, guint layer, NevaDType kv)
{
  const NevaTextConfig *c = &d->c;

  return (NevaHeads){.type = kv,
      .heads = c->heads,
      .kv_heads = c->kv_heads,
      .head_dim = c->head_dim,
      .layer = layer,
      .window = c->window_layers[layer] ? c->sliding_window : 0,
      .causal = TRUE,
      .scale = (float) (1.0 / sqrt ((double) c->head_dim))};
}

static void
run_layer (const NevaLm *d, NevaBackend *b, const Scratch *s, guint layer,
    NevaDType kv, const Flow *f)
{
  const Layer *l = &d->layers[layer];
  const NevaHeads heads = layer_heads (d, layer, kv);
  const NevaProduct qkv[] = {{&l->q, s->q, l->q.w.n, {.bias = l->q_bias}},
      {&l->k, s->k, l->k.w.n, {.bias = l->k_bias}},
      {&l->v, s->v, l->v.w.n, {.bias = l->v_bias}}};

  norm (d, b, f->h, f->x, l->norm1, l->norm1_bias, f->rows);
  neva_backend_linear (b, f->h, d->c.hidden, f->rows, qkv, 3);
  store_keys (d, b, s, &heads, f, s->q);
  attend (d, b, s, l, &heads, f);
  run_mlp (d, b, s, l, f);
}

/* The last layer: keys and values of all rows, the rest for wanted rows only. A
 * prompt wants one row of thousands. */
static void
run_last_layer (const NevaLm *d, NevaBackend *b, Scratch *s, NevaDType kv,
    const NevaPass *pass, NevaSpan *spans)
{
  const guint layer = d->c.layers - 1;
  const Layer *l = &d->layers[layer];
  const NevaHeads heads = layer_heads (d, layer, kv);
  const Flow *f = &s->all;
  const NevaProduct both[] = {{&l->k, s->k, l->k.w.n, {.bias = l->k_bias}},
      {&l->v, s->v, l->v.w.n, {.bias = l->v_bias}}};
  const NevaProduct q = {&l->q, s->q, l->q.w.n, {.bias = l->q_bias}};

  norm (d, b, f->h, f->x, l->norm1, l->norm1_bias, f->rows);
  neva_backend_linear (b, f->h, d->c.hidden, f->rows, both, 2);
  store_keys (d, b, s, &heads, f, NULL);
  gather_wanted (d, b, s, pass, spans);
  f = &s->wanted;
  if (!f->rows)
    return;
  neva_backend_linear (b, f->h, d->c.hidden, f->rows, &q, 1);
  neva_backend_rope (b, s->q, q.ldd, f->cosine, f->sine, f->rows, d->c.heads,
      d->c.head_dim, d->rope.rot);
  attend (d, b, s, l, &heads, f);
  run_mlp (d, b, s, l, f);
}

/* Chooses the tokens that the pass asks for from `n` rows of logits in scratch,
 * which are rows `row` [n] of the pass. FALSE: none is asked for. */
static gboolean
choose (NevaBackend *b, const Scratch *s, gsize vocab, const NevaPass *pass,
    const gsize *row, gsize n)
{
  g_autofree NevaSampleRow *rows = NULL;
  gboolean any = FALSE;

  for (gsize i = 0; i < n && pass->sample; i++)
    any = any || pass->sample[row[i]];
  if (!any)
    return FALSE;
  rows = g_new0 (NevaSampleRow, n);
  for (gsize i = 0; i < n; i++)
    if (pass->sample[row[i]])
      rows[i] = *pass->sample[row[i]];
  neva_backend_sample (b, s->sampled, s->logits, vocab, rows, n);
  return TRUE;
}

static void
deliver_chosen (NevaBackend *b, const Scratch *s, const NevaPass *pass,
    const gsize *row, gsize n)
{
  g_autofree NevaSampled *all = g_new (NevaSampled, n);

  neva_backend_download (b, all, s->sampled, n * sizeof *all);
  for (gsize i = 0; i < n; i++)
    if (pass->sample[row[i]])
      *pass->sampled[row[i]] = all[i];
}

/* Columns [column, column + vocab) of wanted rows, from scratch to the host. */
static void
deliver (const NevaLm *d, NevaBackend *b, const Scratch *s, gsize n,
    float *const *to, gsize column)
{
  const gsize vocab = d->c.vocab;

  for (gsize i = 0; i < n; i++)
    if (to[i])
      neva_backend_download (
          b, to[i] + column, s->logits + i * vocab, vocab * sizeof (float));
}

/* The parts of `n` rows from the ranks of the last stage to the leader. */
static void
gather_logits (const NevaLm *d, NevaBackend *b, const Scratch *s, gsize n,
    float *const *to)
{
  const NevaShard *shard = &d->shard;
  const gsize bytes = n * d->c.vocab * sizeof (float);

  for (guint part = 0; part < shard->tp; part++) {
    const guint owner = (shard->pp - 1) * shard->tp + part;

    if (owner != 0 && shard->group->rank == owner)
      neva_comm_send (shard->group, b, s->logits, bytes, 0);
    if (!to)
      continue;
    if (owner != 0)
      neva_comm_recv (shard->group, b, s->logits, bytes, owner);
    deliver (d, b, s, n, to, part * d->c.vocab);
  }
}

static void
write_logits (
    const NevaLm *d, NevaBackend *b, const Scratch *s, const NevaPass *pass)
{
  const gsize vocab = d->c.vocab, hidden = d->c.hidden;
  const gboolean last = neva_shard_last_stage (&d->shard);
  g_autofree float **to = pass->logits ? g_new (float *, pass->rows) : NULL;
  g_autofree gsize *row = g_new (gsize, pass->rows);
  const Flow *f = &s->wanted;
  gsize n_wanted = 0;

  for (gsize r = 0; r < pass->rows; r++) {
    if (pass->wanted[r] && to)
      to[n_wanted] = pass->logits[r];
    row[n_wanted] = r;
    n_wanted += pass->wanted[r];
  }
  if (last && n_wanted)
    norm (d, b, f->h, f->x, d->norm, d->norm_bias, f->rows);
  for (gsize r0 = 0; r0 < n_wanted; r0 += s->logit_rows) {
    const gsize n = MIN (s->logit_rows, n_wanted - r0);
    const NevaProduct product = {&d->head, s->logits, vocab, {0}};

    if (last)
      neva_backend_linear (b, f->h + r0 * hidden, hidden, n, &product, 1);
    if (choose (b, s, vocab, pass, row + r0, n))
      deliver_chosen (b, s, pass, row + r0, n);
    gather_logits (d, b, s, n, to ? to + r0 : NULL);
  }
}

/* What the operations of a pass are made of. */
typedef struct {
  const NevaLm *d;
  NevaBackend *b;
  Scratch *s;
  NevaDType kv;
  const NevaPass *pass;
  NevaSpan *spans; /* [rows] */
  gsize *row;      /* [rows] 0, 1, .. */
} Run;

static void
run_layers (const Run *r)
{
  const NevaLm *d = r->d;
  const NevaPass *pass = r->pass;
  Scratch *s = r->s;

  if (neva_shard_first_stage (&d->shard))
    embed (d, r->b, s, pass);
  else
    from_stage_before (d, r->b, s, pass->rows);
  upload_angles (d, r->b, &s->all);
  for (guint i = 0; i + 1 < d->c.layers; i++)
    run_layer (d, r->b, s, i, r->kv, &s->all);
  if (neva_shard_last_stage (&d->shard)) {
    run_last_layer (d, r->b, s, r->kv, pass, r->spans);
  } else {
    run_layer (d, r->b, s, d->c.layers - 1, r->kv, &s->all);
    to_stage_after (d, r->b, s, pass->rows);
  }
}

/* One token for each of a few sequences, all on one rank: the same operations
 * for every token. */
static gboolean
is_decode (const NevaLm *d, const Scratch *s, const NevaPass *pass)
{
  gboolean decode = d->shard.tp * d->shard.pp == 1 && !d->layers[0].moe.n &&
                    pass->n_spans == pass->rows &&
                    pass->rows <= s->logit_rows && pass->logits;

  for (gsize i = 0; i < pass->rows && decode; i++)
    decode = pass->spans[i].rows == 1 && pass->spans[i].row == i &&
             pass->wanted[i] && !(pass->features && pass->features[i]);
  return decode;
}

static void
decode_step (gpointer data)
{
  const Run *r = data;
  const Flow *f = &r->s->wanted;
  const NevaProduct product = {&r->d->head, r->s->logits, r->d->c.vocab, {0}};

  run_layers (r);
  norm (r->d, r->b, f->h, f->x, r->d->norm, r->d->norm_bias, f->rows);
  neva_backend_linear (r->b, f->h, r->d->c.hidden, f->rows, &product, 1);
  choose (r->b, r->s, r->d->c.vocab, r->pass, r->row, f->rows);
}

static void
run_decode (const Run *r)
{
  const NevaPass *pass = r->pass;
  gboolean chosen = FALSE;

  for (gsize i = 0; i < pass->rows; i++)
    chosen = chosen || (pass->sample && pass->sample[i]);
  neva_backend_step (
      r->b, pass->rows << 1 | (chosen != FALSE), decode_step, (gpointer) r);
  if (chosen)
    deliver_chosen (r->b, r->s, pass, r->row, pass->rows);
  deliver (r->d, r->b, r->s, pass->rows, pass->logits, 0);
}

void
neva_lm_run (const NevaLm *d, NevaBackend *b, NevaArena *arena, NevaDType kv,
    const NevaPass *pass)
{
  Scratch s = take_scratch (d, arena, pass->rows);
  g_autofree NevaSpan *spans = NULL;
  g_autofree gsize *row = NULL;
  Run run = {d, b, &s, kv, pass};

  if (!arena->base)
    return;
  run.spans = spans = g_new (NevaSpan, pass->rows);
  run.row = row = g_new (gsize, pass->rows);
  for (gsize i = 0; i < pass->rows; i++)
    row[i] = i;
  s.all.spans = pass->spans;
  s.all.n_spans = pass->n_spans;
  if (is_decode (d, &s, pass)) {
    run_decode (&run);
    return;
  }
  run_layers (&run);
  write_logits (d, b, &s, pass);
}
