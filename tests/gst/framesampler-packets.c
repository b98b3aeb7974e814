/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading no more of a file than is looked at: the head of a coded packet tells
 * the same as all of it where it is said to suffice, and buffers of the lazy
 * source hold what the file holds. */
#include "config.h"

#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>
#include <stdlib.h>

#include "lazysrc.h"
#include "packet.h"

#define ROUNDS 20000
#define MAX_SIZE 2048

static guint32 seed;

/* A few NAL units with lengths, seldom broken; returns the packet's size. */
static gsize
write_packet (GRand *rand, const NevaPacketFormat *format, guint8 *data)
{
  static const guint8 types[] = {1, 5, 6, 6, 7, 8, 9};
  const guint units = (guint) g_rand_int_range (rand, 1, 6);
  gsize size = 0;

  for (guint u = 0; u < units; u++) {
    const guint length = (guint) g_rand_int_range (rand, 0, 300);
    const guint broken = g_rand_int_range (rand, 0, 40) == 0 ? 1000 : 0;

    for (guint i = format->length_size; i-- > 0;)
      data[size++] = (guint8) ((length + broken) >> (8 * i));
    for (guint i = 0; i < length; i++)
      data[size + i] = (guint8) g_rand_int (rand);
    if (length > 0) {
      data[size] = (guint8) (types[g_rand_int_range (rand, 0, 7)] |
                             g_rand_int_range (rand, 0, 2) << 5);
      if (length > 3) { /* in a supplemental unit: a recovery point */
        data[size + 1] = 6;
        data[size + 2] = 1;
      }
    }
    size += length;
  }
  return size;
}

GST_START_TEST (test_head)
{
  GRand *rand = g_rand_new_with_seed (seed);
  guint enough = 0, less = 0, late = 0, damaged = 0, disposable = 0;

  for (guint round = 0; round < ROUNDS; round++) {
    const NevaPacketFormat format = {
        NEVA_CODEC_H264, g_rand_boolean (rand) ? 4 : 2};
    guint8 data[MAX_SIZE], head[MAX_SIZE];
    const gsize size = write_packet (rand, &format, data);
    const gsize have = (gsize) g_rand_int_range (rand, 0, (gint32) size + 1);
    const NevaPacketKind kind = neva_packet_kind (&format, data, size);
    const gboolean is_late = neva_packet_recovers_late (&format, data, size);

    for (gsize i = 0; i < size; i++)
      head[i] = i < have ? data[i] : (guint8) g_rand_int (rand);
    if (!neva_packet_head_suffices (&format, head, have, size)) {
      less++;
      continue;
    }
    enough += have < size;
    late += is_late;
    damaged += kind == NEVA_PACKET_DAMAGED;
    disposable += kind == NEVA_PACKET_DISPOSABLE;
    fail_unless (
        neva_packet_kind (&format, head, size) == kind &&
            neva_packet_recovers_late (&format, head, size) == is_late &&
            neva_packet_is_open (&format, head, size) ==
                neva_packet_is_open (&format, data, size),
        "seed %u, round %u: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " bytes",
        seed, round, have, size);
  }
  g_print ("head: %u enough, %u not, %u late, %u damaged, %u disposable\n",
      enough, less, late, damaged, disposable);
  fail_unless (enough && less && late && damaged && disposable);
  g_rand_free (rand);
}

GST_END_TEST;

/* One slice to the packet's end: its header is all there is to see. */
GST_START_TEST (test_head_of_one_slice)
{
  const NevaPacketFormat format = {NEVA_CODEC_H264, 4};
  const guint8 head[] = {0, 1, 0, 0, 0x01};
  const gsize size = 4 + 65536;

  fail_unless (neva_packet_head_suffices (&format, head, sizeof head, size));
  fail_if (neva_packet_head_suffices (&format, head, sizeof head - 1, size));
  fail_unless (
      neva_packet_kind (&format, head, size) == NEVA_PACKET_DISPOSABLE);
}

GST_END_TEST;

