/** The report's style: light and dark, by what the reader's system asks for. */
export const STYLE = `
:root { --paper: #fdfcfa; --ink: #22252b; --soft: #676c76; --rule: #e3e0da; --card: #ffffff;
  --p50: #2f6fb0; --p99: #c2641a; --p999: #a3324e; --max: #6b6b6b; --rotation: #2c8a57; --bad: #b3261e; --good: #23744a; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e6e4df; --soft: #a2a5ad; --rule: #31343b; --card: #1e2126;
  --p50: #78b1ec; --p99: #eda05f; --p999: #ef8aa3; --max: #b4b4b4; --rotation: #5ccb90; --bad: #ff8a80; --good: #6fd39f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -0.01em; }
h2 { margin: 2.4rem 0 0.7rem; font-size: 1.2rem; }
h3 { margin: 1.4rem 0 0; font-size: 1rem; font-family: ui-monospace, monospace; }
code { font-family: ui-monospace, monospace; }
.setting, .note { color: var(--soft); margin: 0.3rem 0 0; font-size: 0.9rem; }
.aims { list-style: none; margin: 0; padding: 0; }
.aims li { padding: 0.15rem 0; }
.aims strong { display: inline-block; min-width: 4.2rem; }
.met strong { color: var(--good); } .missed strong { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; background: var(--card); }
th, td { padding: 0.45rem 0.7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
thead th { color: var(--soft); font-weight: 500; font-size: 0.85rem; }
th:first-child { text-align: left; font-family: ui-monospace, monospace; }
.chart { display: block; width: 100%; height: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 6px; margin-top: 0.5rem; }
.chart text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.chart text.name { font: 14px ui-monospace, monospace; fill: var(--ink); }
.grid { stroke: var(--rule); }
.range { stroke: var(--soft); stroke-opacity: 0.5; stroke-width: 2; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.line.p50 { stroke: var(--p50); } .line.p99 { stroke: var(--p99); }
.area { fill: var(--p50); fill-opacity: 0.16; }
.dot.p50 { fill: var(--p50); } .dot.p99 { fill: var(--p99); } .dot.p999 { fill: var(--p999); } .dot.max { fill: var(--max); }
.rotation { stroke: var(--rotation); stroke-width: 1.5; stroke-dasharray: 4 3; }
.seam { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 1 4; }
.legend { margin: 0; font-size: 0.85rem; color: var(--soft); }
.key { margin-right: 1.4rem; }
.key::before { content: ''; display: inline-block; width: 0.7rem; height: 0.7rem; border-radius: 50%; margin-right: 0.4rem; background: currentColor; }
.key.p50::before { background: var(--p50); } .key.p99::before { background: var(--p99); }
.key.p999::before { background: var(--p999); } .key.max::before { background: var(--max); }
.key.rotation::before { background: var(--rotation); width: 2px; border-radius: 0; height: 0.9rem; vertical-align: -0.1rem; }
.key.seam::before { background: var(--soft); width: 2px; border-radius: 0; height: 0.9rem; vertical-align: -0.1rem; }
`
