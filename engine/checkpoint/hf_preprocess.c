/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image processor settings. What transformers fills in when a key is missing
 * depends on the processor's class: CLIP keeps the aspect and crops, SigLIP
 * stretches. */
#include "config.h"
#include "hf_preprocess.h"
#include "hf_reader.h"
#include "json_file.h"

#define MAX_BYTES (1u << 20)
#define MAX_PIXELS 8192
#define BICUBIC 3 /* Pillow's number */

static const float clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
static const float clip_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
static const float half[3] = {0.5f, 0.5f, 0.5f};

static void
read_rgb (const NevaHfReader *r, const char *key, const float def[3],
    gboolean positive, double value[3])
{
  JsonNode *node = neva_hf_node (r, key);
  JsonArray *array =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; i < 3; i++)
    value[i] = def[i];
  if (!node)
    return;
  if (!array || json_array_get_length (array) != 3)
    goto bad;
  for (guint i = 0; i < 3; i++) {
    if (!neva_hf_node_double (json_array_get_element (array, i), &value[i]) ||
        value[i] < (positive ? 1e-6 : -1e6) || value[i] > 1e6)
      goto bad;
  }
  return;

bad:
  neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE, "three %snumbers are expected",
      positive ? "positive " : "");
}

/* N, {"shortest_edge": N} or {"height": H, "width": W}. */
static void
read_size (const NevaHfReader *r, gboolean square, guint def, NevaPreprocess *p)
{
  JsonNode *node = neva_hf_node (r, "size");
  NevaHfReader size;

  p->mode = square ? NEVA_RESIZE_EXACT : NEVA_RESIZE_SHORTEST;
  p->width = p->height = p->shortest_edge = def;
  if (!node)
    return;
  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    p->width = p->height = p->shortest_edge =
        (guint) neva_hf_int (r, "size", def, 1, MAX_PIXELS);
    return;
  }
  size = neva_hf_child (r, "size", "size.");
  if (neva_hf_has (&size, "shortest_edge")) {
    p->mode = NEVA_RESIZE_SHORTEST;
    p->shortest_edge =
        (guint) neva_hf_int (&size, "shortest_edge", def, 1, MAX_PIXELS);
    if (neva_hf_has (&size, "longest_edge"))
      neva_hf_fail (&size, "longest_edge", NEVA_ERROR_UNSUPPORTED,
          "not supported together with shortest_edge");
  } else if (neva_hf_has (&size, "height") && neva_hf_has (&size, "width")) {
    p->mode = NEVA_RESIZE_EXACT;
    p->height = (guint) neva_hf_int (&size, "height", def, 1, MAX_PIXELS);
    p->width = (guint) neva_hf_int (&size, "width", def, 1, MAX_PIXELS);
  } else {
    neva_hf_fail (r, "size", NEVA_ERROR_UNSUPPORTED,
        "shortest_edge, or height and width, is expected");
  }
}

static void
read_crop (const NevaHfReader *r, guint def, guint *width, guint *height)
{
  JsonNode *node = neva_hf_node (r, "crop_size");

  *width = *height = def;
  if (node && JSON_NODE_HOLDS_OBJECT (node)) {
    const NevaHfReader crop = neva_hf_child (r, "crop_size", "crop_size.");

    *height = (guint) neva_hf_int (&crop, "height", def, 1, MAX_PIXELS);
    *width = (guint) neva_hf_int (&crop, "width", def, 1, MAX_PIXELS);
  } else {
    *width = *height = (guint) neva_hf_int (r, "crop_size", def, 1, MAX_PIXELS);
  }
}

/* Resize and crop; the result must be the tower's square. */
static void
read_geometry (
    const NevaHfReader *r, gboolean siglip, guint image_size, NevaPreprocess *p)
{
  guint crop_width, crop_height;

  if (!neva_hf_bool (r, "do_resize", TRUE))
    neva_hf_fail (
        r, "do_resize", NEVA_ERROR_UNSUPPORTED, "false is not supported");
  if (neva_hf_int (r, "resample", BICUBIC, 0, 5) != BICUBIC)
    neva_hf_fail (r, "resample", NEVA_ERROR_UNSUPPORTED,
        "only %d (bicubic) is supported", BICUBIC);
  read_size (r, siglip, 224, p);
  p->center_crop = !siglip && neva_hf_bool (r, "do_center_crop", TRUE);
  read_crop (r, 224, &crop_width, &crop_height);

  if (p->mode == NEVA_RESIZE_SHORTEST) {
    if (!p->center_crop)
      neva_hf_fail (r, "do_center_crop", NEVA_ERROR_UNSUPPORTED,
          "false with size.shortest_edge gives pictures that are not square");
    p->width = crop_width;
    p->height = crop_height;
  } else if (p->center_crop) {
    if (crop_width != p->width || crop_height != p->height)
      neva_hf_fail (r, "crop_size", NEVA_ERROR_UNSUPPORTED,
          "differs from size: %u×%u, %u×%u", crop_width, crop_height, p->width,
          p->height);
    p->center_crop = FALSE; /* nothing is left to cut */
  }
  if (p->width != image_size || p->height != image_size)
    neva_hf_fail (r, p->mode == NEVA_RESIZE_EXACT ? "size" : "crop_size",
        NEVA_ERROR_UNSUPPORTED,
        "pictures become %u×%u, the vision tower takes %u×%u", p->width,
        p->height, image_size, image_size);
}

