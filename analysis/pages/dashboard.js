// What the dashboard does in the browser: it marks selected trials everywhere, and keeps the page's address up to date.
// A trial is known by its key, SWEEP#NUMBER. All texts of the database reach the page as text, never as HTML.
"use strict";

const PICKED_COLOUR = "#c2185b", PICKED_ON_DARK = "#ff6fa8";
const MOST_LINKED = 50;  // keys in an address
const MOST_LABELLED = 8;  // rings with a number beside them
const DARK = matchMedia("(prefers-color-scheme: dark)");
let picked = new Set();
let adding = false;  // whether Shift was held when the mouse button was released
let waiting = 0;  // requests that the server has not answered yet

document.addEventListener("pointerup", (event) => { adding = event.shiftKey; }, true);

// Dash asks the server with `fetch`. A request is counted here and not with `running` of a callback, because Dash never ends
// `running` if the server does not respond: after a restart of the server, the page would wait for ever.
const fetched = window.fetch;
window.fetch = (...given) => {
  waiting += 1;
  return fetched(...given).finally(() => { waiting -= 1; });
};

const same = () => window.dash_clientside.no_update;
const set = (id, properties) => window.dash_clientside.set_props(id, properties);
const short = (key) => key.slice(key.lastIndexOf("#"));
const sweepOf = (key) => key.slice(0, key.lastIndexOf("#"));
const named = (key) => (sweepOf(key) === page.sweep ? short(key) : key);

// What the page shows apart from the data. It is kept here and not in Dash's graph of callbacks: Dash holds a callback back
// while another one that may change its inputs runs, and forgets it if that one changes nothing, as most ticks do.
const page = { sweep: null, over: [], view: "front", views: null, opened: false, narrow: false, drag: "select", pointsOf: {}, limits: {} };
const cards = new Map();  // id of a graph, as text -> its id and its card

function pick(keys) {
  picked = new Set(keys);
  set("picked", { data: [...picked] });
  showPicked();
}

function showPicked() {
  showAddress();
  const names = [...picked].map(named);
  const some = names.slice(0, 6).join(", ") + (names.length > 6 ? ", …" : "");
  set("selection", { hidden: picked.size === 0 });
  set("chosen", { children: `${picked.size.toLocaleString("en")} selected: ${some}` });
  grid()?.redrawRows();
  showTabs();
  redraw();
  if (page.view === "compare") ask();
}

// The view of the selected trials is a choice only while there are any.
function showTabs() {
  if (!page.views) return;
  const own = { label: picked.size > 1 ? "Compare" : "Selected", value: "compare" };
  const options = picked.size ? [...page.views, own] : page.views;
  set("view", { options });
  let next = options.some((option) => option.value === page.view) ? page.view : options[0].value;
  if (page.opened && picked.size) next = "compare";
  page.opened = false;
  if (next !== page.view) set("view", { value: next });
}

function drawn(card) {
  const plain = darkened(fitted(card.figure, page.narrow ? 400 : 1000), DARK.matches);
  const shown = shaded(marked(page.pointsOf, plain), page.limits);
  if (!page.narrow) shown.layout.dragmode = page.drag;
  shown.layout.selectionrevision = Math.random();  // the box goes once its points are marked
  shown.layout.selections = [];
  return shown;
}

// Dash drops the width of a figure only after drawing it, so the element gets the least width instead.
function widened(id, { data, layout: { width, ...layout } }) {
  const element = document.getElementById(id.name)?.firstElementChild;
  if (element) element.style.minWidth = width ? `${width}px` : "";
  return { data, layout };
}

function redraw() {
  for (const [name, { id, card }] of cards) {
    if (document.getElementById(name)) set(id, { figure: widened(id, drawn(card)) });
    else cards.delete(name);  // its view is closed
  }
}

function toggle(key) {
  const next = new Set(picked);
  if (!next.delete(key)) next.add(key);
  pick(next);
}

// Asks for the view anew. Were the data and the selection inputs of the view, Dash would hold the view back until all that
// may change them has run, and would forget the view if another sweep was chosen meanwhile.
let asked = 0;
const ask = () => set("asked", { data: (asked += 1) });

// ---- marks in figures

