/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of an evaluation run as NeMo's neva_evaluation.py has them: prompt
 * files, media folders and tars, result rows (spec 1.1, 3.4, 4.1-4.6). No model
 * and no decoder in here. */
#ifndef NEVA_EVAL_H
#define NEVA_EVAL_H

#include <neva/request.h>

G_BEGIN_DECLS

/* ---- Media -------------------------------------------------------------- */

/* Where the media files of a data set are: a folder, or a tar when the string
 * ends in ".tar". A tar is indexed once: member name to place, the last of
 * equal names counts, names are compared exactly ("./a.mp4" is not "a.mp4").
 * An archive with a link, an absolute name or ".." in it is refused. Immutable;
 * thread-safe. */
typedef struct _NevaMediaStore NevaMediaStore;

/* A folder need not exist before a file of it is wanted. */
NevaMediaStore *neva_media_store_open (const char *where, GError **error);
void neva_media_store_free (NevaMediaStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaMediaStore, neva_media_store_free)
gsize neva_media_store_members (const NevaMediaStore *store); /* 0: a folder */

/* A file that can be opened by path, any number of times, until it is cleared:
 * in a folder the file itself, of a tar a copy in memory. */
typedef struct {
  char *path;
  gint fd; /* that keeps the copy alive, or -1 */
} NevaMediaFile;

/* name: joined to the folder (an absolute one stays as it is), or a member.
 * file: written on success. NEVA_ERROR_NOT_FOUND, NEVA_ERROR_BAD_FILE. */
gboolean neva_media_store_find (const NevaMediaStore *store, const char *name,
    NevaMediaFile *file, GError **error);
void neva_media_file_clear (NevaMediaFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaMediaFile, neva_media_file_clear)

/* ---- Prompt files ------------------------------------------------------- */

typedef struct {
  NevaMediaType media_type; /* the key that names the file, and the marker */
  NevaInsertMedia insert;
  gboolean add_media_sep; /* with " \n" behind the marker */
} NevaPromptRules;

typedef struct {
  guint line;         /* 1-based; in a .json file the record's number */
  const char *media;  /* the file, as the record names it */
  const char *prompt; /* the user's text with the marker inserted */
  double duration;    /* the record's "duration" in seconds, of LITA's times; 0:
                         it has none */
} NevaPromptRecord;

typedef struct _NevaPromptFile NevaPromptFile;

/* Called for a line that is no record; what() names file and line. */
typedef void (*NevaProblemFunc) (const GError *problem, gpointer user_data);

/* ".jsonl": an object a line, a bad line is reported and left out; ".json": an
 * array of objects; any other suffix is an error. */
NevaPromptFile *neva_prompt_file_read (const char *path,
    const NevaPromptRules *rules, NevaProblemFunc problem, gpointer user_data,
    GError **error);
void neva_prompt_file_free (NevaPromptFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaPromptFile, neva_prompt_file_free)
gsize neva_prompt_file_length (const NevaPromptFile *file);
/* (transfer none): index < length. */
const NevaPromptRecord *neva_prompt_file_get (
    const NevaPromptFile *file, gsize index);

/* Whether this model sees the media at all (spec 3.4): a NeMo model takes one
 * kind of marker, and the nvgpt templates switch to images when the word
 * "video" is nowhere in the text. What the original leaves unseen without a
 * word is NEVA_ERROR_BAD_INPUT here. conv_template: NULL: the model's. */
gboolean neva_prompt_check_marker (const NevaModelInfo *info,
    const char *conv_template, const char *prompt, GError **error);

/* ---- Result rows -------------------------------------------------------- */

typedef struct {
  const char *full_text; /* NULL, of a model that has none: the prompt, a
                            newline and the answer */
  const char *pred_answer, *model_id;
  const NevaAnswer *scores; /* its tokens and log-probabilities are added, which
                               the original's rows do not have; or NULL */
} NevaPromptResult;

/* The record with prompt, full_text, pred_answer, model_id, answer_id and
 * metadata, as json.dumps writes it, on one line without a newline.
 * (transfer full) */
char *neva_prompt_file_row (
    const NevaPromptFile *file, gsize index, const NevaPromptResult *result);

/* A whole output of the rows (as neva_prompt_file_row () makes them): with
 * `array` a JSON array, indented by 2, else lines. (transfer full) */
char *neva_prompt_rows_join (
    const char *const *rows, gsize n_rows, gboolean array);

/* The rows of an earlier output, in its order, each as on one line; what a
 * killed program left of its last one is dropped. (transfer full)
 * (element-type utf8) */
GPtrArray *neva_prompt_rows_read (const char *path, GError **error);

/* Which record a row of an earlier run answers: the same record and prompt by
 * the same model; of several equal ones the first for which done [length] is
 * FALSE. A row that answers none is an error that says why. */
gboolean neva_prompt_file_match (const NevaPromptFile *file, const char *row,
    const char *model_id, const gboolean *done, gsize *index, GError **error);

/* ---- Configurations ----------------------------------------------------- */

/* What Hydra makes of a configuration file and a command line: keys, dotted
 * where mappings are nested, and their values. Not thread-safe. */
typedef struct _NevaSettings NevaSettings;

#define NEVA_MAX_KEY_DEPTH 16

NevaSettings *neva_settings_new (void);
void neva_settings_free (NevaSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaSettings, neva_settings_free)

/* A YAML mapping, in place of all that is there; name: for messages. */
gboolean neva_settings_read (NevaSettings *settings, const char *yaml,
    gsize length, const char *name, GError **error);
/* One argument: key=value, +key=value, ++key=value, ~key or ~key=value. Values
 * have Hydra's grammar; a mapping is merged with the one that is there.
 * NEVA_ERROR_BAD_INPUT; NEVA_ERROR_NOT_FOUND: ~key of a key that nothing has
 * set. */
gboolean neva_settings_override (
    NevaSettings *settings, const char *argument, GError **error);

typedef struct {
  const char *key;   /* dotted */
  const char *json;  /* a scalar or a list, as JSON; ${…} is resolved */
  const char *file;  /* that has it; NULL: the command line */
  gboolean optional; /* FALSE: key=value of a key that no file has. Hydra
                        takes any other, whether it means something or not */
} NevaSetting;

/* FALSE with error set ends the walk. */
typedef gboolean (*NevaSettingFunc) (
    const NevaSetting *setting, gpointer user_data, GError **error);

/* Calls func for each value but "???". An error about a value of a file begins
 * with the file. */
gboolean neva_settings_each (NevaSettings *settings, NevaSettingFunc func,
    gpointer user_data, GError **error);

G_END_DECLS

#endif /* NEVA_EVAL_H */
