// The chart of the page History: values on hover and by keyboard, zoom, and the form that follows.

import { ask, clock, figure, written } from './app.js';

const TURN_MS = 26 * 3600 * 1000;  // a longer time is told by days
const form = document.querySelector('[data-choose-form]');
const readout = document.querySelector('[data-readout]');
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

for (const each of document.querySelectorAll('[data-without-script]')) each.hidden = true;
form.addEventListener('change', (event) => {
  const at = form.elements.at;
  if (event.target.name === 'range') at.type = 'hidden';
  const zone = document.documentElement.dataset.zone;
  const today = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' }).format();
  if (event.target.name === 'range') {
    at.value = at.value.slice(0, 10);
    at.disabled = at.value === today;  // then it is the hour of now
    if (event.target.value === 'hour') at.value += 'T12:00';
  }
  if (at.value) form.requestSubmit();
});

const bars = document.querySelector('[data-bars]');
if (bars) followBars([...bars.querySelectorAll('.bar')]);
const place = document.querySelector('[data-chart]');
if (place) drawChart(place);

function followBars(list) {
  let chosen = -1;
  const choose = (index) => {
    if (chosen >= 0) list[chosen].classList.remove('on');
    chosen = Math.max(0, Math.min(list.length - 1, index));
    list[chosen].classList.add('on');
    readout.textContent = list[chosen].dataset.text;
  };
  list.forEach((bar, index) => {
    bar.querySelector('title').remove();
    bar.addEventListener('pointerenter', () => choose(index));
    bar.addEventListener('click', () => choose(index));
  });
  bars.addEventListener('keydown', (event) => {
    const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: list.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(chosen < 0 && event.key === 'ArrowLeft' ? list.length - 1 : to);
  });
}

// The view in the HTML is small: times in seconds since its beginning, and no value twice.
function expanded(view) {
  const wide = ([at, mean = null, low = mean, high = low]) => [view.begin_ms + at * 1000, mean, low, high];
  return { ...view, points: view.points.map(wide), before: view.before.map(wide) };
}

