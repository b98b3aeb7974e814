#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# check-reference on everything there is: what is checked in, and the set beside
# the checkout. usage: run.sh CHECK-REFERENCE [ITS OPTIONS]
set -eu
shopt -s nullglob
all=("$NEVA_SOURCE"/tests/data/reference/*/ "$NEVA_SHARED"/reference/hf-*/
  "$NEVA_SHARED"/reference/nemo-*/)
for file in preprocessing.safetensors frame_choice.json sampling.json; do
  [ -e "$NEVA_SHARED/reference/$file" ] && all+=("$NEVA_SHARED/reference/$file")
done
if [ ${#all[@]} -eq 0 ]; then
  echo "SKIP: no reference folders"
  exit 77
fi
exec "$@" "${all[@]%/}"
