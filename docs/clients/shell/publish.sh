#!/usr/bin/env bash
# Ask voicebus a spoken question in the words of NATS: `bash publish.sh nats://HOST:PORT WAV ORIGIN SESSION`.
# Prints what was heard and answered, writes reply-1.wav, reply-2.wav, ...  It needs bash, coreutils and jq.
set -euo pipefail
LC_ALL=C # a character is a byte

url=$1 wav=$2 origin=$3 session=$4
wait=60 # seconds; the stages are told, and stop working then
turn=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
work=$(mktemp -d) # attempt/n/take/piece.wav: what comes twice falls on itself
trap 'rm -rf "$work"' EXIT
newest=
declare -A last reply

fail() { echo "$1" >&2; exit 1; }

cancel() { publish "voice.cancel.$origin.$session" "{\"turn\":\"$turn\"}"; fail "$1"; }

publish() { printf 'PUB %s %d\r\n%s\r\n' "$1" ${#2} "$2" >&3; }

open() { # connects descriptor 3 and hears everything about the conversation, and the broker's answer to us
  [[ $url =~ ^nats://(([^:@]*):([^@]*)@)?([^:/]+):([0-9]+)$ ]] || fail "failed: $url is no nats://HOST:PORT"
  local user=${BASH_REMATCH[2]} password=${BASH_REMATCH[3]} host=${BASH_REMATCH[4]} port=${BASH_REMATCH[5]}
  { exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null || fail "failed: nobody listens at $host:$port"
  inbox=_INBOX${user:+_$user}.$turn
  printf '%s\r\n' "CONNECT $(jq -cn --arg user "$user" --arg pass "$password" \
    '{verbose: false, headers: true, no_responders: true, $user, $pass}')" \
    "SUB voice.*.$origin.$session 1" "SUB $inbox 2" >&3
}

ask() { # publishes the question; with a header the broker wants to know how long that is
  local headers length
  headers=$(printf '%s\r\n' NATS/1.0 "Nats-Msg-Id: $origin.$session.$turn.0.utterance" \
    "Voice-Event: {\"turn\":\"$turn\",\"timeout_ms\":${wait}000}")$'\n\r\n'
  length=$(wc -c <"$wav")
  printf 'HPUB %s %s %d %d\r\n%s' "voice.utterance.$origin.$session" "$inbox" ${#headers} $((${#headers} + length)) "$headers" >&3
  cat "$wav" >&3
  printf '\r\n' >&3
}

stored() { # the broker's answer: it has the question, or why not
  [[ $1 != *' 503'* ]] || fail "failed: nobody has made the streams: voicebus setup, or voicebus up"
  case $(jq -r '.error.err_code // 0' "$work/payload") in
    0) # a message of this id that was there before is not ours, which has just been made
      [[ $(jq -r .duplicate "$work/payload") != true ]] || fail "failed: the name of this question is taken: ask again" ;;
    10077) fail "busy: ask again in a moment" ;;
    *) fail "failed: $(jq -r .error.description "$work/payload")" ;;
  esac
}

speech() { # speech FIELDS: keeps a piece, and of the last one of its take that it is that
  local place
  place=$work/$(jq -r '"\(.attempt // "-")/\(.n)/\(.take)"' <<<"$1")
  mkdir -p "$place"
  mv "$work/payload" "$place/$(jq -r '.piece // 0' <<<"$1").wav"
  jq -r 'select(.end) | .piece // 0' <<<"$1" >>"$place/end"
}

whole() { # whole ATTEMPT: its pieces in order, once each of its sentences has a take with all of them
  local n piece place end files=() final=${last[$1]}
  for ((n = 0; n <= final; n++)); do
    for place in "$work/$1/$n"/*/ none; do
      [[ $place != none ]] || return 1
      end=$(head -n 1 "$place/end" 2>/dev/null) || continue
      [[ $end ]] && (($(ls "$place" | grep -c wav) == end + 1)) && break
    done
    for ((piece = 0; piece <= end; piece++)); do files+=("$place$piece.wav"); done
  done
  printf '%s\n' "${files[@]}"
}

finish() { # finish ATTEMPT FILES
  local number=0 file
  echo "answer: ${reply[$1]-}"
  while read -r file; do
    if [[ -s $file ]]; then cp "$file" "reply-$((++number)).wav"; fi # an empty one only ends a sentence
  done <<<"$2"
  exit 0
}

event() { # event NAME FIELDS: one event of the conversation; nothing is put together across attempts or takes
  local attempt files
  [[ $(jq -r '.turn // ""' <<<"$2") == "$turn" ]] || return 0
  attempt=$(jq -r '.attempt // "-"' <<<"$2")
  if [[ $attempt > $newest ]]; then newest=$attempt; fi # the name of a later attempt sorts later
  case $1 in
    failed) if [[ $attempt == - || $attempt == "$newest" ]]; then fail "$(jq -r '"failed: \(.code): \(.message)"' <<<"$2")"; fi ;;
    transcript) jq -r '"heard: \(.text)"' <<<"$2" ;;
    speech) speech "$2" ;;
  esac
  if jq -e .last <<<"$2" >/dev/null; then
    last[$attempt]=$(jq -r .n <<<"$2")
    reply[$attempt]=$(jq -r --arg known "${reply[$attempt]-}" '.reply // $known' <<<"$2")
  fi
  if [[ ${last[$attempt]-} ]] && files=$(whole "$attempt"); then finish "$attempt" "$files"; fi
}

message() { # message SUBJECT SID [REPLY] [HEADER BYTES] BYTES: reads it whole, and does what it asks
  local headers='' fields name kind=$1
  shift
  if [[ $kind == HMSG ]]; then
    headers=$(head -c "${@: -2:1}" <&3)
    head -c $((${*: -1} - ${*: -2:1})) <&3 >"$work/payload"
  else
    head -c "${@: -1}" <&3 >"$work/payload"
  fi
  head -c 2 <&3 >/dev/null # the end of the line
  if [[ $2 == 2 ]]; then
    stored "$headers"
    return
  fi
  name=${1#voice.} name=${name%%.*}
  [[ $name != utterance ]] || return 0
  fields=$(sed -n 's/\r$//; s/^Voice-Event: *//p' <<<"$headers") # beside a WAV; any other event is its body
  event "$name" "${fields:-$(cat "$work/payload")}"
}

open
ask
end=$((SECONDS + wait))
while ((SECONDS < end)) && IFS= read -r -t $((end - SECONDS)) line <&3; do
  read -ra words <<<"${line%$'\r'}"
  case ${words[0]-} in
    MSG | HMSG) message "${words[@]}" ;;
    PING) printf 'PONG\r\n' >&3 ;;
    -ERR) fail "failed: ${line%$'\r'}" ;;
  esac
done
((SECONDS < end)) && fail "failed: the connection to the broker was lost"
cancel "failed: no answer within $wait s"
