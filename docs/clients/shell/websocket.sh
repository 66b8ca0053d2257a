# A WebSocket client in bash, sourced by the programs beside it: ws:// only, with coreutils alone.
LC_ALL=C # a character is a byte

ws_open() { # ws_open ws://HOST:PORT/PATH: connects descriptor 3
  [[ $1 =~ ^ws://([^:/]+)(:([0-9]+))?(/.*)$ ]] || { echo "failed: $1 is no ws:// address" >&2; return 1; }
  local host=${BASH_REMATCH[1]} port=${BASH_REMATCH[3]:-80} path=${BASH_REMATCH[4]} status line
  { exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null || { echo "failed: nobody listens at $host:$port" >&2; return 1; }
  printf '%s\r\n' "GET $path HTTP/1.1" "Host: $host:$port" 'Connection: Upgrade' 'Upgrade: websocket' \
    'Sec-WebSocket-Version: 13' "Sec-WebSocket-Key: $(head -c 16 /dev/urandom | base64)" \
    ${VOICEBUS_KEY:+"Authorization: Bearer $VOICEBUS_KEY"} '' >&3
  IFS= read -r status <&3
  while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do :; done
  [[ $status == *' 101 '* ]] || { echo "failed: ${status%$'\r'}: $(timeout 5 cat <&3)" >&2; return 1; }
}

ws_send() { # ws_send TYPE FILE: the file as one frame; TYPE is 1 for text, 2 for binary
  local length shift
  length=$(wc -c <"$2")
  {
    _byte $((128 | $1))
    if ((length < 126)); then
      _byte $((128 | length))
    elif ((length < 65536)); then
      _byte 254 $((length >> 8)) $((length & 255))
    else
      _byte 255
      for shift in 56 48 40 32 24 16 8 0; do _byte $((length >> shift & 255)); done
    fi
    _byte 0 0 0 0 # the mask: of zeros it changes nothing; a random one protects the caches of browsers, which we have not
    cat "$2"
  } >&3
}

ws_receive() { # ws_receive FILE: the next text or binary frame goes there; fails when the socket is closed
  local first length
  while first=$(_number 1) && [[ $first ]]; do
    length=$(($(_number 1) & 127))
    case $length in
      126) length=$(_number 2) ;;
      127) length=$(_number 8) ;;
    esac
    head -c "$length" <&3 >"$1"
    case $((first & 15)) in
      1 | 2) return 0 ;;
      8) break ;;
      9) ws_send 10 "$1" ;; # a ping wants its pong
    esac
  done
  echo "failed: the connection was closed before the answer was whole" >&2
  return 1
}

_byte() { local each; for each; do printf '%b' "\\x$(printf %02x "$each")"; done; }

_number() { # a number of so many bytes, the highest first; nothing at the end of the stream
  local bytes each number=0
  bytes=$(head -c "$1" <&3 | od -An -v -tu1)
  [[ $bytes ]] || return 0
  for each in $bytes; do number=$((number << 8 | each)); done
  echo "$number"
}
