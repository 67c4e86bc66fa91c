#!/bin/sh
# Run in a mount namespace of its own (see storage.ts): makes a root folder like this machine's, with volumes mounted in it,
# and stays. Nothing of it is seen from outside, and this machine's / needs no folder for a mount point such as /prometheus.
#   hold-mounts.sh ROOT [SOURCE OPTIONS MOUNTPOINT]...    SOURCE: tmpfs, or a folder
set -eu
# Where mount and chroot are, and not on every PATH.
PATH=$PATH:/usr/sbin:/sbin
root=$1
shift
mount -t tmpfs -o mode=0755 tmpfs "$root"
# Else the copy of the folder that ROOT is in would hold ROOT once more.
mount --make-unbindable "$root"
for entry in /*; do
  if [ -L "$entry" ]; then
    cp -P "$entry" "$root$entry"
  elif [ -d "$entry" ]; then
    mkdir "$root$entry"
    mount --rbind "$entry" "$root$entry"
  fi
done
while [ $# -gt 0 ]; do
  source=$1 options=$2 at=$root$3
  shift 3
  mkdir -p "$at"
  if [ "$source" = tmpfs ]; then
    mount -t tmpfs -o "$options" tmpfs "$at"
  else
    mount --bind "$source" "$at"
    mount -o "remount,bind,$options" "$at"
  fi
done
exec chroot "$root" /bin/sh -c 'echo ready; exec sleep infinity'