function ringed(trace, places, colour, labels) {
  const take = (values) => places.map((at) => values[at]);
  return {
    type: trace.type, mode: labels ? "markers+text" : "markers", name: "selected",
    x: take(trace.x), y: take(trace.y), xaxis: trace.xaxis, yaxis: trace.yaxis,
    text: labels ? take(trace.customdata).map((key) => labels.get(key).join(" ")) : undefined,
    textposition: "top center", textfont: { size: 12, color: colour },
    hoverinfo: "skip", showlegend: false,
    marker: { symbol: "circle-open", size: 17, color: colour, line: { width: 2.6 } },
  };
}

function emphasised(trace, wanted, colour) {
  const own = trace.customdata.map((key) => wanted.has(key));
  const take = (values) => values.map((value, at) => (own[at] ? value : null));
  return {
    type: trace.type, mode: "lines", name: "selected", x: take(trace.x), y: take(trace.y),
    hoverinfo: "skip", showlegend: false, line: { ...trace.line, color: colour, width: 3 },
  };
}

// `pointsOf` names the point that stands for a trial whose architecture was trained with several seeds.
function marked(pointsOf, shown) {
  if (!picked.size) return shown;
  const wanted = new Map();  // key of a point -> numbers of the selected trials that it stands for
  for (const key of picked) {
    for (const point of new Set([key, pointsOf[key] ?? key])) wanted.set(point, [...(wanted.get(point) ?? []), named(key)]);
  }
  const colour = DARK.matches ? PICKED_ON_DARK : PICKED_COLOUR;
  const marks = [];
  for (const trace of shown.data) {
    const keys = trace.customdata ?? [];
    const places = [...keys.keys()].filter((at) => wanted.has(keys[at]));
    if (!places.length) continue;
    const lines = trace.mode.includes("lines");
    marks.push(lines ? emphasised(trace, wanted, colour) : ringed(trace, places, colour, picked.size <= MOST_LABELLED ? wanted : null));
  }
  return { ...shown, data: [...shown.data, ...marks] };
}

// Shades what lies beyond the limits on the columns of the figure's axes.
function shaded(shown, limits) {
  const { layout } = shown;
  const parts = [];
  for (const axis of ["x", "y"]) {
    const limit = limits[layout.meta?.[axis]];
    const range = layout[`${axis}axis`].range;
    if (limit === undefined || !range) continue;
    const end = layout[`${axis}axis`].type === "log" ? 10 ** range[1] : range[1];
    if (limit >= end) continue;
    const other = axis === "x" ? "y" : "x";
    parts.push({
      type: "rect", [`${axis}ref`]: axis, [`${other}ref`]: "paper", [`${axis}0`]: limit, [`${axis}1`]: end,
      [`${other}0`]: 0, [`${other}1`]: 1, layer: "above", line: { width: 0 },
      fillcolor: DARK.matches ? "rgba(10,13,17,0.62)" : "rgba(120,130,140,0.25)", name: "limit",
    });
  }
  layout.shapes = [...(layout.shapes ?? []), ...parts];
  return shown;
}

// ---- functions of the table, which AG Grid calls by name

window.dashAgGridFunctions = {
  isPicked: (params) => Boolean(params.data && picked.has(params.data.key)),
  pickRow: (params) => { toggle(params.data.key); return false; },
};

function grid() {
  try {
    return window.dash_ag_grid.getApi("trials");
  } catch {
    return null;  // the table is not shown, or not there yet
  }
}

// ---- buttons that copy the command beside them

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // the page is not from this machine, or the browser does not allow it
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.(".copy");
  if (button) copy(button.previousElementSibling.textContent, button);
});

// ---- the address of the page

function showAddress() {
  if (page.sweep) window.history.replaceState(null, "", linkOf(page.sweep, page.over, [...picked]));
}

function linkOf(sweep, over, keys) {
  const link = new URLSearchParams();
  if (sweep) link.set("sweep", sweep);
  for (const name of over) link.append("over", name);
  for (const key of keys.slice(0, MOST_LINKED)) {
    link.append("trial", sweepOf(key) === sweep ? short(key).slice(1) : key);
  }
  return link.size ? `?${link}` : window.location.pathname;
}

