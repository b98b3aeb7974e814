/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device=cuda and auto where something is missing: each case in a process of
 * its own, since the library of CUDA kernels is loaded once.
 * usage: test-cuda; test-cuda CASE runs one */
#include "config.h"
#include "backend/backend.h"
#include "check.h"

#include <string.h>

typedef struct {
  const char *name, *device;
  const char *library; /* NULL: the emulation */
  const char *devices, *memory, *without, *driver, *capability; /* of it */
  const char *expected; /* the backend's name, or in the error */
  int code;             /* of the error; -1: none */
} Case;

static const Case cases[] = {
    {"cpu", "cpu", .expected = "cpu", .code = -1},
    {"first", "cuda", .expected = "cuda", .code = -1},
    {"second", "cuda:1", .devices = "2", .expected = "cuda", .code = -1},
    {"auto", "auto", .expected = "cuda", .code = -1},
    {"no such GPU", "cuda:3", .devices = "2", .expected = "has 2 NVIDIA GPUs",
        .code = NEVA_ERROR_DEVICE},
    {"no GPU", "cuda", .devices = "0", .expected = "no NVIDIA GPU",
        .code = NEVA_ERROR_DEVICE},
    {"no driver", "cuda", .devices = "-1", .expected = "no NVIDIA driver",
        .code = NEVA_ERROR_DEVICE},
    {"old driver", "cuda", .driver = "12040",
        .expected = "is one for CUDA 12.4; CUDA 13 needs driver 580",
        .code = NEVA_ERROR_DEVICE},
    {"old GPU", "cuda", .capability = "75",
        .expected = "capability 7.5; the kernels need 8.0",
        .code = NEVA_ERROR_UNSUPPORTED},
    {"auto with an old GPU", "auto", .capability = "75", .expected = "cpu",
        .code = -1},
    {"no cuBLAS", "cuda", .without = "cublas", .expected = "libcublas.so.13",
        .code = NEVA_ERROR_DEVICE},
    {"no library", "cuda", "/nowhere/libnevacuda.so",
        .expected = "/nowhere/libnevacuda.so", .code = NEVA_ERROR_DEVICE},
    {"not a library", "cuda", "/etc/passwd", .expected = "cannot be loaded",
        .code = NEVA_ERROR_DEVICE},
    {"little memory", "cuda", .memory = "1000", .expected = "cuBLAS",
        .code = NEVA_ERROR_DEVICE},
    {"auto without GPU", "auto", .devices = "0", .expected = "cpu", .code = -1},
    {"auto without driver", "auto", .devices = "-1", .expected = "cpu",
        .code = -1},
    {"auto without library", "auto", "/nowhere/libnevacuda.so",
        .expected = "cpu", .code = -1},
    {"unknown", "cuda:x", .expected = "'cuda:x'",
        .code = NEVA_ERROR_UNSUPPORTED},
    {"negative", "cuda:-1", .expected = "'cuda:-1'",
        .code = NEVA_ERROR_UNSUPPORTED},
};

static char *warned;

static void
keep (GLogLevelFlags level, const char *message, gpointer data)
{
  if (level == G_LOG_LEVEL_WARNING && !warned)
    warned = g_strdup (message);
}

/* An allocation that the GPU cannot hold names it; the next one is well. */
static void
check_memory (NevaBackend *b)
{
  g_autoptr (GError) error = NULL;
  void *memory = neva_backend_alloc (b, (gsize) 1 << 40, &error);

  CHECK (!memory && error && error->code == NEVA_ERROR_DEVICE &&
             strstr (error->message, "GPU"),
      "%s", error ? error->message : "a TiB was had");
  memory = neva_backend_alloc (b, 1000, NULL);
  CHECK (memory != NULL, "memory after that");
  neva_backend_release (b, memory, 1000);
  CHECK (neva_backend_synchronize (b, NULL), "fault");
}

static void
run_case (const Case *c)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaBackend) b = NULL;

  neva_set_log_func (keep, NULL);
  b = neva_backend_new (c->device, 1, &error);
  if (c->code >= 0) {
    CHECK (!b && error && error->domain == NEVA_ERROR &&
               error->code == c->code && strstr (error->message, c->expected),
        "%s: %s", c->name, error ? error->message : "no error");
    return;
  }
  CHECK (b && g_str_equal (b->klass->name, c->expected), "%s: %s", c->name,
      error ? error->message : b->klass->name);
  CHECK ((warned != NULL) == (g_str_equal (c->device, "auto") &&
                                 g_str_equal (c->expected, "cpu")),
      "%s: %s", c->name, warned ? warned : "auto says nothing");
  CHECK (!b || g_strcmp0 (b->notice, warned) == 0, "%s: %s", c->name,
      b && b->notice ? b->notice : "no notice");
  if (b && g_str_equal (c->expected, "cuda"))
    check_memory (b);
  g_free (warned);
}

/* This program again, for one case. */
static void
spawn_case (const char *program, const Case *c)
{
  const char *argv[] = {program, c->name, NULL};
  g_auto (GStrv) env = g_get_environ ();
  g_autoptr (GError) error = NULL;
  const struct {
    const char *name, *value;
  } settings[] = {{"NEVA_CUDA_LIBRARY", c->library},
      {"NEVA_CUDAEMU_DEVICES", c->devices}, {"NEVA_CUDAEMU_MEMORY", c->memory},
      {"NEVA_CUDAEMU_WITHOUT", c->without}, {"NEVA_CUDAEMU_DRIVER", c->driver},
      {"NEVA_CUDAEMU_CAPABILITY", c->capability}};
  int status = -1;

  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    if (settings[i].value)
      env = g_environ_setenv (env, settings[i].name, settings[i].value, TRUE);
  CHECK (g_spawn_sync (NULL, (char **) argv, env, G_SPAWN_DEFAULT, NULL, NULL,
             NULL, NULL, &status, &error) &&
             g_spawn_check_wait_status (status, NULL),
      "%s: status %d", c->name, status);
}

int
main (int argc, char **argv)
{
  if (!g_getenv ("NEVA_CUDA_LIBRARY")) {
    printf ("SKIP: NEVA_CUDA_LIBRARY does not name the emulation\n");
    return 77;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    if (argc == 1)
      spawn_case (argv[0], &cases[i]);
    else if (g_str_equal (argv[1], cases[i].name))
      run_case (&cases[i]);
  }
  return check_finish ();
}
