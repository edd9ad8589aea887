// Shows an overview. Nothing in it can be focused, so that it may be drawn anew each second.

import { byId, el, fill, facts, table, number, milliseconds, duration, moment } from './dom.js';
import * as charts from './charts.js';

const ELECTIONS_SHOWN = 12;
const SLOW_SHOWN = 10;
const CONDITIONS = {
  serving: ['serving', 'good'],
  notServing: ['not serving', 'bad'],
  synced: ['level', 'good'],
  syncing: ['catching up', 'fair'],
  away: ['not connected', 'bad'],
  unknown: ['known to the leader', 'plain'],
};
const CHANGES = { joins: 'joins', leaves: 'leaves', getsVote: 'gets a vote', losesVote: 'loses its vote' };

let last = null;

// Draws the overview that was shown last once more.
export function redraw() {
  if (last) show(last);
}

export function show(o) {
  last = o;
  const s = o.status;
  const name = s.ensembleId ?? 'ZooKeeper ensemble';
  byId('title').textContent = name;
  byId('subtitle').textContent = s.role === 'standalone'
    ? `Server alone · Quorate ${s.version}`
    : `Server ${s.serverId}${o.zone ? ` in ${o.zone}` : ''} · ${s.role} · Quorate ${s.version}`;
  document.title = `${name} · ${s.role}`;
  ensemble(o);
  elections(o);
  disk(o);
  clients(o);
  limits(o);
}

// What a change from one overview to the next is worth saying aloud.
export function news(before, o) {
  const s = o.status;
  if (!before || before.status.life !== s.life) return '';
  if (before.status.leader !== s.leader) {
    return s.leader === null ? 'There is no leader now.' : `Server ${s.leader} leads now.`;
  }
  if (before.status.serving !== s.serving) return s.serving ? 'Clients are served again.' : 'Clients are not served now.';
  if (before.status.config.version !== s.config.version) return `The members changed: config ${s.config.version}.`;
  return '';
}

function ensemble(o) {
  const s = o.status;
  const alone = s.role === 'standalone';
  notice(o);
  fill(byId('facts'), ...facts([
    ['Leader', alone ? null : s.leader === null ? 'none' : `server ${s.leader}`, s.leader === null ? 'bad' : 'main'],
    ['This server', s.serving ? s.role : `${s.role}, ${s.phase}`, s.serving ? 'main' : 'bad'],
    ['In this role for', duration(o.roleMs)],
    ['Epoch', alone ? null : String(s.epoch)],
    ['Config version', alone ? null : `${s.config.version}${s.config.proposed ? ', a change is under way' : ''}`],
    ['Committed', s.zxidCommitted],
    ['Applied', s.zxidApplied],
    ['History', s.history === 'whole' ? null : `${s.history}: no vote`, 'bad'],
    ['Znodes', number(s.nodes)],
    ['Sessions', number(s.sessions)],
    ['Connections here', number(s.connections)],
    ['Watches here', number(s.watches)],
    ['Requests waiting here', number(s.outstanding)],
    ['Up for', duration(s.uptimeMs)],
  ]));
  topology(o.members);
}

function notice(o) {
  const s = o.status;
  const text = (() => {
    if (s.role === 'standalone') return '';
    if (s.leader === null) return `There is no leader. This server has been looking for one for ${duration(o.roleMs)}.`;
    if (s.role === 'leader') return '';
    return `Server ${s.leader} leads, and it alone knows who is level and by how much others lag: open its page for that.`;
  })();
  const line = byId('notice');
  line.hidden = text === '';
  line.classList.toggle('alarm', s.leader === null);
  if (line.textContent !== text) line.textContent = text;
}

function topology(members) {
  const zones = new Map();
  for (const member of members) {
    const zone = member.zone ?? '';
    if (!zones.has(zone)) zones.set(zone, []);
    zones.get(zone).push(member);
  }
  const names = [...zones.keys()].sort((a, b) => (a === '') - (b === '') || a.localeCompare(b));
  const title = (zone) => zone === '' ? (names.length > 1 ? 'Zone not known' : 'Members') : `Zone ${zone}`;
  fill(byId('zones'), ...names.map((zone) => el('section', { class: 'zone' },
    el('h3', { text: title(zone) }), el('ul', {}, ...zones.get(zone).map(card)))));
}

