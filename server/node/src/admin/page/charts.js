// Two small pictures. What they show is in the tables beside them, too, for those who do not see them.

import { el, svg, duration, milliseconds } from './dom.js';

const WIDTH = 600;
const HEIGHT = 64;
const MINUTE_MS = 60000;

function chart(label, from, to, ...shapes) {
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('line', { class: 'axis', x1: 0, y1: HEIGHT - 1, x2: WIDTH, y2: HEIGHT - 1 }), ...shapes);
  return el('figure', {}, el('figcaption', { class: 'muted', text: label }), picture,
    el('div', { class: 'scale muted' }, el('span', { text: from }), el('span', { text: to })));
}

// Heights that tell 10 ms from 100 and from 1000.
function height(value, most) {
  const share = Math.log10(1 + value) / Math.log10(1 + Math.max(most, 1));
  return Math.max(4, share * (HEIGHT - 6));
}

function bar(x, width, tall, kind) {
  return svg('rect', { class: kind, x: x.toFixed(1), y: (HEIGHT - tall).toFixed(1), width, height: tall.toFixed(1) });
}

// Elections over time, their causes by colour.
export function elections(list, now) {
  if (list.length === 0) return [];
  const oldest = list[list.length - 1].atMs;
  const span = Math.max(now - oldest, MINUTE_MS);
  const most = Math.max(...list.map((e) => e.tookMs));
  const bars = list.map((e) => {
    const x = ((e.atMs - (now - span)) / span) * (WIDTH - 8);
    return bar(Math.max(0, x), 6, height(e.tookMs, most), `cause-${e.cause}`);
  });
  const counts = new Map();
  for (const { cause } of list) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  const entry = ([cause, count]) => el('li', {}, el('span', { class: `swatch cause-${cause}`, 'aria-hidden': 'true' }),
    `${causeName(cause)}: ${count}`);
  return [
    chart('When leaders changed; taller bars took longer', `${duration(span)} ago`, 'now', ...bars),
    el('ul', { class: 'legend', 'aria-label': 'Elections by cause' }, ...[...counts].map(entry)),
  ];
}

const CAUSES = {
  start: 'server started',
  leader_lost: 'leader lost',
  quorum_lost: 'quorum lost',
  hand_over: 'lead passed on',
  roll_over: 'zxids used up',
  reconfig: 'members changed',
};

export const causeName = (cause) => CAUSES[cause] ?? cause;

// The slowest flush of each of the last sixty minutes.
export function fsyncs(minutes, now, slowMs) {
  const recent = minutes.filter((m) => now - m.atMs < 60 * MINUTE_MS);
  if (recent.length === 0) return [];
  const most = Math.max(...recent.map((m) => m.maxUs));
  const slot = WIDTH / 60;
  const bars = recent.map((m) => {
    const ago = Math.floor((now - m.atMs) / MINUTE_MS);
    const kind = m.maxUs >= slowMs * 1000 ? 'slow' : 'flush';
    return bar((59 - ago) * slot + 1, slot - 2, height(m.maxUs, most), kind);
  });
  const label = `Slowest flush of each minute; the tallest bar is ${milliseconds(most / 1000)}`;
  return [chart(label, '60 min ago', 'now', ...bars)];
}