static void
check_range (GstPad *pad, const guint8 *data, guint64 offset, guint length)
{
  GstBuffer *b = NULL, *part;
  guint8 head[16];
  gsize n;

  fail_unless (gst_pad_get_range (pad, offset, length, &b) == GST_FLOW_OK);
  n = neva_lazy_peek (b, head, sizeof head);
  fail_unless (n == MIN (length, sizeof head));
  fail_unless (memcmp (head, data + offset, n) == 0);

  /* a part outlives the whole */
  part = gst_buffer_copy_region (b, GST_BUFFER_COPY_MEMORY, length / 3, -1);
  fail_unless (gst_buffer_memcmp (b, 0, data + offset, length) == 0);
  gst_buffer_unref (b);
  n = neva_lazy_peek (part, head, sizeof head);
  fail_unless (memcmp (head, data + offset + length / 3, n) == 0);
  fail_unless (gst_buffer_get_size (part) == length - length / 3);
  fail_unless (gst_buffer_memcmp (part, 0, data + offset + length / 3,
                   length - length / 3) == 0);
  gst_buffer_unref (part);
}

GST_START_TEST (test_lazy_source)
{
  const gsize size = 100000;
  g_autofree guint8 *data = g_malloc (size);
  g_autofree gchar *dir = g_dir_make_tmp ("neva-lazy-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (dir, "file", NULL);
  GRand *rand = g_rand_new_with_seed (seed);
  GstElement *source;
  GstBuffer *b = NULL;
  GstPad *pad;

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) g_rand_int (rand);
  fail_unless (g_file_set_contents (path, (gchar *) data, (gssize) size, NULL));
  source = gst_object_ref_sink (neva_lazy_source_new (path));
  pad = gst_element_get_static_pad (source, "src");
  fail_unless (gst_pad_activate_mode (pad, GST_PAD_MODE_PULL, TRUE));

  for (guint i = 0; i < 200; i++) {
    const guint length = (guint) g_rand_int_range (rand, 1, 5000);

    check_range (pad, data,
        (guint64) g_rand_int_range (rand, 0, (gint32) (size - length)), length);
  }
  fail_unless (gst_pad_get_range (pad, size - 10, 100, &b) == GST_FLOW_OK);
  fail_unless (gst_buffer_get_size (b) == 10);
  gst_clear_buffer (&b);
  fail_unless (gst_pad_get_range (pad, size, 1, &b) == GST_FLOW_EOS);
  b = gst_buffer_new_allocate (NULL, 4, NULL);
  fail_unless (neva_lazy_peek (b, data, 4) == 0);
  gst_buffer_unref (b);

  gst_pad_set_active (pad, FALSE);
  gst_object_unref (pad);
  gst_object_unref (source);
  g_unlink (path);
  g_rmdir (dir);
  g_rand_free (rand);
}

GST_END_TEST;

GST_START_TEST (test_open_groups)
{
  static const struct {
    NevaCodec codec;
    guint8 packet[12];
    gboolean open;
  } cases[] = {
      /* parameter set, then the slice that counts */
      {NEVA_CODEC_H264, {0, 2, 0x67, 0, 0, 2, 0x65, 0, 0, 2, 0x41, 0}, FALSE},
      {NEVA_CODEC_H264, {0, 2, 0x67, 0, 0, 2, 0x61, 0, 0, 2, 0x65, 0}, TRUE},
      {NEVA_CODEC_H265, {0, 2, 64, 1, 0, 2, 40, 1, 0, 2, 40, 1}, FALSE},
      {NEVA_CODEC_H265, {0, 2, 64, 1, 0, 2, 42, 1, 0, 2, 42, 1}, TRUE},
      {NEVA_CODEC_OTHER, {0, 2, 0x67, 0, 0, 2, 0x61, 0}, FALSE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const NevaPacketFormat format = {cases[i].codec, 2};

    fail_unless_equals_int (
        neva_packet_is_open (&format, cases[i].packet, sizeof cases[i].packet),
        cases[i].open);
  }
}

GST_END_TEST;

static Suite *
packets_suite (void)
{
  Suite *s = suite_create ("framesampler-packets");
  TCase *t = tcase_create ("all");

  tcase_add_test (t, test_head);
  tcase_add_test (t, test_head_of_one_slice);
  tcase_add_test (t, test_open_groups);
  tcase_add_test (t, test_lazy_source);
  suite_add_tcase (s, t);
  return s;
}

int
main (int argc, char **argv)
{
  gst_check_init (&argc, &argv);
  seed = argc > 1 ? (guint32) strtoul (argv[1], NULL, 10) : g_random_int ();
  g_print ("seed %u\n", seed);
  return gst_check_run_suite (
      packets_suite (), "framesampler-packets", __FILE__);
}
