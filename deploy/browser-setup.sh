#!/bin/sh
# Installs the browser that opens our pages in tests, where that can be done, else says how. Never fails: the tests say what they miss.
for name in chromium google-chrome chromium-browser; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  { apt-get install -y --no-install-recommends chromium ||
    { apt-get update && apt-get install -y --no-install-recommends chromium; }; } >/dev/null 2>&1
fi
if command -v chromium >/dev/null 2>&1; then
  echo "installed $(chromium --version 2>/dev/null)"
else
  echo "Chromium is missing; tests of report, watch and site are skipped (with CI=true they fail). Install it:"
  echo "  Debian: sudo apt-get install chromium     Fedora: sudo dnf install chromium     Ubuntu: sudo snap install chromium"
fi
exit 0
