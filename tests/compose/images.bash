# shellcheck shell=bash disable=SC2154 # own_engine is engine.bash's
# SPDX-License-Identifier: MIT
# The images that docker-compose.yml and the Dockerfile begin with: pulled, where a registry can be reached; else
# stand-ins of Debian's packages, on an engine of our own only, so that nobody's engine has false images afterwards.
# What they are made of is kept in BUILD_DIR for the next time.

base_image=debian:bookworm-slim
declare -A image_of=([redis]=redis:7-alpine [postgres]=postgres:15-alpine)

# pull IMAGE…: 1 unless each is there or can be had.
pull() {
  local image
  for image in "$@"; do
    docker image inspect "$image" >/dev/null 2>&1 || timeout 300 docker pull --quiet "$image" >/dev/null 2>"$folder/pull" || return 1
  done
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

# get_stand_ins: those of the last time, unless what makes them has changed since.
get_stand_ins() {
  local kept name
  kept=$BUILD_DIR/compose/stand-ins-$(cat tests/compose/images.bash tests/compose/stand-ins/* | sha256sum | cut -c1-12).tar
  if [ -f "$kept" ] && docker load --quiet --input "$kept" >/dev/null; then
    say "stand-ins of all three were made before: ${kept#"$root/"}"
    return
  fi
  say 'making stand-ins of all three from Debian packages'
  make_base
  for name in "${!image_of[@]}"; do make_server "$name"; done
  rm -rf -- "$BUILD_DIR/compose"
  mkdir -p -- "$BUILD_DIR/compose"
  docker save --output "$kept.new" "$base_image" "${image_of[@]}"
  mv -- "$kept.new" "$kept"
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
  if ! pull "$base_image" "${image_of[@]}"; then
    say "no image can be pulled ($(head -n 1 "$folder/pull" | cut -c1-200))"
    [ -n "$own_engine" ] || die "and stand-ins are made on an engine of the test's own only"
    get_stand_ins
  fi
  tell_origin
}
