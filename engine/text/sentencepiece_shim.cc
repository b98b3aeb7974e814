/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sentencepiece_shim.h"
#include <cstdlib>
#include <cstring>
#include <exception>
#include <sentencepiece_processor.h>
#include <string>
#include <vector>

struct NevaSentencepiece {
  sentencepiece::SentencePieceProcessor processor;
};

extern "C" NevaSentencepiece *
neva_sp_new (const void *proto, size_t size, char **message)
{
  NevaSentencepiece *sp = nullptr;

  try {
    sp = new NevaSentencepiece;
    const auto status = sp->processor.LoadFromSerializedProto (
        std::string (static_cast<const char *> (proto), size));
    if (status.ok ())
      return sp;
    *message = strdup (status.ToString ().c_str ());
  } catch (const std::exception &e) {
    *message = strdup (e.what ());
  } catch (...) {
    *message = strdup ("unknown exception");
  }
  delete sp;
  return nullptr;
}

extern "C" void
neva_sp_free (NevaSentencepiece *sp)
{
  delete sp;
}

extern "C" int32_t
neva_sp_size (const NevaSentencepiece *sp)
{
  return sp->processor.GetPieceSize ();
}

extern "C" const char *
neva_sp_piece (const NevaSentencepiece *sp, int32_t id)
{
  return sp->processor.IdToPiece (id).c_str ();
}

extern "C" NevaSpKind
neva_sp_kind (const NevaSentencepiece *sp, int32_t id)
{
  if (sp->processor.IsUnknown (id))
    return NEVA_SP_UNKNOWN;
  if (sp->processor.IsControl (id))
    return NEVA_SP_CONTROL;
  if (sp->processor.IsUnused (id))
    return NEVA_SP_UNUSED;
  return sp->processor.IsByte (id) ? NEVA_SP_BYTE : NEVA_SP_NORMAL;
}

extern "C" int32_t
neva_sp_bos (const NevaSentencepiece *sp)
{
  return sp->processor.bos_id ();
}

extern "C" int32_t
neva_sp_eos (const NevaSentencepiece *sp)
{
  return sp->processor.eos_id ();
}

extern "C" int32_t *
neva_sp_encode (const NevaSentencepiece *sp, const char *text, size_t length,
    size_t *n_ids, char **message)
{
  try {
    std::vector<int> ids;
    const auto status =
        sp->processor.Encode (absl::string_view (text, length), &ids);

    if (!status.ok ()) {
      *message = strdup (status.ToString ().c_str ());
      return nullptr;
    }
    /* one more, so that no ids at all is not NULL */
    auto *copy =
        static_cast<int32_t *> (malloc ((ids.size () + 1) * sizeof (int32_t)));
    if (!copy)
      throw std::bad_alloc ();
    for (size_t i = 0; i < ids.size (); i++)
      copy[i] = ids[i];
    *n_ids = ids.size ();
    return copy;
  } catch (const std::exception &e) {
    *message = strdup (e.what ());
  } catch (...) {
    *message = strdup ("unknown exception");
  }
  return nullptr;
}
