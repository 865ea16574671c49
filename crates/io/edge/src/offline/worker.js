// The service worker of the offline kit. The edge puts `const CONFIG = {...};` before it.
//
// Reads: the network first; a kept copy only where the network fails. While a page loads without failures, its own network requests
// answer it, and the worker does its part afterwards. Writes: into the store first, then delivered one after
// the other with an idempotency key that stays the same, so that an attempt whose answer was lost has no second effect.
const NAME = 'mainstay-offline';
const PAGES = NAME + '-pages';
const BASE = '/.mainstay/';
const SHELL = BASE + 'offline.html';
// Kept responses, and bytes of one.
const COPIES_MAX = 300;
const COPY_MAX = 2e6;
// Milliseconds between attempts to deliver: the first, the longest.
const WAIT_MIN = 1000;
const WAIT_MAX = 60000;
// After a response that did not come in time, the next ones are waited for this long, for half a minute.
const IMPATIENT = 1500;
// Where the browser asks the network itself: milliseconds after which the worker asks too. It gets the same response; until then it
// would only take time from the page. An error, a redirect and a kept page come by this later.
const GRACE = 20;
// Milliseconds after which a page counts as loaded that does not say so.
const LOAD_MAX = 10000;
// Attempts of a write that a server answers with an error of its own.
const FAILS_MAX = 8;
// The worker asks whether it still exists at most this often.
const CHECK = 600000;
// Statuses of the edge while it reaches no server.
const DOWN = [502, 503, 504];
// Parts of pages that are kept with them.
const PARTS = CONFIG.pages.length ? ['style', 'script', 'image', 'font', 'manifest'] : [];

let failing = false;
let signIn = false;
let leaving = CONFIG.off;
let impatientUntil = 0;
let checked = 0;
let puts = 0;
let clears = 0;

const matches = (patterns, path) =>
  patterns.some(pattern => pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path);
const later = time => new Promise(resolve => setTimeout(resolve, time));
const windows = () => clients.matchAll({ includeUncontrolled: true, type: 'window' });
const send = async message => (await windows()).forEach(client => client.postMessage(message));

