/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The captions of earlier clips, which a prompt may hold so that its answer can
 * say what has changed. Each prompt remembers its own. Nothing here locks.
 *
 * A caption belongs to the epoch in which its clip began; epochs end when what
 * was said is to be forgotten, and clips do not see those of another one. */
#ifndef GST_NEVA_LLM_MEMORY_H
#define GST_NEVA_LLM_MEMORY_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  guint captions; /* 0: nothing is remembered */
  guint tokens;   /* that they may add to a prompt */
} GstNevaLlmMemorySettings;

typedef struct {
  GQueue entries; /* oldest first */
} GstNevaLlmMemory;

void gst_neva_llm_memory_init (GstNevaLlmMemory *memory);
/* Forgets everything. */
void gst_neva_llm_memory_clear (GstNevaLlmMemory *memory);
/* The caption `text` of a clip [start, end), in stream time. Of its prompt and
 * epoch the newest `most` are kept, of earlier epochs none. */
void gst_neva_llm_memory_add (GstNevaLlmMemory *memory, const char *prompt_id,
    guint epoch, GstClockTime start, GstClockTime end, const char *text,
    guint most);
/* The newest `most` captions as lines of a prompt, oldest first. (transfer
 * full) (element-type utf8) */
GPtrArray *gst_neva_llm_memory_recall (const GstNevaLlmMemory *memory,
    const char *prompt_id, guint epoch, guint most);
guint gst_neva_llm_memory_count (const GstNevaLlmMemory *memory);

/* ---- The properties memory and memory-tokens ---- */

#define GST_NEVA_LLM_FIRST_MEMORY 180

void gst_neva_llm_memory_settings_init (GstNevaLlmMemorySettings *settings);
void gst_neva_llm_memory_settings_install (GObjectClass *klass);
/* Returns: FALSE if the id is none of these. */
gboolean gst_neva_llm_memory_settings_set (
    GstNevaLlmMemorySettings *settings, guint id, const GValue *value);
gboolean gst_neva_llm_memory_settings_get (
    const GstNevaLlmMemorySettings *settings, guint id, GValue *value);

G_END_DECLS

#endif /* GST_NEVA_LLM_MEMORY_H */
