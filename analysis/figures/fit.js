// Fits a figure to an element of `width` pixels. A phone gets smaller type and fewer labels.
const NARROW = 460;

function fitted(figure, width) {
  const narrow = width < NARROW;
  const layout = structuredClone(figure.layout);
  if (narrow) {
    layout.font.size = 11;
    layout.xaxis.title.font.size = layout.yaxis.title.font.size = 11;
    layout.margin = { ...layout.margin, l: Math.min(layout.margin.l, 44), r: 8, b: layout.sliders ? layout.margin.b : Math.min(layout.margin.b, 40) };
    layout.legend.font.size = 10;
    layout.yaxis.title.text = layout.yaxis.title.text.replace(" on the validation split", "");
    layout.dragmode = false;
  }
  const kept = (part) => !narrow || part.name !== "wide only";
  layout.annotations = (layout.annotations ?? []).filter(kept);
  const data = figure.data.map((trace) => trace.meta === "wide only" ? { ...trace, visible: !narrow } : trace);
  return { data, layout };
}
