#!/bin/sh
# Installs bubblewrap where that can be done, else says how. Never fails: only code rewards need it.
command -v bwrap >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  { apt-get install -y --no-install-recommends bubblewrap libseccomp2 ||
    { apt-get update && apt-get install -y --no-install-recommends bubblewrap libseccomp2; }; } >/dev/null 2>&1
fi
if command -v bwrap >/dev/null 2>&1; then
  echo "installed $(bwrap --version)"
else
  echo "bubblewrap is missing; code rewards will not start without it. Install it, with libseccomp:"
  echo "  Debian, Ubuntu: sudo apt-get install bubblewrap libseccomp2     Fedora: sudo dnf install bubblewrap libseccomp"
fi
exit 0
