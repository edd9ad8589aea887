// Brings overviews: by a stream, or one after the other where there is no room for one more stream.
// EventSource would be shorter, and cannot say who asks.

const PAUSE_MS = 1000;

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

export function headersOf(credential) {
  return credential ? { authorization: credential } : {};
}

// Why a request was refused, in the server's words.
export async function refusal(response) {
  try {
    return (await response.json()).error ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

// Calls `show` with each overview and `tell` with live, polling or broken, until `signal` says so or
// the server wants to know who asks; then with denied and why.
export async function follow(credential, signal, show, tell) {
  const options = { headers: headersOf(credential), signal, cache: 'no-store' };
  while (!signal.aborted) {
    try {
      const response = await fetch('v1/overview/stream', options);
      if (response.status === 401 || response.status === 403) {
        tell('denied', await refusal(response));
        return;
      }
      if (response.ok) {
        tell('live');
        await read(response.body, show);
        // The server ends each stream after some minutes.
        continue;
      }
      await poll(options, show, tell);
    } catch (error) {
      if (signal.aborted) return;
      tell('broken', error.message);
    }
    await pause(PAUSE_MS);
  }
}

async function poll(options, show, tell) {
  const response = await fetch('v1/overview', options);
  if (!response.ok) throw new Error(await refusal(response));
  show(await response.json());
  tell('polling');
  await pause(PAUSE_MS);
}

async function read(body, show) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split('\n\n');
    text = events.pop();
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data: '));
      if (data.length > 0) show(JSON.parse(data.map((line) => line.slice(6)).join('\n')));
    }
  }
}