static void
read_preprocess (const NevaHfReader *r, NevaConfig *config)
{
  NevaPreprocess *p = &config->preprocess;
  const char *type = neva_hf_string (r, "image_processor_type", "");
  gboolean siglip = config->tower.kind == NEVA_TOWER_SIGLIP;
  double mean[3], std[3];

  if (g_str_has_prefix (type, "Siglip"))
    siglip = TRUE;
  else if (g_str_has_prefix (type, "CLIP") || g_str_has_prefix (type, "Llava"))
    siglip = FALSE;
  else if (*type)
    neva_hf_fail (r, "image_processor_type", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported", type);

  /* the file has no key for the crop's rounding: extras.h may have said it */
  *p = (NevaPreprocess){.round_crop = p->round_crop};
  read_geometry (r, siglip, config->tower.image_size, p);
  read_rgb (r, "image_mean", siglip ? half : clip_mean, FALSE, mean);
  read_rgb (r, "image_std", siglip ? half : clip_std, TRUE, std);
  p->pad =
      g_str_has_prefix (type, "Llava") && neva_hf_bool (r, "do_pad", FALSE);
  p->rescale =
      neva_hf_bool (r, "do_rescale", TRUE)
          ? neva_hf_double (r, "rescale_factor", 1.0 / 255.0, 1e-6, 1e6)
          : 1.0;
  for (guint i = 0; i < 3; i++) {
    const gboolean normalize = neva_hf_bool (r, "do_normalize", TRUE);

    p->mean[i] = normalize ? (float) mean[i] : 0.0f;
    p->std[i] = normalize ? (float) std[i] : 1.0f;
    p->pad_color[i] = (guint8) CLAMP (mean[i] * 255.0, 0.0, 255.0);
  }
}

gboolean
neva_hf_preprocess_read (const char *folder, NevaConfig *config, GError **error)
{
  const char *name = "preprocessor_config.json";
  g_autofree char *file = g_build_filename (folder, name, NULL);
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) fault = NULL;
  NevaHfReader r = {NULL, file, "", &fault};

  if (g_file_test (file, G_FILE_TEST_EXISTS)) {
    root = neva_json_file_read (folder, name, MAX_BYTES, &fault);
    if (root) {
      r.object = json_node_get_object (root);
      read_preprocess (&r, config);
    }
  } else if ((root = neva_json_file_read (
                  folder, "processor_config.json", MAX_BYTES, NULL))) {
    NevaHfReader inner;

    g_free (file);
    r.file = file = g_build_filename (folder, "processor_config.json", NULL);
    r.object = json_node_get_object (root);
    inner = neva_hf_child (&r, "image_processor", "image_processor.");
    if (!inner.object)
      neva_hf_fail (&r, "image_processor", NEVA_ERROR_BAD_FILE,
          "missing, and there is no %s", name);
    read_preprocess (&inner, config);
  } else {
    g_set_error (
        &fault, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: no such file", file);
  }
  if (fault) {
    g_propagate_error (error, g_steal_pointer (&fault));
    return FALSE;
  }
  return TRUE;
}

void
neva_hf_preprocess_torchvision (NevaConfig *config)
{
  const guint side = config->tower.image_size;
  NevaPreprocess *p = &config->preprocess;

  *p = (NevaPreprocess){.mode = NEVA_RESIZE_SHORTEST,
      .width = side,
      .height = side,
      .shortest_edge = side,
      .center_crop = TRUE,
      .round_crop = TRUE,
      .rescale = 1.0 / 255.0};
  for (guint i = 0; i < 3; i++) {
    p->mean[i] = clip_mean[i];
    p->std[i] = clip_std[i];
    p->pad_color[i] = (guint8) (clip_mean[i] * 255.0f);
  }
}
