#!/usr/bin/env bash
# Ask voicebus a question, hear the answer while it is made: `bash stream.sh URL WAV`. It needs bash, coreutils and jq.
# Each piece of the answer is a WAV file: reply-1.wav, reply-2.wav, ...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/websocket.sh"

frame=$(mktemp) pieces=0
trap 'rm -f "$frame"' EXIT

ws_open "$1?stream=1"
ws_send 2 "$2" # to interrupt: send another one, or '{"cancel": true, "sentences": 1}' as text
while ws_receive "$frame"; do
  kind=$(jq -r '[("error", "done", "restarted", "n", "transcription") as $name | select(has($name)) | $name][0] // ""' "$frame")
  case $kind in
    error)
      jq -r '"failed: \(.error.code): \(.error.message)"' "$frame" >&2
      exit 1
      ;;
    done)
      jq -r '"answer: \(.llama)"' "$frame"
      exit 0
      ;;
    restarted) # what came so far does not count
      rm -f reply-*.wav
      pieces=0
      ;;
    n) # the next frame is the sound of this sentence, or of a further piece of it
      jq -r 'select(has("llama")) | "sentence \(.n): \(.llama)"' "$frame"
      ws_receive "reply-$((++pieces)).wav" # a player would play it here and now
      ;;
    transcription) jq -r '"heard: \(.transcription)"' "$frame" ;;
  esac
done
exit 1
