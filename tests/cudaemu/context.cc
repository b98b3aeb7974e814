/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's contexts: each GPU has a primary one, which cudart uses, and
 * others that programs make. A thread has a stack of them. */
#include "emu.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

struct CUctx_st {
  int device;
};

namespace neva_emu
{
/* Never destroyed: at exit other threads may still run. */
static std::mutex &lock = *new std::mutex;
static auto &primaries = *new std::map<int, std::unique_ptr<CUctx_st>>;
static auto &others = *new std::vector<std::unique_ptr<CUctx_st>>;
static thread_local std::vector<CUctx_st *> stack;

CUctx_st *
primary_context (int device)
{
  const std::lock_guard<std::mutex> guard (lock);
  auto &p = primaries[device];

  if (!p)
    p.reset (new CUctx_st{device});
  return p.get ();
}

CUctx_st *
new_context (int device)
{
  const std::lock_guard<std::mutex> guard (lock);

  others.emplace_back (new CUctx_st{device});
  return others.back ().get ();
}

int
device_of (const CUctx_st *context)
{
  return context->device;
}

CUctx_st *
current_context ()
{
  return stack.empty () ? primary_context (0) : stack.back ();
}

bool
push_context (CUctx_st *context)
{
  if (context)
    stack.push_back (context);
  return context != nullptr;
}

CUctx_st *
pop_context ()
{
  CUctx_st *context = nullptr;

  if (stack.empty ())
    return nullptr;
  context = stack.back ();
  stack.pop_back ();
  return context;
}

void
set_context (CUctx_st *context)
{
  if (stack.empty ())
    stack.push_back (context);
  else
    stack.back () = context;
}

bool
forget_context (CUctx_st *context)
{
  const std::lock_guard<std::mutex> guard (lock);
  const auto found = std::find_if (others.begin (), others.end (),
      [=] (const std::unique_ptr<CUctx_st> &c) { return c.get () == context; });

  if (found == others.end ())
    return false;
  stack.erase (
      std::remove (stack.begin (), stack.end (), context), stack.end ());
  others.erase (found);
  return true;
}
} // namespace neva_emu
