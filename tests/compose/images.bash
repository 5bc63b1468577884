# shellcheck shell=bash disable=SC2154 # own_engine is engine.bash's
# SPDX-License-Identifier: MIT
# The images that docker-compose.yml and the Dockerfile begin with: pulled, where a registry can be reached; else
# stand-ins of Debian's packages, on an engine of our own only, so that nobody's engine has false images afterwards.

base_image=debian:bookworm-slim
server_images=(redis postgres)
declare -A image_of=([redis]=redis:7-alpine [postgres]=postgres:15-alpine)

get_image() { # IMAGE
  docker image inspect "$1" >/dev/null 2>&1 || timeout 300 docker pull --quiet "$1" >/dev/null 2>"$folder/pull"
}

# debian_mirror: prints where this machine's apt finds the release.
debian_mirror() {
  # shellcheck disable=SC2016 # apt's own names
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | awk '$2 == "bookworm" { print $1; exit }'
}

# make_base: a minimal Debian with this machine's apt sources, imported under the real image's name.
make_base() {
  local tree=$folder/base mirror
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || die "this machine's apt has no source of bookworm to make $base_image of"
  debootstrap --variant=minbase bookworm "$tree" "$mirror" >"$folder/debootstrap.log" 2>&1 ||
    { tail -n 5 "$folder/debootstrap.log" >&2 && die 'debootstrap failed'; }
  rm -rf "$tree"/etc/apt/sources.list* "$tree"/var/{cache/apt,lib/apt/lists,log}/* "$tree"/usr/share/{doc,man,locale}/*
  # As the real one: no documentation, no fsync of each file that a package brings.
  printf 'path-exclude /usr/share/%s/*\n' doc man locale >"$tree/etc/dpkg/dpkg.cfg.d/slim"
  echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/speed"
  cp -r /etc/apt/sources.list* "$tree/etc/apt/"
  apt-config dump | grep '^Acquire::' >"$tree/etc/apt/apt.conf.d/99of-the-machine" || true
  tar -C "$tree" -c . | docker import --change 'CMD ["bash"]' --change "LABEL stand-in.for=$base_image" - "$base_image" >/dev/null
  rm -rf -- "$tree"
}

make_server() { # NAME
  docker build --quiet --network host --tag "${image_of[$1]}" --file "tests/compose/stand-ins/Dockerfile.$1" \
    tests/compose/stand-ins >"$folder/$1.log" 2>&1 || { tail -n 20 "$folder/$1.log" >&2 && die "no stand-in for ${image_of[$1]}"; }
}

# tell_origin: which of the three are stand-ins; each carries a label that says so.
tell_origin() {
  local image what
  for image in "$base_image" "${image_of[@]}"; do
    what=$(docker image inspect --format '{{index .Config.Labels "stand-in.for"}}' "$image")
    say "$image: $([ -n "$what" ] && echo 'a stand-in' || echo 'the real image')"
  done
}

get_images() {
  local name
  if get_image "$base_image"; then
    for name in "${server_images[@]}"; do get_image "${image_of[$name]}" || die "${image_of[$name]}: $(<"$folder/pull")"; done
    tell_origin
    return
  fi
  say "$base_image can't be pulled ($(head -n 1 "$folder/pull" | cut -c1-200))"
  [ -n "$own_engine" ] || die "and stand-ins are made on an engine of the test's own only"
  say 'making stand-ins of all three from Debian packages'
  make_base
  for name in "${server_images[@]}"; do make_server "$name"; done
  tell_origin
}
