#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The plugin exports what GStreamer looks for and nothing else.
# usage: check-symbols.sh libgstneva.so
set -eu
exported=$(nm -D --defined-only "$1" | awk '{print $3}' | sed 's/@.*//' | sort)
# sanitizers and C++ template instances bring weak symbols of their own
ours=$(echo "$exported" | grep -vE '^(__(asan|ubsan|tsan|sanitizer|odr)|_ZN?S|_ZGV|_ZTV|_ZTI|_ZTS|_init|_fini)' || true)
want="gst_plugin_neva_get_desc
gst_plugin_neva_register"
if [ "$ours" != "$want" ]; then
  echo "exported symbols differ from the plugin entry points:"
  diff <(echo "$want") <(echo "$ours") || true
  exit 1
fi
echo "exports exactly: $(echo $want)"
