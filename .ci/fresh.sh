# A bare Debian to try things in: python3, make and certificates; no pip, no ensurepip, no compiler. Sourced by run.
# Commands inside get their own mounts and processes, which the kernel removes with them, however they end.

SUITE=bookworm # its Python, 3.11, is the oldest that voicebus supports
CACHE=${VOICEBUS_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/voicebus-ci}
IMAGE=$CACHE/$SUITE-1.tar # the number changes with what is in it
FRESH=$CACHE/root.$$
CHECKOUT=/home/voicebus/voicebus

fresh_image() { # makes the archive of the bare system once; the mirror is the one of this machine's own apt
  [[ -f $IMAGE ]] && return
  local mirror build=$CACHE/build.$$
  mkdir -p "$CACHE"
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN)' 'Created-By: Packages' |
    awk -v suite="$SUITE" '$2 == suite && $3 == "Debian" { print $1; exit }')
  timeout --kill-after=30 1200 unshare --mount --pid --fork --kill-child --mount-proc \
    debootstrap --variant=minbase --include=ca-certificates,make,python3 "$SUITE" "$build" "$mirror"
  chroot "$build" useradd --create-home voicebus
  tar -C "$build" -cf "$IMAGE.$$" .
  mv "$IMAGE.$$" "$IMAGE"
  rm -rf --one-file-system "$build"
}

fresh_root() { # unpacks it, puts a clean clone of this checkout in, and this machine's way to the network
  mkdir -p "$FRESH"
  tar -C "$FRESH" -xf "$IMAGE"
  cp -L /etc/resolv.conf /etc/hosts "$FRESH/etc/"
  cp -L "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$FRESH/etc/ssl/certs/ca-certificates.crt"
  git clone --quiet --no-hardlinks . "$FRESH$CHECKOUT"
  chown -R --reference="$FRESH/home/voicebus" "$FRESH$CHECKOUT"
}

fresh_remove() { rm -rf --one-file-system "$FRESH" "$CACHE"/build.$$; }

inside() { # inside SECONDS COMMAND: in the checkout, as an ordinary user with an empty environment
  _enter "$1" voicebus /home/voicebus "cd $CHECKOUT && $2"
}

inside_as_root() { _enter "$1" root /root "export DEBIAN_FRONTEND=noninteractive; $2"; }

_enter() {
  local environment=(HOME="$3" PATH=/usr/sbin:/usr/bin:/sbin:/bin CI=true SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt)
  local name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY UV_DEFAULT_INDEX PIP_INDEX_URL; do
    [[ -n ${!name:-} ]] && environment+=("$name=${!name}")
  done
  timeout --kill-after=30 "$1" unshare --mount --pid --fork --kill-child bash -euc '
    mount -t proc proc "$0/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$0/dev/shm"
    mount -t devpts -o ptmxmode=666,newinstance devpts "$0/dev/pts"
    chroot --userspec="$1:$1" "$0" env -i "${@:3}" bash -c "$2"
  ' "$FRESH" "$2" "$4" "${environment[@]}"
}
