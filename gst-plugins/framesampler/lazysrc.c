/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lazysrc.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <gst/base/gstbasesrc.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reading small pieces one after another, the kernel would fetch each by
 * itself: it is asked for this much in advance. */
#define AHEAD (8u << 20)

/* An open file; lives as long as a memory of it. */
typedef struct {
  int fd;
  gint failed;     /* atomic: a read did; zeros stand in for its bytes */
  guint64 advised; /* up to where the kernel was asked; racy, but harmless */
} File;

typedef struct {
  GstMemory parent;
  File *file;   /* reference */
  guint64 at;   /* place of the memory's maxsize bytes in the file */
  guint8 *data; /* read, or NULL; owned; only of a memory without parent */
  GMutex lock;  /* of data */
} LazyMemory;

typedef GstAllocator LazyAllocator;
typedef GstAllocatorClass LazyAllocatorClass;

static GType lazy_allocator_get_type (void);
G_DEFINE_TYPE (LazyAllocator, lazy_allocator, GST_TYPE_ALLOCATOR)

typedef struct {
  GstBaseSrc parent;
  gchar *path;
  File *file; /* between start and stop */
  GstAllocator *allocator;
} NevaLazySrc;
typedef GstBaseSrcClass NevaLazySrcClass;

static GType neva_lazy_src_get_type (void);
G_DEFINE_TYPE (NevaLazySrc, neva_lazy_src, GST_TYPE_BASE_SRC)

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static void
close_file (gpointer data)
{
  close (((File *) data)->fd);
}

static gboolean
read_file (File *file, guint64 at, guint8 *to, gsize n)
{
#ifdef POSIX_FADV_WILLNEED
  if (at + n > file->advised) {
    posix_fadvise (file->fd, (off_t) at, AHEAD, POSIX_FADV_WILLNEED);
    file->advised = at + AHEAD;
  }
#endif
  while (n > 0) {
    const ssize_t got = pread (file->fd, to, n, (off_t) at);

    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return FALSE;
    to += got;
    at += (guint64) got;
    n -= (gsize) got;
  }
  return TRUE;
}

static LazyMemory *
memory_new (GstAllocator *allocator, LazyMemory *parent, File *file, guint64 at,
    gsize maxsize, gsize offset, gsize size)
{
  LazyMemory *m = g_new0 (LazyMemory, 1);

  gst_memory_init (GST_MEMORY_CAST (m), GST_MEMORY_FLAG_READONLY, allocator,
      GST_MEMORY_CAST (parent), maxsize, 0, offset, size);
  m->file = g_atomic_rc_box_acquire (file);
  m->at = at;
  g_mutex_init (&m->lock);
  return m;
}

/* Demuxers do not expect that mapping fails: a read error shows at the next
 * create (). */
static gpointer
map_memory (GstMemory *memory, gsize maxsize, GstMapFlags flags)
{
  LazyMemory *m = (LazyMemory *) (memory->parent ? memory->parent : memory);
  gpointer data;

  (void) maxsize, (void) flags;
  g_mutex_lock (&m->lock);
  if (!m->data && (m->data = g_try_malloc0 (m->parent.maxsize)) &&
      !read_file (m->file, m->at, m->data, m->parent.maxsize))
    g_atomic_int_set (&m->file->failed, TRUE);
  data = m->data;
  g_mutex_unlock (&m->lock);
  return data;
}

static void
unmap_memory (GstMemory *memory)
{
  (void) memory; /* what was read is kept: it may be mapped again */
}

/* offset and size within the memory's own; size -1: to its end. */
static GstMemory *
share_memory (GstMemory *memory, gssize offset, gssize size)
{
  LazyMemory *m = (LazyMemory *) memory;
  LazyMemory *parent =
      (LazyMemory *) (memory->parent ? memory->parent : memory);

  return GST_MEMORY_CAST (memory_new (memory->allocator, parent, m->file, m->at,
      memory->maxsize, memory->offset + (gsize) offset,
      size < 0 ? memory->size - (gsize) offset : (gsize) size));
}

static void
free_memory (GstAllocator *allocator, GstMemory *memory)
{
  LazyMemory *m = (LazyMemory *) memory;

  (void) allocator;
  g_free (m->data);
  g_atomic_rc_box_release_full (m->file, close_file);
  g_mutex_clear (&m->lock);
  g_free (m);
}

