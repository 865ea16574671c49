// The script of pages of the offline kit: registers the worker, shows what waits, and passes events on.
//
// Events on `document`: `mainstay-offline` (state), `mainstay-offline-delivered`, `mainstay-offline-refused`.
(() => {
  const container = navigator.serviceWorker;
  if (!container || window.mainstayOffline) return;
  const { dataset } = document.currentScript || { dataset: {} };
  let state = { offline: false, queued: 0, refused: 0 };
  let timer;
  let mark;
  // The worker in charge; a message to one that ends meanwhile is sent again by the next timer.
  const worker = async () => (await container.ready).active;
  const tell = async (mainstay, more) => (await worker()).postMessage({ mainstay, ...more });
  const ask = async (mainstay, more) => {
    const to = await worker();
    return new Promise(resolve => {
      const channel = new MessageChannel();
      channel.port1.onmessage = event => resolve(event.data);
      to.postMessage({ mainstay, ...more }, [channel.port2]);
    });
  };
  const entries = number => number === 1 ? '1 entry' : `${number} entries`;
  const show = () => {
    const parts = [];
    if (state.offline) parts.push('No connection: saved pages are shown.');
    if (state.queued) parts.push(`${entries(state.queued)} saved here, not sent yet.`);
    if (state.signIn) parts.push('Please sign in to send them.');
    if (state.refused) parts.push(`${entries(state.refused)} not accepted by the site.`);
    if (dataset.indicator === 'off' || !parts.length) {
      mark?.remove();
      mark = undefined;
      return;
    }
    if (!mark) {
      mark = document.createElement('div');
      mark.setAttribute('role', 'status');
      mark.id = 'mainstay-offline';
      Object.assign(mark.style, {
        position: 'fixed', bottom: '8px', left: '8px', zIndex: 2147483647, padding: '6px 10px', borderRadius: '6px',
        background: '#333', color: '#fff', font: '14px/1.4 system-ui,sans-serif', pointerEvents: 'none'
      });
      document.body.append(mark);
    }
    mark.textContent = parts.join(' ');
  };
  const emit = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  const take = next => {
    state = next;
    clearTimeout(timer);
    // A worker sleeps between events, so a page keeps the time.
    if (next.queued) timer = setTimeout(() => tell('deliver'), next.wait + 50);
    show();
    emit('mainstay-offline', { ...next });
  };
  container.addEventListener('message', event => {
    const { mainstay } = event.data || {};
    if (mainstay === 'state') take(event.data);
    else if (mainstay === 'delivered') emit('mainstay-offline-delivered', event.data);
    else if (mainstay === 'refused') emit('mainstay-offline-refused', event.data.write);
    else if (mainstay === 'removed') take({ offline: false, queued: 0, refused: 0 });
  });
  container.startMessages();
  addEventListener('online', () => tell('online'));
  window.mainstayOffline = {
    get state() { return { ...state }; },
    // Writes that the site refused when they were delivered, each with its answer.
    refused: () => ask('refused'),
    discard: id => ask('discard', { id }),
    deliver: () => tell('online'),
    // For sign-out: deletes kept pages and everything that waits.
    clear: () => ask('clear')
  };
  const begin = async () => {
    const isFirst = !container.controller;
    if (isFirst) await container.register('/.mainstay/offline-worker.js', { scope: '/' });
    take(await ask('hello'));
    // Its parts were loaded without the worker, and with the first visit the page was too.
    const parts = performance.getEntriesByType('resource').filter(({ initiatorType }) => /script|link|img|css/.test(initiatorType));
    await tell('loaded', { isFirst, urls: [location.href.split('#')[0], ...parts.map(({ name }) => name)].slice(isFirst ? 0 : 1) });
  };
  // After the page: the kit costs it nothing.
  const after = () => (window.requestIdleCallback || setTimeout)(() => begin().catch(() => {}));
  if (document.readyState === 'complete') after();
  else addEventListener('load', after);
})();
