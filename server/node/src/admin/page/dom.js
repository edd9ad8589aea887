// Elements and words. Names and data are hostile: they become text, and never markup.

const SVG = 'http://www.w3.org/2000/svg';

export const byId = (id) => document.getElementById(id);

// An element with properties (class, text, on.., and attributes) and children.
export function el(tag, properties = {}, ...children) {
  return build(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'text') node.textContent = value;
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}

// A list of terms and what they are; pairs without a value are left out.
export function facts(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([term, value, kind]) =>
      el('div', { class: kind ? `fact ${kind}` : 'fact' }, el('dt', { text: term }), el('dd', {}, value)));
}

// A table that is a pile of cards where there is no room for one. The roles keep it a table for those who
// do not see it, which the style of cards would take away.
export function table(caption, heads, rows) {
  const head = (text) => el('th', { role: 'columnheader', scope: 'col', text });
  const cell = (value, column) =>
    el('td', { role: 'cell', 'data-label': heads[column] }, el('span', {}, value ?? '–'));
  const line = (cells) => el('tr', { role: 'row' }, ...cells.map(cell));
  return el('table', { role: 'table' },
    el('caption', { text: caption }),
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads.map(head))),
    el('tbody', { role: 'rowgroup' }, ...rows.map(line)));
}

export const number = (n) => n.toLocaleString('en');

export function milliseconds(ms) {
  if (ms < 1) return '< 1 ms';
  return ms < 10000 ? `${number(Math.round(ms))} ms` : duration(ms);
}

export function duration(ms) {
  const s = Math.floor(Math.max(ms, 0) / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// A moment with its date, in the time zone of whoever reads.
export function moment(ms) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return el('span', { text: String(ms) });
  const text = at.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
  return el('time', { datetime: at.toISOString(), text });
}