static void
lazy_allocator_class_init (LazyAllocatorClass *klass)
{
  klass->free = free_memory;
}

static void
lazy_allocator_init (LazyAllocator *allocator)
{
  allocator->mem_type = "NevaLazyMemory";
  allocator->mem_map = map_memory;
  allocator->mem_unmap = unmap_memory;
  allocator->mem_share = share_memory;
  GST_OBJECT_FLAG_SET (allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

static gboolean
start (GstBaseSrc *base)
{
  NevaLazySrc *self = (NevaLazySrc *) base;
  const int fd = g_open (self->path, O_RDONLY | O_CLOEXEC, 0);

  if (fd < 0) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
        ("'%s' cannot be opened: %s", self->path, g_strerror (errno)), (NULL));
    return FALSE;
  }
  self->file = g_atomic_rc_box_new0 (File);
  self->file->fd = fd;
  return TRUE;
}

static gboolean
stop (GstBaseSrc *base)
{
  NevaLazySrc *self = (NevaLazySrc *) base;

  g_atomic_rc_box_release_full (g_steal_pointer (&self->file), close_file);
  return TRUE;
}

static gboolean
get_size (GstBaseSrc *base, guint64 *size)
{
  NevaLazySrc *self = (NevaLazySrc *) base;
  struct stat st;

  if (!self->file || fstat (self->file->fd, &st) < 0 || st.st_size < 0)
    return FALSE;
  *size = (guint64) st.st_size;
  return TRUE;
}

static gboolean
is_seekable (GstBaseSrc *base)
{
  (void) base;
  return TRUE;
}

/* The base class has clipped offset and size to the file. */
static GstFlowReturn
create (GstBaseSrc *base, guint64 offset, guint size, GstBuffer **buffer)
{
  NevaLazySrc *self = (NevaLazySrc *) base;

  if (size == 0)
    return GST_FLOW_EOS;
  if (g_atomic_int_get (&self->file->failed)) {
    GST_ELEMENT_ERROR (
        self, RESOURCE, READ, ("'%s' cannot be read", self->path), (NULL));
    return GST_FLOW_ERROR;
  }
  *buffer = gst_buffer_new ();
  gst_buffer_append_memory (
      *buffer, GST_MEMORY_CAST (memory_new (
                   self->allocator, NULL, self->file, offset, size, 0, size)));
  GST_BUFFER_OFFSET (*buffer) = offset;
  GST_BUFFER_OFFSET_END (*buffer) = offset + size;
  return GST_FLOW_OK;
}

static void
finalize (GObject *object)
{
  NevaLazySrc *self = (NevaLazySrc *) object;

  g_free (self->path);
  gst_object_unref (self->allocator);
  G_OBJECT_CLASS (neva_lazy_src_parent_class)->finalize (object);
}

static void
neva_lazy_src_class_init (NevaLazySrcClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
  gst_element_class_add_static_pad_template (
      GST_ELEMENT_CLASS (klass), &src_template);
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass),
      "NeVA lazy file source", "Source/File",
      "Reads of a file what is looked at", "The NeVA for GStreamer authors");
  klass->start = start;
  klass->stop = stop;
  klass->get_size = get_size;
  klass->is_seekable = is_seekable;
  klass->create = create;
}

static void
neva_lazy_src_init (NevaLazySrc *self)
{
  self->allocator = g_object_new (lazy_allocator_get_type (), NULL);
  gst_object_ref_sink (self->allocator);
}

GstElement *
neva_lazy_source_new (const gchar *path)
{
  NevaLazySrc *self = g_object_new (neva_lazy_src_get_type (), NULL);

  self->path = g_strdup (path);
  return GST_ELEMENT (self);
}

gsize
neva_lazy_peek (GstBuffer *buffer, guint8 *to, gsize n)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) == 1
                          ? gst_buffer_peek_memory (buffer, 0)
                          : NULL;
  LazyMemory *m = (LazyMemory *) memory;

  if (!memory || !gst_memory_is_type (memory, "NevaLazyMemory"))
    return 0;
  n = MIN (n, memory->size);
  return read_file (m->file, m->at + memory->offset, to, n) ? n : 0;
}
