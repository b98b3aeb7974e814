/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which keys of model_config.yaml mean something here. */
#ifndef NEVA_NEMO_KEYS_H
#define NEVA_NEMO_KEYS_H

#include <json-glib/json-glib.h>

/* Says at debug level which keys are not looked at: dead ones, those of
 * training, those of other versions. `name` is the file, for the message. */
void neva_nemo_keys_list (JsonObject *config, const char *name);

#endif /* NEVA_NEMO_KEYS_H */