function card(member) {
  const [condition, mood] = CONDITIONS[member.condition];
  const role = member.leads ? 'leader' : member.voter ? 'voter' : member.inConfig ? 'observer' : 'observer, in no config';
  const level = member.lag === 0 && member.lagMs === 0;
  const lag = member.lag === null ? null : level ? 'none' : `${number(member.lag)} transactions, ${milliseconds(member.lagMs)}`;
  return el('li', { class: member.leads ? 'member leads' : 'member', 'data-server': member.id },
    el('p', { class: 'name' },
      el('strong', { text: `Server ${member.id}` }),
      el('span', { class: 'role', text: role }),
      member.here ? el('span', { class: 'role', text: 'this one' }) : null,
      member.change ? el('span', { class: 'role change', text: CHANGES[member.change] }) : null),
    el('p', { class: `condition ${mood}` }, el('span', { text: condition }), lag === null ? null : ` · lag: ${lag}`),
    el('p', { class: 'muted', text: member.client ?? member.host ?? 'address not known' }));
}

function elections(o) {
  fill(byId('election-chart'), ...charts.elections(o.elections, o.atMs));
  if (o.elections.length === 0) {
    fill(byId('election-table'), el('p', { class: 'muted', text: 'None since this server started.' }));
    return;
  }
  const rows = o.elections.slice(0, ELECTIONS_SHOWN).map((e) => [
    moment(e.atMs), `${duration(o.atMs - e.atMs)} ago`, `server ${e.leader}`, charts.causeName(e.cause), milliseconds(e.tookMs)]);
  const caption = `The last ${rows.length} of ${o.elections.length} that this server took part in and remembers`;
  fill(byId('election-table'), table(caption, ['When', 'Ago', 'Leader', 'Cause', 'Took'], rows));
}

function disk(o) {
  const f = o.fsync;
  fill(byId('fsync-facts'), ...facts([
    ['Flushes', number(f.count)],
    ['Median', milliseconds(f.p50Ms)],
    ['99 % under', milliseconds(f.p99Ms)],
    ['99.9 % under', milliseconds(f.p999Ms)],
    ['Slowest', milliseconds(f.maxMs)],
    [`Over ${milliseconds(f.slowMs)}`, number(f.slowCount), f.slowCount > 0 ? 'bad' : ''],
  ]));
  fill(byId('fsync-chart'), ...charts.fsyncs(f.minutes, o.atMs, f.slowMs));
  const rows = f.slow.slice(0, SLOW_SHOWN).map((s) => [moment(s.atMs), `${duration(o.atMs - s.atMs)} ago`, milliseconds(s.tookMs)]);
  const none = el('p', { class: 'muted', text: `No flush of the log took ${milliseconds(f.slowMs)} or longer.` });
  fill(byId('fsync-table'), rows.length === 0 ? none : table('The last slow flushes of the log', ['When', 'Ago', 'Took'], rows));
}

function clients(o) {
  const list = o.talkers[byId('order').value];
  if (list.length === 0) {
    fill(byId('client-table'), el('p', { class: 'muted', text: 'No client is connected to this server.' }));
    return;
  }
  const heads = ['Client', 'Session', 'Packets in', 'Packets out', 'Waiting', 'Last', 'Mean', 'Longest'];
  const rows = list.map((t) => [t.secure ? `${t.address} (TLS)` : t.address, t.session, number(t.received), number(t.sent),
    number(t.outstanding), t.lastOperation, milliseconds(t.avgLatencyMs), milliseconds(t.maxLatencyMs)]);
  const caption = `${rows.length} of ${number(o.status.connections)} connections`;
  fill(byId('client-table'), table(caption, heads, rows));
}

function limits(o) {
  const rows = o.limits.map((l) => [
    el('span', {}, `${l.what} `, el('code', { text: l.key })),
    l.used === null ? null : number(l.used),
    l.max === null ? 'none' : number(l.max),
    l.reached === null ? null : el('span', { class: l.reached > 0 ? 'bad' : '', text: number(l.reached) })]);
  fill(byId('limit-table'), table('What this server allows', ['What', 'Now', 'Limit', 'Times reached'], rows));
}

// Forgets what was shown, so that it cannot be found in the page after a log-out.
export function forget() {
  last = null;
  byId('title').textContent = 'Quorate';
  byId('subtitle').textContent = '';
  byId('announcement').textContent = '';
  document.title = 'Quorate';
  for (const id of ['facts', 'zones', 'election-chart', 'election-table', 'fsync-facts', 'fsync-chart', 'fsync-table',
    'client-table', 'limit-table']) fill(byId(id));
}
