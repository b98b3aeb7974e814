#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A server that others wrote: Hugging Face's `transformers serve` runs the demo
# model behind the OpenAI protocol, and nevallm and neva-judge talk to it.
#
#   pip install 'transformers[serving]' torch torchvision accelerate sentencepiece
#   meson devenv -C build ../tests/remote/real_server.sh
#
# TRANSFORMERS names the program where it is not in PATH. Skips, and says why,
# where it is not there; not part of the test suite, as it wants gigabytes.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
serve=${TRANSFORMERS:-transformers}
port=${PORT:-18765}
judge=${NEVA_JUDGE:-$here/build/pipelines/neva-judge}

skip () { echo "SKIP: $*"; exit 77; }
command -v "$serve" >/dev/null || skip "no transformers here (see TRANSFORMERS)"
"$serve" serve --help >/dev/null 2>&1 || skip "this transformers cannot serve"
command -v curl >/dev/null || skip "no curl here"
gst-inspect-1.0 nevallm >/dev/null 2>&1 || skip "GStreamer does not find nevallm"

work=$(mktemp -d)
pid=
clean () {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap clean EXIT

# The demo model has no chat template of its own (see its card), and the server
# wants a processor's.
cp "$here"/models/demo/*.json "$here"/models/demo/model.safetensors \
  "$here"/models/demo/tokenizer.model "$work"
cat >"$work/chat_template.jinja" <<'JINJA'
{% for m in messages %}{% if m['content'] is string %}{{ '\n' + m['content'] + '\n' }}{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% endif %}{% endfor %}{{ '\n' }}{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{{ '\n' }}{% endif %}{% endfor %}
JINJA

cat >"$work/processor_config.json" <<'JSON'
{"processor_class": "LlavaProcessor", "patch_size": 16,
 "vision_feature_select_strategy": "full", "num_additional_image_tokens": 0,
 "image_token": "<image>"}
JSON

HF_HUB_OFFLINE=1 "$serve" serve "$work" --device cpu --dtype float32 \
  --host 127.0.0.1 --port "$port" >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 120); do
  kill -0 "$pid" 2>/dev/null || { tail -5 "$work/log"; skip "it did not start"; }
  curl -sf -m 5 "http://127.0.0.1:$port/health" >/dev/null && break
  sleep 1
done

ask () { # model
  gst-launch-1.0 -q videotestsrc pattern=ball num-buffers=30 \
    ! video/x-raw,width=320,height=240,framerate=15/1 \
    ! nevaframesampler num-frames=8 window=2000000000 \
    ! nevaencoder model="$1" ! nevallm model="$1" max-tokens=64 \
    ! text/x-raw ! fdsink | cat
}
spec="openai:http://127.0.0.1:$port/v1#$work"
remote=$(ask "$spec")
echo "served: $remote"
echo "ours:   $(ask "$here/models/demo")"
[ -n "$remote" ]

cd "$work"
echo '{"question_id": 1, "image": "a", "text": "What?", "category": "conv"}' >q
echo '{"image": "a", "caption": "a cat"}' >c
echo '{"question_id": 1, "text": "a cat"}' >one
echo '{"question_id": 1, "text": "a dog"}' >two
echo '{"llava_bench_conv": {"role": "Assistant", "prompt": "Rate."}}' >r
status=0
"$judge" --question-file q --context-file c --rule-file r --responses-list one \
  two --model-name-list A B --judge "$spec" --max-tokens 16 || status=$?
# the demo model is no judge: that there are no scores is as it should be
[ "$status" = 2 ] || [ "$status" = 0 ]
cat output.json
