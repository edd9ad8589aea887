// The page: who is logged in, and what is shown to them.

import { byId } from './dom.js';
import { follow, headersOf, refusal } from './live.js';
import * as overview from './overview.js';
import * as znodes from './znodes.js';

const required = document.body.dataset.login === 'required';
const STATES = { live: 'Live', polling: 'Every 2 s', broken: 'No connection', waiting: 'Not logged in' };

// Nothing but this variable has it, so a reload asks again.
let credential = null;
let stream = null;
let before = null;

function start() {
  znodes.begin(() => credential);
  byId('order').addEventListener('change', overview.redraw);
  byId('login-form').addEventListener('submit', (event) => {
    event.preventDefault();
    logIn();
  });
  byId('log-out').addEventListener('click', logOut);
  byId('login-why').textContent = required
    ? 'Nothing is shown without a login that is super, or that the ACL of / names for everything.'
    : 'Znodes are shown to those who say who they are. ACLs decide what they see.';
  if (!required) {
    byId('znodes').append(byId('login'));
    watch();
  }
  arrange();
}

function watch() {
  stream?.abort();
  stream = new AbortController();
  follow(credential, stream.signal, show, tell);
}

function show(o) {
  const aloud = overview.news(before, o);
  if (aloud) byId('announcement').textContent = aloud;
  before = o;
  overview.show(o);
}

function tell(state, why) {
  if (state === 'denied') {
    logOut();
    byId('login-error').textContent = why;
    return;
  }
  const live = byId('live');
  live.dataset.state = state;
  live.textContent = STATES[state];
  if (state === 'broken') byId('announcement').textContent = 'The server does not answer.';
}

// Shows what the login of the moment may see.
function arrange() {
  const inside = credential !== null;
  byId('overview').hidden = required && !inside;
  byId('sections').hidden = required && !inside;
  byId('browser').hidden = !inside;
  byId('login').hidden = inside;
  byId('log-out').hidden = !inside;
  if (required && !inside) tell('waiting');
}

async function logIn() {
  const error = byId('login-error');
  error.textContent = '';
  const wanted = `digest ${byId('user').value}:${byId('password').value}`;
  if (!/^[\x20-\x7e]+$/.test(wanted)) {
    error.textContent = 'Only characters of ASCII can be sent.';
    return;
  }
  try {
    const response = await fetch('v1/znodes?path=%2F', { headers: headersOf(wanted), cache: 'no-store' });
    // Where no login is required, 403 is the word of the ACL of the root, and not about who somebody is.
    if (response.status === 401 || (required && response.status === 403)) {
      error.textContent = await refusal(response);
      return;
    }
  } catch (problem) {
    error.textContent = problem.message;
    return;
  }
  credential = wanted;
  byId('login-form').reset();
  arrange();
  if (required) {
    watch();
    byId('main').focus();
  }
  znodes.open('/', !required);
}

function logOut() {
  credential = null;
  znodes.close();
  if (required) {
    stream?.abort();
    before = null;
    overview.forget();
  }
  arrange();
  byId('user').focus();
}

start();