function drawChart(element) {
  const { url, unit } = element.dataset;
  const first = expanded(JSON.parse(element.dataset.view));
  const whole = [first.begin_ms, first.end_ms];
  const words = JSON.parse(element.dataset.words);
  const zoomOut = document.querySelector('[data-zoom-out]');
  const csv = document.querySelector('[data-csv]'), everything = csv.href;
  const viewOf = async (address) => {
    const answer = await ask(address, { cache: 'no-cache' });
    if (!answer.ok) throw new Error((await answer.json()).error);
    return answer.json();
  };
  let view, plot;
  const columns = () => {
    const before = new Map();
    for (const [when, mean] of view.before) before.set(Math.round(when / view.step_ms), mean);
    const points = view.points, used = view.shows === 'used';
    return [
      points.map((each) => each[0] / 1000),
      points.map((each) => used ? each[1] : each[2]),
      points.map((each) => used ? each[1] : each[3]),
      points.map((each) => each[1]),
      points.map((each) => before.get(Math.round(each[0] / view.step_ms)) ?? null),
    ];
  };
  const when = (at, span = whole[1] - whole[0]) => span <= TURN_MS
    ? clock(at, { timeStyle: span < 7200000 ? 'medium' : 'short' })
    : new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: document.documentElement.dataset.zone, weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);
  const tell = (index) => {
    const point = view.points[index];
    if (!point) return;
    const [at, mean, low, high] = point;
    const spread = low === null || low === high ? '' : ` (${written(low, unit)} – ${written(high, unit)})`;
    const prior = plot.data[4][index];
    const earlier = prior === null ? '' : ` · ${words.before} ${written(prior, unit)}`;
    readout.textContent = `${when(at)}: ${mean === null ? words.nothing : written(mean, unit)}${spread}${earlier}`;
  };
  const short = (value) => {  // 2 kW, not 2.00 kW
    const [amount, its] = figure(value, unit);
    const mark = document.documentElement.dataset.decimal;
    return [amount.includes(mark) ? amount.replace(/0+$/, '').replace(new RegExp(`\\${mark}$`), '') : amount, its].filter(Boolean).join(' ');
  };
  const options = () => {
    const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
    const main = colour('--accent');
    const days = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: document.documentElement.dataset.zone, day: 'numeric', month: 'short' });
    const months = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: document.documentElement.dataset.zone, month: 'short' });
    return {
      width: element.clientWidth, height: 300, tzDate: (at) => uPlot.tzDate(new Date(at * 1000), document.documentElement.dataset.zone),
      padding: [12, 20, 0, 0], legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 8 }, y: false },
      scales: { x: { time: true } },
      series: [
        {},
        { points: { show: false }, stroke: view.shows === 'used' ? 'transparent' : main + '66', width: 1, spanGaps: false },
        { points: { show: false }, stroke: view.shows === 'used' ? 'transparent' : main + '66', width: 1, spanGaps: false },
        view.shows === 'used'
          ? { stroke: main, fill: main, width: 0, paths: uPlot.paths.bars({ size: [0.8, 60], align: 1 }), points: { show: false } }
          : { stroke: main, width: 1.75, points: { show: false }, spanGaps: false },
        { stroke: colour('--rest'), width: 1.25, dash: [5, 4], points: { show: false }, spanGaps: true },
      ],
      bands: view.shows === 'used' ? [] : [{ series: [2, 1], fill: main + '38' }],
      axes: [
        { ...axis, space: 64, values: (_, ticks, __, ___, step) => ticks.map((at) => step < 86400 ? clock(at * 1000, { timeStyle: 'short' }) : (step < 2000000 ? days : months).format(at * 1000)) },
        { ...axis, size: 64, values: (_, ticks) => ticks.map((value) => short(value)) },
      ],
      hooks: {
        setCursor: [(self) => { if (self.cursor.idx !== null && self.cursor.left >= 0) tell(self.cursor.idx); }],
        setSelect: [(self) => {
          if (self.select.width < 8) return;
          const from = self.posToVal(self.select.left, 'x'), to = self.posToVal(self.select.left + self.select.width, 'x');
          self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          zoom(from * 1000, to * 1000);
        }],
      },
    };
  };
  const draw = () => {
    if (plot) plot.destroy();
    element.replaceChildren();
    plot = new uPlot(options(), columns(), element);
    plot.root.setAttribute('aria-hidden', 'true');
    plot.setScale('x', { min: view.begin_ms / 1000, max: view.end_ms / 1000 });
  };
  const load = async (address) => {
    try {
      view = { ...await viewOf(address), before: [] };
      draw();
    } catch (error) {
      readout.textContent = error.message;
    }
  };
  const zoom = async (from, to) => {
    const begin = Math.max(whole[0], Math.round(from)), end = Math.min(whole[1], Math.round(to));
    if (end - begin < 10000) return;
    if (end - begin >= whole[1] - whole[0]) { all(); return; }
    zoomOut.hidden = false;
    const address = `${url}&since_ms=${begin}&until_ms=${end}`;
    csv.href = `${address}&format=csv`;
    await load(address);
  };
  const all = () => {
    zoomOut.hidden = true;
    csv.href = everything;
    view = first;
    draw();
  };
  zoomOut.addEventListener('click', () => { all(); element.focus(); });
  element.addEventListener('keydown', (event) => {
    if (!plot) return;
    const last = view.points.length - 1, at = plot.cursor.idx ?? -1;
    const step = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: at < 0 ? last : at - step, ArrowRight: at + step, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const index = Math.max(0, Math.min(last, to));
      plot.setCursor({ left: plot.valToPos(view.points[index][0] / 1000, 'x'), top: 10 });
      return;
    }
    if (event.key === 'Escape') { all(); return; }
    const factor = { '+': 0.25, '=': 0.25, '-': 1 }[event.key];
    if (!factor) return;
    event.preventDefault();
    const middle = at >= 0 ? view.points[at][0] : (view.begin_ms + view.end_ms) / 2;
    const half = (view.end_ms - view.begin_ms) * factor;
    zoom(middle - half, middle + half);
  });
  let width = 0;
  new ResizeObserver(() => {
    if (plot && element.clientWidth !== width) { width = element.clientWidth; plot.setSize({ width, height: 300 }); }
  }).observe(element);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (view) draw(); });
  all();
}
