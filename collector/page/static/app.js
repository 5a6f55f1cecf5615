// Keeps the figures of a page up to date. The HTML has them all; without this script it reloads.
// Once a second it asks for what is now, unless nobody looks.

const root = document.documentElement;
const said = JSON.parse(document.body.dataset.words || '{}');
const MINUS = '\u2212', SPACE = '\u00a0', NONE = '\u2013';
const EVERY_MS = 1000, SLOW_MS = 5000, SPEAK_EVERY_MS = 10000;
const IDLE_W = 5;
const DECIMALS = { V: 1, Hz: 2, '°C': 1, K: 1, '%': 0, hPa: 0, 'Wh/day': 0 };  // as in figures.py

export function number(value, places) {
  const [whole, part] = Math.abs(value).toFixed(places).split('.');
  const marks = Math.abs(value) < 10000 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, root.dataset.thousands);
  const text = part ? marks + root.dataset.decimal + part : marks;
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

function places(value) {
  const size = Math.abs(value);
  return size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
}

export function figure(value, unit) {
  if (value === null || value === undefined) return [NONE, unit === 'Wh' ? 'kWh' : unit];
  const isPower = unit === 'W' || unit === 'VA' || unit === 'var';
  if (unit === 's') return [duration(value), ''];
  if (unit === 'bytes') return size(value);
  if (unit === 'Wh') [value, unit] = [value / 1000, 'kWh'];
  else if (isPower && Math.abs(value) >= 1000) [value, unit] = [value / 1000, 'k' + unit];
  else if (isPower) return [number(value, 0), unit];
  if (unit === '1') unit = '';
  if (!unit && Number.isInteger(value)) return [number(value, 0), ''];
  return [number(value, unit in DECIMALS ? DECIMALS[unit] : places(value)), unit];
}

function size(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let index = 0;
  while (Math.abs(value) >= 1000 && index + 1 < units.length) [value, index] = [value / 1000, index + 1];
  return [number(value, index ? places(value) : 0), units[index]];
}

export const written = (value, unit) => figure(value, unit).filter(Boolean).join(SPACE);

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

export function duration(seconds) {
  const size = Math.abs(seconds);
  const [name, length] = size < 60 ? ['s', 1] : size < 3600 ? ['min', 60] : size < 172800 ? ['h', 3600] : ['d', 86400];
  return fill(said[name] || `{n} ${name}`, { n: number(Math.trunc(seconds / length), 0) });
}

export const clock = (at, options) =>
  new Intl.DateTimeFormat('en-GB', { timeZone: root.dataset.zone, ...options }).format(at);

// What stands at a path: 'flow/parts/fridge' is the power of the part of that name; several add up.
function at(view, path) {
  const values = path.split(' ').map((one) => one.split('/').reduce((place, name) => {
    if (place === null || place === undefined) return place;
    return Array.isArray(place) ? (place.find((each) => each.name === name) || {}).power : place[name];
  }, view));
  if (values.length === 1) return values[0];
  return values.reduce((sum, each) => sum + (each || 0), 0);
}

// With this header a missing password opens no window of the browser's own.
export const ask = (url, { headers, ...options } = {}) =>
  fetch(url, { ...options, headers: { ...headers, 'X-Requested-With': 'fetch' } });

const all = (selector, below = document) => below.querySelectorAll(selector);
function text(element, wanted) {
  if (element && element.textContent !== wanted) element.textContent = wanted;
}

function showFigures(below, view) {
  for (const element of all('[data-path]', below)) {
    if (!element.dataset.path) continue;
    let value = at(view, element.dataset.path);
    if ('size' in element.dataset && value) value = Math.abs(value);
    const [amount, unit] = figure(value, element.dataset.unit);
    const bold = element.querySelector('b');
    if (!bold) { text(element, amount === NONE ? NONE : unit ? amount + SPACE + unit : amount); continue; }
    text(bold, amount);
    text(element.querySelector('i'), unit && SPACE + unit);
  }
}

