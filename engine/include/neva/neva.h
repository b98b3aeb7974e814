/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's whole public interface. */
#ifndef NEVA_H
#define NEVA_H

#include <neva/convert.h>
#include <neva/error.h>
#include <neva/eval.h>
#include <neva/frame.h>
#include <neva/gpu.h>
#include <neva/grammar.h>
#include <neva/json.h>
#include <neva/judge.h>
#include <neva/model.h>
#include <neva/motion.h>
#include <neva/parallel.h>
#include <neva/quantize.h>
#include <neva/request.h>
#include <neva/sampling.h>
#include <neva/session.h>

#endif /* NEVA_H */
