// Shows local times on hover, and refreshes sections. Without this script the pages are complete, but static.

addEventListener('pointerover', (event) => {
  const time = event.target.closest?.('time[datetime*="T"]');
  if (time && !time.title) time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'long' });
});

const interval = Number(document.body.dataset.refresh || 0) * 1000;
let tag = null;

// A section with an open details element, a changed field or the focus is not replaced.
const isChanged = (field) => {
  if (field.type === 'checkbox') return field.checked !== field.defaultChecked;
  if (!field.options) return field.value !== field.defaultValue;
  const preset = [...field.options].findIndex((option) => option.defaultSelected);
  return field.selectedIndex !== Math.max(preset, 0);
};
const inUse = (section) =>
  section.querySelector('details[open]') ||
  [...section.querySelectorAll('textarea, input:not([type=hidden]), select')].some(isChanged) ||
  (section.contains(document.activeElement) && document.activeElement !== document.body);

async function refresh() {
  if (document.visibilityState === 'hidden') return;
  let response;
  try {
    response = await fetch(location.href, { cache: 'no-cache', signal: AbortSignal.timeout(8000) });
  } catch {
    return; // Not reachable: keep the page.
  }
  if (response.redirected) return location.reload(); // The session has expired.
  if (!response.ok || response.headers.get('etag') === tag) return;
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  let complete = true;
  for (const section of document.querySelectorAll('[data-live]')) {
    const next = fresh.getElementById(section.id);
    if (!next || next.innerHTML === section.innerHTML) continue;
    if (inUse(section)) complete = false;
    else section.replaceWith(document.adoptNode(next));
  }
  document.title = fresh.title;
  const [icon, nextIcon] = [document, fresh].map((page) => page.querySelector('link[rel=icon]'));
  if (icon && nextIcon && icon.getAttribute('href') !== nextIcon.getAttribute('href')) icon.replaceWith(document.adoptNode(nextIcon));
  // Remember the tag only when every section was replaced.
  if (complete) tag = response.headers.get('etag');
}

if (interval) {
  const wait = () => interval * (0.8 + Math.random() * 0.4); // Spreads the requests of many clients.
  const tick = () => refresh().finally(() => setTimeout(tick, wait()));
  setTimeout(tick, wait());
  addEventListener('visibilitychange', () => refresh());
}
