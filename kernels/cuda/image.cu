/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames to the tower's patches, to the bit of kernels/ref/image.c: a thread
 * for each number. */
#include "api.h"
#include "launch.cuh"

static const unsigned THREADS = 256;

static __device__ __forceinline__ size_t
own_index ()
{
  return (size_t) blockIdx.x * THREADS + threadIdx.x;
}

/* Number i of row y of a plane. */
static __device__ __forceinline__ int
sample (const NevaCudaPicture &p, int plane, unsigned y, size_t i)
{
  const uint8_t *at =
      p.plane[plane] + (int64_t) y * p.stride[plane] + i * p.bytes;

  /* 16-bit words at any address */
  return p.bytes == 1 ? load (at) : (load (at) | load (at + 1) << 8) >> p.shift;
}

/* Four times the chroma (0: U, 1: V) of column i, mixed of two rows. */
static __device__ __forceinline__ int
mixed (const NevaCudaPicture &p, int c, int i, unsigned y)
{
  const int width = (int) (p.width + 1) / 2, height = (int) (p.height + 1) / 2;
  const int here = (int) y / 2;
  const int other = y % 2 ? min (here + 1, height - 1) : max (here - 1, 0);
  const int weight = !p.v_cosited ? 1 : y % 2 ? 2 : 0;
  const int plane = p.interleaved ? 1 : 1 + c;
  const size_t column = (size_t) max (0, min (i, width - 1));
  const size_t at = p.interleaved ? 2 * column + (size_t) c : column;

  return (4 - weight) * sample (p, plane, (unsigned) here, at) +
         weight * sample (p, plane, (unsigned) other, at);
}

/* 16 times the chroma of pixel (x, y). */
static __device__ __forceinline__ float
chroma (const NevaCudaPicture &p, int c, unsigned x, unsigned y)
{
  const int i = (int) x / 2;
  const int far = !p.h_cosited ? 1 : x % 2 ? 2 : 0;
  const int near = 4 - far;
  const int sum =
      near * mixed (p, c, i, y) + far * mixed (p, c, x % 2 ? i + 1 : i - 1, y);

  return (float) ((int) (uint16_t) sum - p.matrix.c0);
}

static __device__ __forceinline__ uint8_t
clip8 (float x)
{
  const float r = rintf (x);

  return r <= 0 ? 0 : r >= 255 ? 255 : (uint8_t) r;
}

static __device__ __forceinline__ uint8_t
yuv (const NevaCudaPicture &p, int c, unsigned x, unsigned y)
{
  const NevaYuvMatrix &m = p.matrix;
  const float l = m.ky * (float) (sample (p, 0, y, x) - m.y0);

  if (c == 0)
    return clip8 (fmaf (m.rv, chroma (p, 1, x, y), l));
  if (c == 2)
    return clip8 (fmaf (m.bu, chroma (p, 0, x, y), l));
  return clip8 (
      fmaf (m.gu, chroma (p, 0, x, y), fmaf (m.gv, chroma (p, 1, x, y), l)));
}

__global__ static void
picture_rgb (uint8_t *dst, NevaCudaPicture p, unsigned x0, unsigned y0,
    unsigned columns, size_t n)
{
  const size_t at = own_index (), area = n / 3;

  if (at >= n)
    return;

  const int c = (int) (at / area);
  const unsigned x = x0 + (unsigned) (at % area % columns) - p.left;
  const unsigned y = y0 + (unsigned) (at % area / columns) - p.top;

  if (x >= p.width || y >= p.height) /* left of it, too: unsigned */
    store (dst + at, p.pad[c]);
  else if (p.planes > 1)
    store (dst + at, yuv (p, c, x, y));
  else if (p.gray)
    store (dst + at, p.gray_table[sample (p, 0, y, x)]);
  else
    store (dst + at, load (p.plane[0] + (int64_t) y * p.stride[0] +
                           (size_t) x * p.bytes + p.order[c]));
}

extern "C" NEVA_DECL_CUDA_PICTURE_RGB (neva_cuda_picture_rgb)
{
  const size_t n = (size_t) 3 * rows * columns;

  if (!n)
    return 0;
  return NEVA_LAUNCH (picture_rgb, dim3 (blocks_for (n, THREADS)),
      dim3 (THREADS), 0, stream, dst, *host_picture, x0, y0, columns, n);
}

__global__ static void
resample (uint8_t *dst, const uint8_t *src, NevaCudaResample r)
{
  const size_t at = own_index ();
  const size_t lane = at % r.lanes, o = at / r.lanes % r.n;
  const size_t channel = at / r.lanes / r.n;

  if (channel >= 3)
    return;

  const uint8_t *s = src + channel * r.src_channel + lane * r.src_lane;
  const size_t first = (size_t) load (r.first + o) * 4;
  uint32_t sum = 1 << 21;

  for (size_t i = 0; i < 4 * r.groups && first + i < r.inputs; i++) {
    const int8_t *d = r.digits + (o * r.groups + i / 4) * 12 + i % 4;
    const int weight = (load (d + 8) * 256 + load (d + 4)) * 256 + load (d);

    sum += (uint32_t) (weight * load (s + (first + i) * r.src_step));
  }

  const int pixel = (int32_t) sum >> 22;

  store (dst + channel * r.dst_channel + o * r.dst_step + lane * r.dst_lane,
      (uint8_t) max (0, min (pixel, 255)));
}

extern "C" NEVA_DECL_CUDA_RESAMPLE (neva_cuda_resample)
{
  const size_t n = 3 * host_plan->n * host_plan->lanes;

  if (!n)
    return 0;
  return NEVA_LAUNCH (resample, dim3 (blocks_for (n, THREADS)), dim3 (THREADS),
      0, stream, dst, src, *host_plan);
}

__global__ static void
patches (float *dst, const uint8_t *rgb, const float *table, size_t side,
    size_t patch, size_t n)
{
  const size_t at = own_index (), grid = side / patch;

  if (at >= n)
    return;

  const size_t px = at % patch, py = at / patch % patch;
  const size_t c = at / (patch * patch) % 3, p = at / (3 * patch * patch);
  const size_t x = p % grid * patch + px, y = p / grid % grid * patch + py;
  const size_t frame = p / (grid * grid);

  store (dst + at, load (table + c * 256 +
                         load (rgb + ((frame * side + y) * side + x) * 3 + c)));
}

extern "C" NEVA_DECL_CUDA_PATCHES (neva_cuda_patches)
{
  const size_t kept = side / patch * patch, n = frames * kept * kept * 3;

  if (!n)
    return 0;
  return NEVA_LAUNCH (patches, dim3 (blocks_for (n, THREADS)), dim3 (THREADS),
      0, stream, dst, rgb, table, side, patch, n);
}
