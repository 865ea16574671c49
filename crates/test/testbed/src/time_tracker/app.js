// The application's own script: it knows nothing of what is kept in the browser, but for the status 202.
const client = localStorage.client ||= crypto.randomUUID();
async function save(text) {
  const number = Number(localStorage.number || 0);
  localStorage.number = number + 1;
  const response = await fetch('/api/entries', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client, number, text })
  });
  return response.status;
}
document.querySelector('#entry').addEventListener('submit', async event => {
  event.preventDefault();
  const { text } = event.target.elements;
  const status = await save(text.value).catch(error => error.message);
  document.querySelector('#result').textContent =
    status === 201 ? 'Saved.' : status === 202 ? 'Kept here, will be sent.' : `Not saved: ${status}`;
  text.value = '';
});
fetch('/api/entries').then(response => response.json())
  .then(({ entries }) => { document.querySelector('#count').textContent = entries; }).catch(() => {});
