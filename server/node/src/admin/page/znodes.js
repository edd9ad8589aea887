// The znode browser: read only, and as whoever is logged in.

import { byId, el, fill, facts, table, number, moment } from './dom.js';
import { headersOf, refusal } from './live.js';

// Paths that are asked for later make earlier answers void.
let turn = 0;
let credentialOf = () => null;

// Begins; `credential` gives the login of the moment.
export function begin(credential) {
  credentialOf = credential;
  byId('go').addEventListener('submit', (event) => {
    event.preventDefault();
    open(byId('path').value.trim() || '/');
  });
}

// Forgets what was shown.
export function close() {
  turn += 1;
  byId('znode').hidden = true;
  byId('znode-error').textContent = '';
  for (const id of ['crumbs', 'znode-name', 'znode-data', 'znode-acl', 'znode-stat', 'children']) fill(byId(id));
  byId('path').value = '/';
}

// Shows a znode; `focused`: the keyboard goes there.
export async function open(path, focused = true) {
  turn += 1;
  const own = turn;
  const znode = await ask(path, null);
  if (own !== turn || !znode) return;
  byId('path').value = path;
  byId('znode').hidden = false;
  crumbs(path);
  byId('znode-name').textContent = path;
  data(znode);
  acl(znode.acl);
  stat(znode.stat);
  children(path, znode.children);
  if (focused) byId('znode-name').focus();
}

async function ask(path, after) {
  const query = new URLSearchParams({ path });
  if (after !== null) query.set('after', after);
  const own = turn;
  try {
    const response = await fetch(`v1/znodes?${query}`, { headers: headersOf(credentialOf()), cache: 'no-store' });
    const answer = response.ok ? await response.json() : null;
    const why = answer ? '' : `${path}: ${await refusal(response)}`;
    if (own === turn) byId('znode-error').textContent = why;
    return answer;
  } catch (error) {
    if (own === turn) byId('znode-error').textContent = `${path}: ${error.message}`;
    return null;
  }
}

const link = (text, path, properties = {}) => el('button', { type: 'button', class: 'link', text, onclick: () => open(path), ...properties });

function crumbs(path) {
  const parts = path.split('/').filter((part) => part !== '');
  const items = [el('li', {}, link('/', '/', { 'aria-label': 'root' }))];
  parts.forEach((part, at) => {
    const upTo = `/${parts.slice(0, at + 1).join('/')}`;
    items.push(el('li', {}, link(part, upTo, { 'aria-current': at === parts.length - 1 ? 'page' : null })));
  });
  fill(byId('crumbs'), el('ol', {}, ...items));
}

const hidden = (text) => el('p', { class: 'hidden-part', text });

function data(znode) {
  const d = znode.data;
  const head = el('h4', { text: `Data, ${number(znode.stat.dataLength)} bytes` });
  const shown = () => {
    if (d.text === null && d.hex === null) return el('p', { class: 'muted', text: 'null' });
    const text = d.text ?? d.hex.replace(/(.{32})/g, '$1\n').replace(/([0-9a-f]{2})(?=[0-9a-f])/g, '$1 ');
    if (text === '') return el('p', { class: 'muted', text: 'empty' });
    return el('pre', { tabindex: 0, role: 'region', 'aria-label': 'Data', dir: 'auto', text });
  };
  const cut = d.cut ? el('p', { class: 'muted', text: 'Cut: only the first 64 KiB are shown.' }) : null;
  const kind = d.hex ? el('p', { class: 'muted', text: 'No text: the bytes in hexadecimal.' }) : null;
  fill(byId('znode-data'), head, d.hidden ? hidden(d.hidden) : shown(), d.hidden ? null : kind, d.hidden ? null : cut);
}

function acl(list) {
  const head = el('h4', { text: 'ACL' });
  const rows = list.hidden ? [] : list.map((entry) => [entry.scheme, entry.id, el('code', { text: entry.perms || 'nothing' })]);
  fill(byId('znode-acl'), head, list.hidden ? hidden(list.hidden) : table('Who may do what', ['Scheme', 'Name', 'May'], rows));
}

function stat(s) {
  fill(byId('znode-stat'), el('h4', { text: 'Stat' }), el('dl', { class: 'facts small' }, ...facts([
    ['Created', moment(s.ctimeMs)],
    ['Changed', moment(s.mtimeMs)],
    ['Version', String(s.version)],
    ['Version of the children', String(s.cversion)],
    ['Version of the ACL', String(s.aversion)],
    ['czxid', s.czxid],
    ['mzxid', s.mzxid],
    ['pzxid', s.pzxid],
    ['Ephemeral of', s.ephemeralOwner],
  ])));
}

function children(path, part) {
  const title = byId('children-title');
  title.textContent = part.hidden ? 'Children' : `Children, ${number(part.total)}`;
  if (part.hidden) {
    fill(byId('children'), hidden(part.hidden));
    return;
  }
  if (part.total === 0) {
    fill(byId('children'), el('p', { class: 'muted', text: 'none' }));
    return;
  }
  const list = el('ul', { 'aria-labelledby': 'children-title' });
  const more = el('button', { type: 'button', text: 'More', hidden: true });
  const add = ({ names, more: isMore }) => {
    const below = (name) => path === '/' ? `/${name}` : `${path}/${name}`;
    const items = names.map((name) => el('li', {}, link(name, below(name))));
    list.append(...items);
    more.hidden = !isMore;
    more.onclick = async () => {
      const own = turn;
      more.disabled = true;
      const next = await ask(path, names[names.length - 1]);
      more.disabled = false;
      if (own !== turn || !next || next.children.hidden) return;
      add(next.children);
      list.children[list.children.length - next.children.names.length]?.querySelector('button').focus();
    };
    return items;
  };
  add(part);
  fill(byId('children'), list, more);
}
