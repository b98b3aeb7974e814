/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevaerror.h"

GST_DEBUG_CATEGORY_STATIC (neva_debug_category);

static void
log_line (GLogLevelFlags level, const char *message, gpointer user_data)
{
  const GstDebugLevel gst_level = level <= G_LOG_LEVEL_WARNING
                                      ? GST_LEVEL_WARNING
                                  : level <= G_LOG_LEVEL_INFO ? GST_LEVEL_INFO
                                                              : GST_LEVEL_DEBUG;

  GST_CAT_LEVEL_LOG (neva_debug_category, gst_level, NULL, "%s", message);
}

void
gst_neva_log_init (void)
{
  GST_DEBUG_CATEGORY_INIT (neva_debug_category, "neva", 0, "NeVA engine");
  neva_set_log_func (log_line, NULL);
}

static void
map_code (const GError *error, GQuark *domain, gint *code)
{
  *domain = GST_LIBRARY_ERROR;
  *code = GST_LIBRARY_ERROR_FAILED;
  if (error->domain != NEVA_ERROR)
    return;

  switch ((NevaError) error->code) {
    case NEVA_ERROR_NOT_FOUND:
      *domain = GST_RESOURCE_ERROR;
      *code = GST_RESOURCE_ERROR_NOT_FOUND;
      break;
    case NEVA_ERROR_BAD_FILE:
      *domain = GST_RESOURCE_ERROR;
      *code = GST_RESOURCE_ERROR_READ;
      break;
    case NEVA_ERROR_UNSUPPORTED:
      *domain = GST_LIBRARY_ERROR;
      *code = GST_LIBRARY_ERROR_SETTINGS;
      break;
    case NEVA_ERROR_BAD_INPUT:
      *domain = GST_STREAM_ERROR;
      *code = GST_STREAM_ERROR_FORMAT;
      break;
    case NEVA_ERROR_TOO_LONG:
      *domain = GST_LIBRARY_ERROR;
      *code = GST_LIBRARY_ERROR_SETTINGS;
      break;
    case NEVA_ERROR_DEVICE:
      *domain = GST_RESOURCE_ERROR;
      *code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
      break;
    case NEVA_ERROR_BUSY:
      *domain = GST_RESOURCE_ERROR;
      *code = GST_RESOURCE_ERROR_BUSY;
      break;
    case NEVA_ERROR_CANCELLED:
      break;
    case NEVA_ERROR_NETWORK:
      *domain = GST_RESOURCE_ERROR;
      *code = GST_RESOURCE_ERROR_OPEN_READ;
      break;
  }
}

static void
post (GstElement *element, GstMessageType type, const char *what,
    GstStructure *details, const GError *error)
{
  GQuark domain;
  gint code;
  char *text;

  if (g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED)) {
    g_clear_pointer (&details, gst_structure_free);
    return;
  }
  map_code (error, &domain, &code);
  text = what ? g_strdup_printf ("%s: %s", what, error->message)
              : g_strdup (error->message);
  gst_element_message_full_with_details (element, type, domain, code, text,
      NULL, __FILE__, G_STRFUNC, __LINE__, details);
}

void
gst_neva_post_error (GstElement *element, const char *what, const GError *error)
{
  post (element, GST_MESSAGE_ERROR, what, NULL, error);
}

void
gst_neva_post_warning (
    GstElement *element, const char *what, const GError *error)
{
  post (element, GST_MESSAGE_WARNING, what, NULL, error);
}

void
gst_neva_post_details (GstElement *element, GstMessageType type,
    const char *what, GstStructure *details, const GError *error)
{
  post (element, type, what, details, error);
}