// Store: writes that wait, and writes that were refused when they were delivered.
let opened;
const open = () => opened ||= new Promise((resolve, reject) => {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore('writes', { keyPath: 'id', autoIncrement: true });
    request.result.createObjectStore('refused', { keyPath: 'id' });
  };
  request.onsuccess = () => {
    request.result.onclose = request.result.onversionchange = () => { request.result.close(); opened = 0; };
    resolve(request.result);
  };
  request.onerror = () => { opened = 0; reject(request.error); };
});
// Resolves when the transaction is on disk, with the result of its request.
const run = async (mode, durability, work) => {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(['writes', 'refused'], mode, { durability });
    const request = work(name => transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
};
const get = work => run('readonly', 'default', work);
const put = (work, durability = 'relaxed') => run('readwrite', durability, work);
const count = name => get(store => store(name).count());
const first = async () => (await get(store => store('writes').getAll(null, 1)))[0];

// Bytes that wait, counted once and then kept up to date.
let bytes;
const sizeOf = item => item.body.byteLength + item.url.length + 500;
const waiting = async () => bytes ??= (await get(store => store('writes').getAll())).reduce((sum, item) => sum + sizeOf(item), 0);

// Reads.
const load = async event => await event.preloadResponse || fetch(event.request);
const keep = async (url, isPage, response) => {
  const before = clears;
  await loading;
  const body = await response.blob();
  // Nothing comes back that was deleted meanwhile.
  if (leaving || clears !== before || body.size > COPY_MAX) return;
  const cache = await caches.open(isPage ? PAGES : NAME);
  const etag = response.headers.get('etag');
  if (etag && (await cache.match(url))?.headers.get('etag') === etag) return;
  await cache.put(url, new Response(body, response));
  if (puts++ % 20) return;
  const keys = await cache.keys();
  for (const old of keys.slice(0, -COPIES_MAX)) await cache.delete(old);
};
const find = async (url, isPage, status = 200) => {
  const cache = await caches.open(isPage ? PAGES : NAME);
  const copy = await cache.match(url, { ignoreVary: true }) ||
    isPage && await cache.match(url, { ignoreVary: true, ignoreSearch: true });
  if (!copy) return;
  const headers = new Headers(copy.headers);
  headers.set(NAME, 'cached');
  return new Response(copy.body, { status, headers });
};
const isKept = response => response.status === 200 && response.type === 'basic' &&
  !/no-store/.test(response.headers.get('cache-control'));
const state = async now => {
  if (failing !== now) {
    failing = now;
    await tell();
    if (!now) {
      notBefore = 0;
      await deliver();
    }
  }
};

// While a page loads: settles when it has loaded, and the edge still has the kit. Copies wait for that.
let loading;
let end;
const visit = async event => {
  end?.();
  const over = loading = Promise.race([new Promise(resolve => { end = resolve; }), later(LOAD_MAX)])
    .then(() => {
      if (loading === over) loading = 0;
      return check();
    });
  event.waitUntil(over);
  // A page that is there already came from the network. Its response is read once more when it has loaded: the browser has it, and
  // does not ask for it again.
  if (!self.InstallEvent?.prototype.addRoutes || failing) return;
  await later(GRACE);
  if ((await windows()).some(({ id }) => id === event.resultingClientId)) await over;
};
const read = async (event, url, isPage, isNamed) => {
  if (isPage) await visit(event);
  const network = load(event).catch(() => {});
  const limit = Date.now() < impatientUntil ? IMPATIENT : CONFIG.timeout;
  let response = await Promise.race([network, later(limit).then(() => 0)]);
  if (response === 0) impatientUntil = Date.now() + 30000;
  if (response && !DOWN.includes(response.status)) {
    event.waitUntil(state(false));
    if (isNamed && isKept(response)) {
      event.waitUntil(keep(url, isPage, response.clone()).catch(() => {}));
    } else if (isNamed && [401, 403, 404, 410].includes(response.status)) {
      event.waitUntil(caches.open(isPage ? PAGES : NAME).then(cache => cache.delete(url)));
    }
    return response;
  }
  // Before the copy is there: its parts come here then.
  event.waitUntil(state(true));
  const copy = await find(url, isPage);
  if (copy) return copy;
  response = await network;
  return response || isPage && await find(SHELL, true, 503) || Response.error();
};

// Writes.
const answers = new Map();
let turn = Promise.resolve();
let running;
let wanted;
let notBefore = 0;
let attempts = 0;

const queued = item => item.page
  ? Response.redirect(item.page, 303)
  : new Response(JSON.stringify({ queued: true, key: item.key }), {
    status: 202, headers: { 'content-type': 'application/json', [NAME]: 'queued' }
  });

// Stores a write. Resolves with the item; `undefined` where it is sent and not kept.
const store = async request => {
  const body = await request.clone().arrayBuffer();
  if (body.byteLength > CONFIG.maxBody) return undefined;
  const names = ['content-type', 'accept', 'x-requested-with', ...CONFIG.headers];
  const item = {
    key: request.headers.get('idempotency-key') || `"${crypto.randomUUID()}"`,
    method: request.method, url: request.url, body, at: Date.now(), tried: 0,
    headers: names.filter(name => request.headers.has(name)).map(name => [name, request.headers.get(name)]),
    page: request.mode === 'navigate' ? request.referrer : undefined
  };
  const before = await count('writes');
  if (before >= CONFIG.maxWrites || await waiting() + sizeOf(item) > CONFIG.maxBytes) {
    return { full: true };
  }
  // Those before it that no page waits for are delivered first, and the page need not wait for all of them.
  item.behind = before > answers.size;
  if (!item.behind && Date.now() >= notBefore) item.tried = item.at;
  item.id = await put(store => store('writes').add(item), 'strict');
  bytes += sizeOf(item);
  if (!item.behind) item.answer = new Promise(resolve => answers.set(item.id, [resolve, item]));
  return item;
};
const write = async event => {
  const { request } = event;
  // In the order in which pages sent them.
  const stored = turn = turn.then(() => store(request)).catch(() => undefined);
  const item = await stored;
  if (!item) return fetch(request);
  if (item.full) return new Response('{"queued":false}', { status: 507, headers: { [NAME]: 'full' } });
  event.waitUntil(deliver());
  return item.behind ? queued(item) : item.answer;
};

// Delivers what waits, one worker at a time.
const deliver = () => {
  wanted = true;
  return running ||= navigator.locks.request(NAME, drain);
};
const drain = async () => {
  try {
    while (wanted) {
      wanted = false;
      let item;
      while ((item = await first()) && Date.now() >= notBefore && await attempt(item));
      if (item) break;
    }
  } catch {
    pause(0);
  }
  // All in one step: a write that is stored from now on has a run of its own.
  running = 0;
  for (const [resolve, item] of answers.values()) resolve(queued(item));
  answers.clear();
  await tell();
  if (leaving) await remove();
};
const pause = after => {
  const wait = Math.min(WAIT_MAX, after || WAIT_MIN * 2 ** Math.min(attempts++, 6));
  notBefore = Date.now() + wait * (0.75 + Math.random() / 2);
  registration.sync?.register(NAME).catch(() => {});
  return false;
};
// Sends one write. False: delivery pauses.
const attempt = async item => {
  // The edge has forgotten a key of that age: whether the write took place is not known.
  if (item.tried && Date.now() - item.tried > CONFIG.keep * 0.9) return settle(item, { status: 0, reason: 'expired' });
  if (!item.tried) {
    item.tried = Date.now();
    await put(store => store('writes').put(item));
  }
  let response;
  try {
    response = await fetch(item.url, {
      method: item.method, headers: [...item.headers, ['idempotency-key', item.key]],
      body: item.body.byteLength ? item.body : undefined, cache: 'no-store',
      signal: AbortSignal.timeout(CONFIG.timeout)
    });
  } catch {
    failing = true;
    return pause(0);
  }
  const { status } = response;
  const after = response.headers.get('retry-after') * 1000;
  failing = DOWN.includes(status);
  if (failing || [408, 425, 429].includes(status) || status === 409 && after) return pause(after);
  const answer = answers.get(item.id);
  signIn = status === 401 && !answer;
  if (signIn) return pause(WAIT_MAX);
  if (status >= 500 && (item.fails = (item.fails || 0) + 1) < FAILS_MAX) {
    await put(store => store('writes').put(item));
    return pause(after);
  }
  attempts = 0;
  if (answer) {
    await settle(item);
    answers.delete(item.id);
    answer[0](item.page && response.redirected ? Response.redirect(response.url, 303) : response);
    return true;
  }
  // Behind a redirect is a sign-in page as often as a success: the page decides.
  if (status >= 400 || response.redirected) {
    return settle(item, { status, url: response.url, body: (await response.text()).slice(0, 4096) });
  }
  await settle(item);
  await send({ mainstay: 'delivered', key: item.key, method: item.method, url: item.url, status });
  return true;
};
// A write is no longer waiting. `answer`: it is kept aside with it.
const settle = async (item, answer) => {
  const refused = { ...item, answer };
  await put(store => {
    if (answer) store('refused').put(refused);
    return store('writes').delete(item.id);
  });
  bytes = bytes && bytes - sizeOf(item);
  if (answer) await send({ mainstay: 'refused', write: shown(refused) });
  return true;
};
const shown = ({ id, key, method, url, at, body, answer }) =>
  ({ id, key, method, url, at, body: new TextDecoder().decode(body), answer });
const report = async () => ({
  mainstay: 'state', offline: failing, signIn, queued: await count('writes'), refused: await count('refused'),
  wait: Math.max(0, notBefore - Date.now())
});
const tell = async () => send(await report());

// Removal: what waits is delivered, what was refused is reported, then nothing is left.
const clear = async () => {
  clears++;
  await Promise.all([caches.delete(NAME), caches.delete(PAGES)]);
};
const remove = async () => {
  await clear();
  const refused = await get(store => store('refused').getAll());
  if (await count('writes') || refused.length && !(await windows()).length) return;
  for (const write of refused) await send({ mainstay: 'refused', write: shown(write) });
  (await open()).close();
  opened = 0;
  indexedDB.deleteDatabase(NAME);
  await registration.unregister();
  await send({ mainstay: 'removed' });
};
// Whether the edge still has a worker for this site.
const check = async () => {
  if (Date.now() - checked < CHECK) return;
  checked = Date.now();
  const response = await fetch(BASE + 'offline-worker.js', { cache: 'no-store', method: 'HEAD' }).catch(() => 0);
  // A site that answers every path with a page of its own has none either.
  const isOther = response.ok && !response.redirected && !/javascript/.test(response.headers.get('content-type'));
  if (isOther || [404, 410].includes(response.status)) {
    leaving = true;
    await deliver();
  }
};

// Where the browser knows static routes, it asks the network itself and the worker beside it, and asks the worker alone for writes.
const route = event => {
  const at = path => ({ urlPattern: { pathname: path.replace(/[\\:(){}?+]|\*(?!$)/g, '\\$&') } });
  const source = 'race-network-and-fetch-handler';
  return event.addRoutes?.([
    ...CONFIG.writes.map(([requestMethod, path]) => ({ condition: { requestMethod, ...at(path) }, source: 'fetch-event' })),
    { condition: { requestMethod: 'GET', requestMode: 'navigate' }, source },
    // Not both for parts: while a page loads, the worker passes them on at once, and a race costs each of them more.
    ...PARTS.map(requestDestination => ({ condition: { requestMethod: 'GET', requestDestination }, source: 'fetch-event' })),
    ...CONFIG.get.map(path => ({ condition: { requestMethod: 'GET', ...at(path) }, source })),
    { condition: { urlPattern: { pathname: '/*' } }, source: 'network' }
  ]);
};
addEventListener('install', event => {
  skipWaiting();
  if (leaving) return;
  // Without them everything comes here.
  event.waitUntil(Promise.resolve(route(event)).catch(() => {}));
  event.waitUntil(caches.open(PAGES).then(cache => cache.add(SHELL)).catch(() => {}));
});
addEventListener('activate', event => event.waitUntil((async () => {
  await registration.navigationPreload?.[leaving ? 'disable' : 'enable']();
  await clients.claim();
  await deliver();
})()));
addEventListener('sync', event => event.waitUntil((notBefore = 0, deliver())));
addEventListener('fetch', event => {
  const { request } = event;
  const url = new URL(request.url);
  const path = url.pathname;
  if (leaving && request.mode === 'navigate') event.waitUntil(deliver());
  if (leaving || url.origin !== location.origin || request.headers.has('authorization')) return;
  if (request.method === 'GET') {
    const isPage = request.mode === 'navigate';
    const isNamed = isPage
      ? matches(CONFIG.pages, path)
      : matches(CONFIG.get, path) || PARTS.includes(request.destination);
    if (path.startsWith(BASE) && !path.endsWith('.js') || request.headers.has('range') || !isPage && !isNamed) return;
    // Parts of a page that is loading and came from the network.
    if (loading && !failing && PARTS.includes(request.destination)) return;
    event.respondWith(read(event, url.href.split('#')[0], isPage, isNamed));
  } else if (CONFIG.writes.some(([method, pattern]) => method === request.method && matches([pattern], path)) &&
    // A form of another site must not be sent again as one of this site: with its cookies, and as of the same origin.
    (request.mode !== 'navigate' || request.referrer.startsWith(location.origin + '/'))) {
    event.respondWith(write(event));
  }
});
addEventListener('message', event => event.waitUntil((async () => {
  const { mainstay, id, urls, isFirst } = event.data;
  const reply = message => event.ports[0]?.postMessage(message);
  if (mainstay === 'hello' || mainstay === 'online') {
    notBefore = 0;
    reply(await report());
    await deliver();
  } else if (mainstay === 'deliver') {
    await deliver();
  } else if (mainstay === 'loaded') {
    end?.();
    await loading;
    for (const url of urls.slice(0, 50)) {
      const { origin, pathname } = new URL(url);
      const isPage = matches(CONFIG.pages, pathname) && url === event.source.url.split('#')[0];
      if (origin !== location.origin || pathname.startsWith(BASE) && !pathname.endsWith('.js')) continue;
      // As it came for the page: nothing is asked for twice.
      const response = await fetch(url, { cache: 'only-if-cached', mode: 'same-origin' }).catch(() => isFirst && fetch(url)).catch(() => 0);
      if (response && isKept(response)) await keep(url, isPage, response);
    }
  } else if (mainstay === 'refused') {
    reply((await get(store => store('refused').getAll())).map(shown));
  } else if (mainstay === 'discard') {
    await put(store => store('refused').delete(id));
    reply(true);
    await tell();
  } else if (mainstay === 'clear') {
    await clear();
    await put(store => (store('refused').clear(), store('writes').clear()));
    bytes = 0;
    reply(true);
    await tell();
  }
})()));
