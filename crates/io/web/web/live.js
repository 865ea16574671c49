// Local time on hover, and sections that renew themselves. Without this script the pages say the same, a little older.

addEventListener('pointerover', (event) => {
  const time = event.target.closest?.('time[datetime*="T"]');
  if (time && !time.title) time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'long' });
});

const every = Number(document.body.dataset.every || 0) * 1000;
let tag = null;

// A section in which somebody types or has opened something is left alone until they are done.
const inUse = (section) =>
  section.querySelector('details[open]') ||
  [...section.querySelectorAll('textarea, input:not([type=hidden])')].some((field) => field.value !== field.defaultValue) ||
  (section.contains(document.activeElement) && document.activeElement !== document.body);

async function renew() {
  if (document.visibilityState === 'hidden') return;
  let answer;
  try {
    answer = await fetch(location.href, { cache: 'no-cache', signal: AbortSignal.timeout(8000) });
  } catch {
    return; // Gone for the moment; the page keeps its last words.
  }
  if (answer.redirected) return location.reload(); // The session is over.
  if (!answer.ok || answer.headers.get('etag') === tag) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  let whole = true;
  for (const section of document.querySelectorAll('[data-live]')) {
    const next = fresh.getElementById(section.id);
    if (!next || next.innerHTML === section.innerHTML) continue;
    if (inUse(section)) whole = false;
    else section.replaceWith(document.adoptNode(next));
  }
  document.title = fresh.title;
  const [icon, nextIcon] = [document, fresh].map((page) => page.querySelector('link[rel=icon]'));
  if (icon && nextIcon && icon.getAttribute('href') !== nextIcon.getAttribute('href')) icon.replaceWith(document.adoptNode(nextIcon));
  // Only when everything was taken over is there nothing left to take over.
  if (whole) tag = answer.headers.get('etag');
}

if (every) {
  const wait = () => every * (0.8 + Math.random() * 0.4); // A thousand visitors do not come back in the same second.
  const turn = () => renew().finally(() => setTimeout(turn, wait()));
  setTimeout(turn, wait());
  addEventListener('visibilitychange', () => renew());
}
