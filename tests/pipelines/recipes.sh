#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# recipes.sh FOLDER: runs the recipes with fake models.
set -u
for need in videotestsrc textoverlay nevajudge; do
  gst-inspect-1.0 "$need" >/dev/null 2>&1 || { echo "SKIP: no $need here"; exit 77; }
done

out=$(MODEL_A="fake:a cat" MODEL_B="fake:a dog" JUDGE="fake:6 8" \
  SINK="fakesink sync=true" "$1/best-of-two.sh" 5 2>&1)
echo "$out"
grep -q '^2 s: best is 1, scores 6, 8: "a cat", "a dog"$' <<<"$out"
