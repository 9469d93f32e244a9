// Draws every <figure data-chart> from the table that it holds: rows are moments, columns series.
//
//   data-chart="stack"  bars on each other          data-chart="lines"  lines, logarithmic
//   data-unit="ms"      how values are shown        data-budget="1000"  a line to stay below
//
// The legend of the figure names the colour of each column; it shows the values under the pointer.
// A click goes where the link of that row goes. Charts follow the theme and the width.
import uPlot from "uplot";

const HEIGHT = 200;
const SECOND_MS = 1000;
const POINT_PX = 12;
const POWERS = Array.from({ length: 10 }, (_, power) => 10 ** power);
const WHOLE = POWERS.flatMap((power) => [power, 2 * power, 5 * power]);
const count = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

function ms(value) {
  if (value >= SECOND_MS) return `${count.format(value / SECOND_MS)} s`;
  return `${value < 10 ? count.format(value) : Math.round(value)} ms`;
}

function read(figure) {
  const rows = [...figure.querySelectorAll("tbody tr")];
  const columns = figure.querySelectorAll("thead th").length - 1;
  const number = (cell) => cell.dataset.value ? Number(cell.dataset.value) : null;
  return {
    rows,
    moments: rows.map((row) => Date.parse(row.querySelector("time").dateTime) / SECOND_MS),
    series: Array.from({ length: columns }, (_, n) => rows.map((row) => number(row.cells[n + 1]))),
  };
}

// Each bar ends where those below it and itself end together.
function pileUp(series) {
  const sums = series[0].map(() => 0);
  return series.map((values) => values.map((value, n) => (sums[n] += value ?? 0)));
}

// Which values of a line get a point: all where there is room, else those with no line beside them.
function alone(values, width) {
  const known = [...values.keys()].filter((n) => values[n] != null);
  if (known.length * POINT_PX < width) return known;
  return known.filter((n) => values[n - 1] == null && values[n + 1] == null);
}

function colour(element, property) {
  return getComputedStyle(element)[property];
}

function draw(figure) {
  const stacked = figure.dataset.chart === "stack";
  const inMs = figure.dataset.unit === "ms";
  const budget = Number(figure.dataset.budget) || 0;
  const place = figure.querySelector("[data-canvas]");
  const legend = [...figure.querySelectorAll("[data-legend] > li")];
  const { rows, moments, series } = read(figure);
  const show = inMs ? ms : (value) => count.format(value);
  const toned = (n) => () => colour(legend[n].querySelector(".swatch"), "backgroundColor");
  const soft = () => colour(figure.querySelector("figcaption"), "color");
  const grid = () => colour(figure, "borderTopColor");
  const font = `12px ${colour(document.body, "fontFamily")}`;

  const lines = series.map((_, n) => ({
    stroke: toned(n),
    fill: stacked ? toned(n) : undefined,
    width: stacked ? 0 : 1.75,
    points: {
      show: !stacked,
      size: 5,
      fill: toned(n),
      filter: (chart, n) => alone(chart.data[n], chart.width),
    },
    paths: stacked ? uPlot.paths.bars({ size: [0.86, 24], align: 1 }) : undefined,
  }));
  const shown = stacked ? pileUp(series) : series;
  // The tallest is drawn first, so that what it holds is drawn over it.
  if (stacked) [lines, shown].forEach((list) => list.reverse());

  function tell(chart) {
    const at = chart.cursor.idx;
    legend.forEach((entry, n) => {
      const value = at == null ? null : series[n][at];
      entry.querySelector(".value").textContent = value == null ? "" : show(value);
    });
    const when = figure.querySelector("[data-when]");
    when.textContent = at == null ? "" : rows[at].querySelector("time").title;
  }

  function limit(chart) {
    if (!budget) return;
    const y = Math.round(chart.valToPos(budget, "y", true));
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour(figure.querySelector("[data-limit]"), "color");
    ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }

  const width = () => place.clientWidth;
  const axis = { stroke: soft, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  const chart = new uPlot(
    {
      width: width(),
      height: HEIGHT,
      legend: { show: false },
      tzDate: (moment) => uPlot.tzDate(new Date(moment * SECOND_MS), "Etc/UTC"),
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "charts" } },
      padding: [8, 20, 0, 0],
      scales: {
        x: { range: (_, first, last) => [first, last + (stacked ? moments[1] - moments[0] : 0)] },
        y: inMs
          ? {
            distr: 3,
            range: (_, low, high) => [
              10 ** Math.floor(Math.log10(Math.max(low ?? 10, 0.1))),
              10 ** Math.ceil(Math.log10(Math.max(budget * 2, high ?? 0))),
            ],
          }
          : { range: (_, _low, high) => [0, Math.max(high ?? 0, 4) * 1.05] },
      },
      axes: [
        { ...axis, size: 28, space: 70, values: times(moments) },
        {
          ...axis,
          size: 56,
          space: 34,
          incrs: inMs ? undefined : WHOLE,
          splits: inMs ? powers : undefined,
          filter: (_, splits) => splits,
          values: (_, splits) => splits.map(show),
        },
      ],
      series: [{}, ...lines],
      hooks: { setCursor: [tell], drawAxes: [limit] },
    },
    [moments, ...shown],
    place,
  );

  // Hidden from readers: the table says the same in words.
  place.setAttribute("aria-hidden", "true");
  place.addEventListener("pointerdown", (event) => {
    const box = chart.over.getBoundingClientRect();
    chart.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
  });
  chart.over.addEventListener("click", (event) => {
    // A finger only points: there is no hovering before it.
    if (event.pointerType === "touch") return;
    rows[chart.cursor.idx]?.querySelector("a")?.click();
  });
  new ResizeObserver(() => chart.setSize({ width: width(), height: HEIGHT })).observe(place);
  return chart;
}

function powers(_chart, _axis, low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => 10 ** (first + n));
}

function times(moments) {
  const days = (moments.at(-1) - moments[0]) / 86400;
  const options = days > 2
    ? { month: "short", day: "numeric", timeZone: "UTC" }
    : { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" };
  const format = new Intl.DateTimeFormat("en-GB", options);
  return (_, splits) => {
    const labels = splits.map((moment) => format.format(new Date(moment * SECOND_MS)));
    return labels.map((text, n) => (text === labels[n - 1] ? null : text));
  };
}

const charts = [...document.querySelectorAll("figure[data-chart]")]
  .filter((figure) => figure.querySelector("tbody tr"))
  .map(draw);
const redraw = () => charts.forEach((chart) => chart.redraw());
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
