/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the Hugging Face folder, or the .nemo, is that a checkpoint names. */
#ifndef NEVA_PRETRAINED_H
#define NEVA_PRETRAINED_H

#include <glib.h>

/* given: a folder, or a name such as "openai/clip-vit-large-patch14-336". Tried
 * in this order: the folder itself if absolute, below the folder `beside`, its
 * last part there, and Hugging Face's cache (HF_HUB_CACHE, HF_HOME,
 * ~/.cache/huggingface). Nothing is downloaded.
 * what: e.g. "vision tower"; whose: the file that names it; both for the
 * message. Returns: (transfer full): NULL with NEVA_ERROR_NOT_FOUND. */
char *neva_pretrained_find (const char *given, const char *beside,
    const char *what, const char *whose, GError **error);

#endif /* NEVA_PRETRAINED_H */
