// Fits a figure to an element of `width` pixels. A phone gets smaller type and fewer labels.
const NARROW = 460;

function fitted(figure, width) {
  const layout = structuredClone(figure.layout);
  const small = width < NARROW;
  // A figure with a least width keeps it, and its element scrolls sideways.
  const least = layout.meta?.least;
  const narrow = small && !least;
  if (small) layout.dragmode = false;
  if (small && least) layout.width = least;
  if (narrow) {
    layout.font.size = 11;
    layout.xaxis.title.font.size = layout.yaxis.title.font.size = 11;
    layout.margin = { ...layout.margin, l: Math.min(layout.margin.l, 44), r: 8, b: layout.sliders ? layout.margin.b : Math.min(layout.margin.b, 40) };
    layout.legend.font.size = 10;
    layout.yaxis.title.text = layout.yaxis.title.text.replace(" on the validation split", "");
  }
  const kept = (part) => !narrow || part.name !== "wide only";
  layout.annotations = (layout.annotations ?? []).filter(kept);
  const data = figure.data.map((trace) => trace.meta === "wide only" ? { ...trace, visible: !narrow } : trace);
  return { data, layout };
}

// The colours of a dark page for the ink, the greys and the dark colours of the light one.
const DARK_COLOURS = {
  "#1d2733": "#e2e7ec", "#66717d": "#9aa5b1", "#e6e9ec": "#2b333c", "#ffffff": "#161b21",
  "rgba(255,255,255,": "rgba(22,27,33,", "#0072b2": "#4aa3df", "rgba(0,114,178,": "rgba(74,163,223,",
  "#8a5a2b": "#d0a070", "#6a51a3": "#a08ad6", "rgba(120,130,140,0.28)": "rgba(170,180,190,0.38)",
};

// Gives a figure that `fitted` returned the colours of a dark page.
function darkened(shown, dark) {
  if (!dark) return shown;
  let text = JSON.stringify(shown);
  for (const [light, other] of Object.entries(DARK_COLOURS)) text = text.replaceAll(light, other);
  // The shades of the learning curves become lighter.
  text = text.replace(/rgb\((\d+),(\d+),(\d+)\)/g, (all, ...parts) =>
    `rgb(${parts.slice(0, 3).map((part) => Math.round(90 + 0.65 * part)).join()})`);
  const { data, layout } = JSON.parse(text);
  // Pale marks, which stand out from white, would disappear.
  for (const { marker } of data) {
    if (Array.isArray(marker?.opacity)) marker.opacity = marker.opacity.map((value) => Math.max(value, 0.6));
  }
  layout.font = { ...layout.font, color: "#e2e7ec" };
  layout.hoverlabel = { ...layout.hoverlabel, bgcolor: "#232a32", font: { size: 12, color: "#e2e7ec" } };
  return { data, layout };
}