function showFlow(view) {
  for (const link of all('[data-flow]')) {
    const power = at(view, link.dataset.flow) || 0, size = Math.abs(power);
    const arrow = link.querySelector('.arrow'), turned = power < 0;
    link.dataset.pace = size < IDLE_W ? 0 : size < 500 ? 1 : size < 2500 ? 2 : 3;
    link.classList.toggle('turned', turned);
    link.querySelector('.line').setAttribute('stroke-width', (2 + Math.min(size / 800, 6)).toFixed(1));
    const angle = Number(arrow.dataset.angle) + (turned ? 180 : 0);
    arrow.setAttribute('transform', arrow.getAttribute('transform').replace(/rotate\(.*\)/, `rotate(${angle})`));
  }
  for (const element of all('[data-word]')) {
    const key = element.dataset.word, power = at(view, key);
    const words = { 'flow/grid': ['drawn', 'fed_in'], 'flow/battery': ['discharging', 'charging'], 'flow/solar': ['produces', 'produces'] }[key];
    const name = power === null || power === undefined ? 'unknown' : Math.abs(power) < IDLE_W ? 'idle' : words[power > 0 ? 0 : 1];
    text(element, said[name]);
  }
  const sources = ['solar', 'battery', 'grid'].map((key) => [key, Math.max(view.flow[key] || 0, 0)]);
  const total = sources.reduce((sum, [, power]) => sum + power, 0);
  let start = 0;
  for (const [key, power] of sources) {
    const ring = document.querySelector(`[data-ring=${key}]`), length = total < IDLE_W ? 0 : 100 * power / total;
    if (!ring) continue;
    ring.setAttribute('stroke-dasharray', `${length.toFixed(1)} 100`);
    ring.setAttribute('stroke-dashoffset', (-start).toFixed(1));
    ring.setAttribute('visibility', length ? 'visible' : 'hidden');
    start += length;
  }
}

function showGauge(view) {
  const gauge = document.querySelector('[data-gauge]');
  if (!gauge || view.house.power === null) return;
  const share = 100 * Math.max(view.house.power, 0) / Number(gauge.dataset.gauge);
  gauge.querySelector('.mark').setAttribute('cx', `${Math.min(share, 100).toFixed(1)}%`);
}

export function spark(points) {  // as sparkline() in charts.py
  const values = points.map((each) => each[1]);
  const low = Math.min(...values), high = Math.max(...values);
  const begin = points[0][0], span = points[points.length - 1][0] - begin || 1;
  const margin = Math.max((high - low) * 0.08, Math.abs(high) * 0.01, 0.5);
  const height = high - low + 2 * margin;
  return 'M' + points.map(([when, value]) =>
    `${(100 * (when - begin) / span).toFixed(1)} ${(30 * (1 - (value - low + margin) / height)).toFixed(1)}`).join(' ');
}

function showDevices(view) {
  const known = new Map(view.devices.map((each) => [`${each.kind}/${each.device}`, each]));
  for (const card of all('[data-device]')) {
    const device = known.get(card.dataset.device);
    if (!device) { location.reload(); return; }
    const silent = !device.fresh && !('calm' in card.dataset);
    card.classList.toggle('silent', silent);
    const age = duration(Math.max(device.age_s, 0));
    text(card.querySelector('[data-age]'), fill(silent ? said.silent : said.ago, { duration: age }));
    showFigures(card, device);
    for (const each of device.figures) {
      const place = card.querySelector(`[data-figure="${CSS.escape(each.quantity)}"]`);
      const states = place && place.dataset.states ? JSON.parse(place.dataset.states) : {};
      if (place) text(place, states[each.value] || written(each.value, each.unit));
    }
    const line = card.querySelector('[data-spark]');
    if (line && device.spark.length > 1) {
      const d = spark(device.spark);
      line.querySelector('.over').setAttribute('d', d);
      line.querySelector('.under').setAttribute('d', `${d}V30H0z`);
    }
  }
}

function showProblems(view) {
  const section = document.querySelector('[data-problems]');
  if (!section) return;
  const { problems, state } = view.measured, list = section.querySelector('ul');
  const wanted = JSON.stringify(problems);
  if (section.dataset.shown === wanted) return;
  section.dataset.shown = wanted;
  section.hidden = !problems.length;
  list.classList.toggle('mild', state === 'attention');
  list.replaceChildren(...problems.map((each) => {
    const item = section.querySelector('template').content.cloneNode(true);
    const [sentence, advice, command] = all('li > span', item);
    sentence.textContent = each.text;
    advice.textContent = each.advice;
    advice.hidden = !each.advice;
    command.querySelector('code').textContent = each.command;
    command.hidden = !each.command;
    return item;
  }));
}

let spokenAt = 0;
function speak(view) {
  const place = document.querySelector('[data-spoken]');
  if (!place || Date.now() < spokenAt + SPEAK_EVERY_MS) return;
  spokenAt = Date.now();
  const verdict = document.querySelector('[data-choose="house/verdict"] [data-case]:not([hidden])');
  text(place, `${said.draws}: ${written(view.house.power, 'W')}. ${verdict ? verdict.textContent : ''}`);
}