function linked(names) {
  const link = new URLSearchParams(window.location.search);
  const asked = link.get("sweep");
  const sweep = names.includes(asked) ? asked : names[0] ?? null;
  const unknown = asked !== null && sweep !== asked;
  const layers = link.getAll("over").flatMap((text) => (names.includes(text) ? [text] : text.split(","))).slice(0, MOST_LINKED);
  const over = unknown ? [] : layers.filter((name) => names.includes(name) && name !== sweep);
  const missing = unknown ? [asked] : layers.filter((name) => !names.includes(name));
  const trials = unknown ? [] : link.getAll("trial").flatMap((text) => text.split(","));
  const keys = trials.slice(0, MOST_LINKED).filter((text) => /(^|#)\d{1,9}$/.test(text))
    .map((text) => (text.includes("#") ? text : `${sweep}#${Number(text)}`));
  const notice = missing.length ? `The link names the sweep “${missing[0].slice(0, 200)}”, which this database does not have.` : "";
  return { sweep, over, keys, notice };
}

// ---- callbacks, by the names under which the server registers them

const callbacks = {
  start(_once, names) {
    const measure = () => { page.narrow = window.innerWidth < 500; };
    measure();
    window.addEventListener("resize", () => {
      const before = page.narrow;
      measure();
      if (page.narrow !== before) redraw();
    });
    DARK.addEventListener("change", redraw);
    const { sweep, over, keys, notice } = linked(names ?? []);
    page.sweep = sweep;
    page.over = over;
    page.opened = keys.length > 0;
    pick(keys);
    return [sweep, over, notice, !notice];
  },

  fill(given, id) {
    const card = (given ?? {})[id.name];
    page.pointsOf = given?.pointsOf ?? page.pointsOf;
    if (given?.over) {
      page.over = given.over;
      showAddress();
    }
    if (!card) return Array(3).fill(same());
    cards.set(JSON.stringify({ name: id.name, type: id.type }), { id, card });
    return [widened(id, drawn(card)), card.title, card.text];
  },

  // Dash drops an answer that it awaits once it asks anew, so a server that needs longer than a tick would never be heard. The
  // page therefore asks for news only if no request is under way.
  tick(count) {
    if (waiting === 0) set("beat", { data: count });
    return same();
  },

  // Values of the page that a person or the server changes.
  sweep(name) {
    if (name && name !== page.sweep) {
      page.sweep = name;
      page.over = page.over.filter((other) => other !== name);
      pick([...picked].filter((key) => sweepOf(key) === name));
    }
    return same();
  },
  view(name) { page.view = name; return same(); },
  views(known) { if (known) { page.views = known; showTabs(); } return same(); },
  drag(what) { page.drag = what; redraw(); return same(); },

  clicked(events) {
    const at = window.dash_clientside.callback_context.triggered[0];
    const key = at?.value?.points?.[0]?.customdata;
    if (typeof key === "string") toggle(key);
    return same();
  },

  boxed(events) {
    const at = window.dash_clientside.callback_context.triggered[0];
    if (!at?.value?.range && !at?.value?.lassoPoints) return same();  // Plotly also reports that a box is gone
    const keys = at.value.points.map((point) => point.customdata).filter((key) => typeof key === "string");
    pick(adding ? [...picked, ...keys] : keys);
    return same();
  },

  drop(clicks) {
    const at = window.dash_clientside.callback_context.triggered_id;
    if (clicks.some(Boolean) && at) toggle(at.key);
    return same();
  },

  // The last step of a slider stands for no limit.
  limit(values, ids, steps) {
    const limits = {};
    const texts = ids.map((id, at) => {
      const own = steps?.costs?.[id.cost];
      if (!own || values[at] >= own.values.length) return "no limit";
      limits[id.cost] = own.values[values[at]];
      return `at most ${own.texts[values[at]]}`;
    });
    if (JSON.stringify(limits) !== JSON.stringify(page.limits)) {
      page.limits = limits;
      set("limits-now", { data: limits });
      redraw();
      if (page.view === "compare") ask();
    }
    return texts;
  },

  selectBest(_clicks, key) {
    if (key) pick([...picked, key]);
    return same();
  },

  clear() { pick([]); return same(); },
  compare() { set("view", { value: "compare" }); return same(); },
  refresh() { grid()?.refreshInfiniteCache(); return same(); },
  news() { ask(); return callbacks.refresh(); },
  again() { ask(); return same(); },

  row(cell) {
    if (cell && cell.colId !== "picked" && cell.rowId) toggle(cell.rowId);
    return same();
  },
};
window.dash_clientside = Object.assign({}, window.dash_clientside, { srsweep: callbacks });
