#!/usr/bin/env bash
# Ask voicebus a question, save the spoken answer as reply.wav: `bash ask.sh URL WAV`. It needs bash, coreutils and jq.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/websocket.sh"

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

ws_open "$1"
ws_send 2 "$2"
ws_receive "$answer"
if jq -e 'has("error")' "$answer" >/dev/null; then
  jq -r '"failed: \(.error.code): \(.error.message)"' "$answer" >&2
  exit 1
fi
jq -r '"heard: \(.transcription)\nanswer: \(.llama)"' "$answer"
ws_receive reply.wav