function show(view) {
  for (const group of all('[data-choose]')) {
    const state = at(view, group.dataset.choose);
    for (const each of group.children) each.hidden = each.dataset.case !== state;
  }
  for (const section of all('.answer, .wide, .flow')) showFigures(section, view);
  for (const element of all('[data-money]')) {
    const amount = at(view, element.dataset.money);
    if (amount === null) continue;
    const digits = (amount.split('.')[1] || '').length;
    const size = fill(element.dataset.form, { n: number(Math.abs(amount), digits) }).replace(/ /g, SPACE);
    text(element, Number(amount) < 0 ? MINUS + size : size);
  }
  text(document.querySelector('[data-text="now.sources"]'), fill(said.sources, { ok: view.measured.sources_ok, all: view.measured.sources }));
  text(document.querySelector('[data-clock]'), clock(view.at_ms, { timeStyle: 'medium' }));
  showFlow(view);
  showGauge(view);
  showDevices(view);
  showProblems(view);
  speak(view);
}

function beat(state) {
  const place = document.querySelector('[data-beat]');
  if (!place || place.dataset.beat === state) return;
  place.dataset.beat = state;
  if (state === 'lost') text(place.querySelector('[data-clock]'), said.lost);
}

let tag = '', timer = 0, waiting = false;
async function poll() {
  if (waiting || document.hidden) return;
  waiting = true;
  let pause = EVERY_MS;
  try {
    const headers = tag ? { 'If-None-Match': tag } : {};
    const answer = await ask('/api/v1/now', { headers, cache: 'no-store', signal: AbortSignal.timeout(8000) });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.status === 200) {
      tag = answer.headers.get('ETag') || '';
      show(await answer.json());
    } else if (answer.status !== 304) pause = SLOW_MS;
    beat(pause === EVERY_MS ? 'live' : 'lost');
  } catch {
    pause = SLOW_MS;
    beat('lost');
  } finally {
    waiting = false;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(poll, pause);
  }
}

if ('live' in document.body.dataset) {
  document.addEventListener('visibilitychange', () => { clearTimeout(timer); poll(); });
  timer = setTimeout(poll, EVERY_MS);
}

// The modes of a heat pump over the day, as a band; the words stand below it.
const MODES = { 0: 'heat_pump', 1: 'grid', 2: 'part1', 3: 'part2', 4: 'part3', 5: 'rest', 6: 'solar', 7: 'battery' };
async function showBand(place) {
  const answer = await ask(place.dataset.band);
  if (!answer.ok) return;
  const { points, begin_ms: begin, end_ms: end, step_ms: step } = await answer.json();
  const states = JSON.parse(place.dataset.states), band = place.querySelector('svg'), lengths = new Map();
  let last;
  for (const [when, , mode] of points) {  // a mean of two modes is none of them
    if (mode === null) { last = undefined; continue; }
    lengths.set(mode, (lengths.get(mode) || 0) + step);
    if (last && last.mode === mode && when - last.end <= step) { last.end = when + step; } else {
      last = { mode, begin: when, end: when + step, rect: document.createElementNS('http://www.w3.org/2000/svg', 'rect') };
      last.rect.setAttribute('class', `c-${MODES[mode] || 'rest'}`);
      last.rect.setAttribute('x', `${100 * (when - begin) / (end - begin)}%`);
      last.rect.setAttribute('height', 16);
      band.append(last.rect);
    }
    last.rect.setAttribute('width', `${100 * (last.end - last.begin) / (end - begin)}%`);
  }
  const spent = [...lengths].sort((one, other) => other[1] - one[1])
    .map(([mode, length]) => [mode, `${states[mode] || mode} ${duration(length / 1000)}`]);
  band.setAttribute('aria-label', spent.map((each) => each[1]).join(', '));
  place.querySelector('.legend').append(...spent.map(([mode, words]) => {
    const item = document.createElement('span'), key = document.createElement('span');
    key.className = `key c-${MODES[mode] || 'rest'}`;
    item.append(key, words);
    return item;
  }));
  place.hidden = !lengths.size;
}
for (const each of all('[data-band]')) showBand(each);

const print = document.querySelector('[data-print]');
if (print) {
  print.hidden = false;
  print.addEventListener('click', () => window.print());
}
