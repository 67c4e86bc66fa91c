#!/usr/bin/env bash
# Makes stand-ins of the base images of image/Dockerfile, so that it can be built and run unmodified on a machine that reaches no image
# registry and runs no Docker engine. Needs root, Debian 12 and what "node test/setup.mjs prometheus image" installs.
#
#   base-images.sh STORE     makes what is missing in the folder STORE (a minute the first time), and STORE/env.sh for podman and buildah
#
# NODE_BINARY    the Node of node:24-bookworm-slim
# PATH           has the prometheus and promtool of prom/prometheus, whose tag is v and their version
#
# Differs from the real images: upstream's Prometheus is a static binary with its licence files beside it, and the real Node image has no
# certificates. Buildah 1.28 knows no heredocs, no COPY --link and no digests.
set -euo pipefail
store=$(mkdir -p "$1" && cd "$1" && pwd)
# Podman refuses to clean up below a path of more than 50 characters, and then waits 20 s for each container.
run=/run/image-$(printf %s "$store" | cksum | cut -d' ' -f1)
node=$(readlink -f "$NODE_BINARY")
prometheus_tag=v$(prometheus --version 2>&1 | sed -n 's/^prometheus, version \([0-9.]*\).*/\1/p')
# Not by "npm root -g", which asks for that of the Node it runs on.
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")

cat > "$store/storage.conf" <<X
[storage]
driver = "overlay"
graphroot = "$store/graph"
runroot = "$run"
X
# root here may not raise limits, hence default_ulimits
cat > "$store/containers.conf" <<X
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
X
cat > "$store/env.sh" <<X
export CONTAINERS_STORAGE_CONF=$store/storage.conf CONTAINERS_CONF=$store/containers.conf BUILDAH_ISOLATION=chroot
X
. "$store/env.sh"
cd "$store"
have() { buildah inspect --type image "$1" >/dev/null 2>&1; }

if ! have docker.io/library/debian:bookworm-slim; then
  mapfile -t sources < <(ls /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null)
  [ -f base.tar ] || mmdebstrap --quiet --variant=minbase --mode=root --include=ca-certificates bookworm base.tar "${sources[@]}"
  c=$(buildah from scratch)
  buildah add -q "$c" base.tar / >/dev/null
  buildah config --cmd bash "$c"
  buildah commit -q --rm "$c" docker.io/library/debian:bookworm-slim >/dev/null
fi

if ! have docker.io/library/node:24-bookworm-slim; then
  c=$(buildah from docker.io/library/debian:bookworm-slim)
  rm -rf nodefs
  mkdir -p nodefs/usr/local/bin nodefs/usr/local/etc nodefs/usr/local/lib/node_modules nodefs/etc/ssl/certs
  cp "$node" nodefs/usr/local/bin/node
  cp -rL "$npm" nodefs/usr/local/lib/node_modules/npm
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js nodefs/usr/local/bin/npm
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js nodefs/usr/local/bin/npx
  # this machine's certificates and npm settings, so that RUN npm ci reaches what npm reaches here
  cp /etc/ssl/certs/ca-certificates.crt nodefs/etc/ssl/certs/
  { npm config get registry 2>/dev/null | sed 's/^/registry=/'; echo cafile=/etc/ssl/certs/ca-certificates.crt; } > nodefs/usr/local/etc/npmrc
  buildah copy -q "$c" nodefs/ / >/dev/null
  buildah run "$c" -- sh -c 'groupadd -g 1000 node && useradd -u 1000 -g node -m -s /bin/bash node'
  buildah config --env "NODE_VERSION=$("$node" -p process.versions.node)" --cmd node "$c"
  buildah commit -q --rm "$c" docker.io/library/node:24-bookworm-slim >/dev/null
fi

if ! have "docker.io/prom/prometheus:$prometheus_tag"; then
  c=$(buildah from scratch)
  rm -rf promfs
  mkdir -p promfs/{bin,prometheus,etc/prometheus,lib64,lib/x86_64-linux-gnu,tmp}
  cp "$(command -v prometheus)" "$(command -v promtool)" promfs/bin/
  cp -L /lib64/ld-linux-x86-64.so.2 promfs/lib64/
  cp -L /lib/x86_64-linux-gnu/libc.so.6 promfs/lib/x86_64-linux-gnu/
  printf 'nobody:x:65534:65534:nobody:/home:/bin/false\n' > promfs/etc/passwd
  printf 'nobody:x:65534:\n' > promfs/etc/group
  chown 65534:65534 promfs/prometheus
  buildah copy -q "$c" promfs/ / >/dev/null
  buildah config --user nobody --workingdir /prometheus --port 9090 --volume /prometheus --entrypoint '["/bin/prometheus"]' "$c"
  buildah commit -q --rm "$c" "docker.io/prom/prometheus:$prometheus_tag" >/dev/null
fi
echo "$prometheus_tag"
