/* What all sections of the page share: the content, its arrays, curves, and words for numbers. */
"use strict";

const page = JSON.parse(document.getElementById("content").textContent);

/* The packed arrays, decoded once: views on one buffer. */
const arrays = (() => {
  const text = atob(document.getElementById("arrays").textContent.trim());
  const bytes = Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
  const kinds = { f4: Float32Array, u2: Uint16Array, u1: Uint8Array, i4: Int32Array };
  const views = {};
  for (const [name, [kind, offset, shape]] of Object.entries(page.arrays)) {
    const count = shape.reduce((product, size) => product * size, 1);
    views[name] = { values: new kinds[kind](bytes.buffer, offset, count), shape };
  }
  return views;
})();

const $ = (id) => document.getElementById(id);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isDark = matchMedia("(prefers-color-scheme: dark)");
const OKABE_ITO = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#7d7d7d"];
const MISSING = 65535;

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function short(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/* Texts of evenly spaced ticks, with as many digits as tell them apart. */
function tickTexts(ticks) {
  const known = ticks.filter((v) => v !== null), gap = known.length > 1 ? Math.abs(known[1] - known[0]) : 1;
  const most = Math.max(...known.map(Math.abs)), digits = Math.max(0, Math.min(8, -Math.floor(Math.log10(gap || 1))));
  const isPlain = most < 1e6 && gap > 1e-5;
  return ticks.map((v) => (v === null ? "" : isPlain ? v.toFixed(gap % 1 === 0 ? 0 : digits) : v.toExponential(2)));
}

/* Options of a <select>. */
function fill(select, names) {
  select.replaceChildren(...names.map((name, value) => element("option", name, { value })));
}

// -- curves -----------------------------------------------------------------------------------------------------------

const drawn = new Map(); // what each host shows, to draw it again in other colours

/* Curves over x in a host. series: {label, values, colour: a CSS variable or colour, isDashed, isPoints}. */
function draw(host, { x, series, yLabel = "", xLabel = "step", kind = "lines", isLog = false }) {
  const known = drawn.get(host), signature = JSON.stringify([series.map((s) => [s.label, s.colour, s.isDashed]), yLabel, isLog]);
  const data = [x, ...series.map((s) => Array.from(s.values, (v) => (Number.isFinite(v) ? v : null)))];
  if (known && known.signature === signature) {
    known.given = { x, series, yLabel, xLabel, kind, isLog };
    known.plot.setData(data);
    return;
  }
  if (known) known.plot.destroy();
  host.replaceChildren();
  const colour = (name) => (name.startsWith("--") ? style(name) : name);
  const axis = (label) => ({
    stroke: style("--soft"), grid: { stroke: style("--grid"), width: 1 }, ticks: { stroke: style("--grid") }, label, labelSize: 20,
    font: "12px system-ui", labelFont: "12px system-ui",
  });
  const bars = kind === "bars" ? uPlot.paths.bars({ size: [0.9, 60] }) : null;
  const plot = new uPlot({
    width: Math.max(240, host.clientWidth), height: 240, padding: [8, 8, 0, 0],
    cursor: { drag: { x: true, y: false } }, scales: { x: { time: false }, y: isLog ? { distr: 3 } : {} },
    axes: [axis(xLabel), { ...axis(yLabel), size: 62, values: (_, ticks) => tickTexts(ticks) }],
    series: [
      { label: xLabel, value: (_, v) => (v === null ? "–" : short(v)) },
      ...series.map((s) => ({
        label: s.label, stroke: colour(s.colour), width: s.isDashed ? 1.5 : 2, dash: s.isDashed ? [6, 4] : undefined,
        fill: bars ? colour(s.colour) : undefined, paths: bars || undefined, value: (_, v) => (v === null ? "–" : short(v)),
        points: { show: x.length < 3 || Boolean(s.isPoints), size: 6 },
      })),
    ],
  }, data, host);
  drawn.set(host, { plot, signature, given: { x, series, yLabel, xLabel, kind, isLog } });
  if (!known) new ResizeObserver(() => resize(host)).observe(host);
}

function resize(host) {
  const { plot } = drawn.get(host), width = Math.max(240, host.clientWidth);
  if (plot.width !== width) plot.setSize({ width, height: 240 });
}

isDark.addEventListener("change", () => {
  for (const [host, { plot, given }] of [...drawn]) {
    plot.destroy();
    drawn.get(host).signature = "";
    drawn.get(host).plot = { destroy() {} };
    draw(host, given);
  }
});

// -- sequences --------------------------------------------------------------------------------------------------------

const lows = page.channels.map((c) => c.low), steps_of = page.channels.map((c) => c.step);

/* Sequence `place` of those that the page holds: {steps, n, data(channel), again(channel)} or {tokens, tokensAgain}. */
function held(place) {
  const { values: kept } = arrays.kept, n = page.n_channels;
  let start = 0;
  for (let i = 0; i < place; i++) start += kept[i];
  const count = kept[place], length = arrays.length.values[arrays.shown.values[place]];
  const steps = Array.from({ length: count }, (_, j) => (count >= length ? j : Math.floor((j / count) * length)));
  const channel = (name) => (k) =>
    Array.from({ length: count }, (_, j) => {
      const code = arrays[name].values[(start + j) * n + k];
      return code === MISSING ? NaN : lows[k] + code * steps_of[k];
    });
  if (page.is_tokens) {
    const tokens = (name) => Array.from(arrays[name].values.subarray(start, start + count));
    return { tokens: tokens("data"), tokensAgain: tokens("again"), length };
  }
  return { steps, data: channel("data"), again: channel("again"), length, isThinned: count < length };
}

/* Symbols as text; those that differ from `others` are marked. */
function symbolLine(host, title, tokens, others) {
  const line = element("div", "", { class: "symbols" });
  tokens.forEach((token, t) => {
    const isOther = others !== null && others[t] !== token;
    line.append(element("span", page.symbols ? page.symbols[token] ?? "?" : String(token), isOther ? { class: "other" } : {}), " ");
  });
  host.append(element("h3", title), line);
}

const idOf = (i) => page.ids[i];
const usual = page.usual_error;

/* One line about point i of the map. */
function told(i) {
  const error = arrays.error.values[i], parts = [`${page.id_name} ${idOf(i)}`];
  parts.push(`error ${short(error)}` + (usual > 0 ? ` (${short(error / usual)} times the usual)` : ""));
  parts.push(counted(arrays.length.values[i], "step"));
  if (page.n_kinds > 1) parts.push(`kind ${arrays.kind.values[i] + 1}`);
  if (page.labels) parts.push(`label ${page.labels[arrays.label.values[i]]}`);
  return parts.join(", ");
}
