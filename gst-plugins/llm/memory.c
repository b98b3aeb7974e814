/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "memory.h"
#include "text.h"

#define DEFAULT_TOKENS 256
#define MAX_CAPTIONS 64
#define MAX_ENTRIES 4096 /* of all prompts together */

typedef struct {
  char *prompt_id, *line;
  guint epoch;
} Entry;

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->prompt_id);
  g_free (entry->line);
  g_free (entry);
}

void
gst_neva_llm_memory_init (GstNevaLlmMemory *memory)
{
  g_queue_init (&memory->entries);
}

void
gst_neva_llm_memory_clear (GstNevaLlmMemory *memory)
{
  g_queue_clear_full (&memory->entries, entry_free);
}

static gboolean
is_of (const Entry *entry, const char *prompt_id, guint epoch)
{
  return entry->epoch == epoch && g_str_equal (entry->prompt_id, prompt_id);
}

void
gst_neva_llm_memory_add (GstNevaLlmMemory *memory, const char *prompt_id,
    guint epoch, GstClockTime start, GstClockTime end, const char *text,
    guint most)
{
  Entry *added = g_new0 (Entry, 1);
  guint n = 0;

  *added = (Entry){
      g_strdup (prompt_id), gst_neva_text_remember (start, end, text), epoch};
  g_queue_push_tail (&memory->entries, added);
  /* those of prompts that are asked no more */
  if (memory->entries.length > MAX_ENTRIES)
    entry_free (g_queue_pop_head (&memory->entries));
  for (GList *l = memory->entries.tail, *before; l; l = before) {
    Entry *entry = l->data;

    before = l->prev;
    if (is_of (entry, prompt_id, epoch) ? ++n > most : entry->epoch != epoch) {
      g_queue_delete_link (&memory->entries, l);
      entry_free (entry);
    }
  }
}

GPtrArray *
gst_neva_llm_memory_recall (const GstNevaLlmMemory *memory,
    const char *prompt_id, guint epoch, guint most)
{
  GPtrArray *lines = g_ptr_array_new_with_free_func (g_free);

  for (GList *l = memory->entries.tail; l && lines->len < most; l = l->prev) {
    const Entry *entry = l->data;

    if (is_of (entry, prompt_id, epoch))
      g_ptr_array_insert (lines, 0, g_strdup (entry->line));
  }
  return lines;
}

guint
gst_neva_llm_memory_count (const GstNevaLlmMemory *memory)
{
  return memory->entries.length;
}

/* ---- Properties ---- */

enum { PROP_MEMORY = GST_NEVA_LLM_FIRST_MEMORY, PROP_TOKENS };

void
gst_neva_llm_memory_settings_init (GstNevaLlmMemorySettings *settings)
{
  *settings = (GstNevaLlmMemorySettings){.tokens = DEFAULT_TOKENS};
}

gboolean
gst_neva_llm_memory_settings_set (
    GstNevaLlmMemorySettings *settings, guint id, const GValue *value)
{
  switch (id) {
    case PROP_MEMORY:
      settings->captions = g_value_get_uint (value);
      return TRUE;
    case PROP_TOKENS:
      settings->tokens = g_value_get_uint (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
gst_neva_llm_memory_settings_get (
    const GstNevaLlmMemorySettings *settings, guint id, GValue *value)
{
  switch (id) {
    case PROP_MEMORY:
      g_value_set_uint (value, settings->captions);
      return TRUE;
    case PROP_TOKENS:
      g_value_set_uint (value, settings->tokens);
      return TRUE;
    default:
      return FALSE;
  }
}

void
gst_neva_llm_memory_settings_install (GObjectClass *klass)
{
  const GParamFlags playing =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_MEMORY,
      g_param_spec_uint ("memory", "Memory",
          "Captions of earlier clips that a prompt holds, with their times: "
          "where it says {memory}, else in front of it; 0 = none. One clip is "
          "then asked about at a time",
          0, MAX_CAPTIONS, 0, playing));
  g_object_class_install_property (klass, PROP_TOKENS,
      g_param_spec_uint ("memory-tokens", "Memory tokens",
          "What memory may add to a prompt, in tokens; the oldest captions are "
          "left out first",
          0, G_MAXINT, DEFAULT_TOKENS, playing));
}
