// SPDX-License-Identifier: MIT
//
// The console: conversations, the pipeline, dead letters. It knows the API of openapi.yaml and nothing else. What comes
// from there is only ever put on the page as text (or, an HTML message, into a frame that can do nothing), and changes are
// hinted at by GET /api/events: a hint leads to a read, and what the read says is shown.

// ---- Small things

const byId = (id) => document.getElementById(id);

// An element: h('button', {type: 'button', onclick: f}, 'text', child, …). A property where there is one, else an attribute.
function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === 'class') element.className = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function ago(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time)) / 1000);
  if (seconds < 60) return 'now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  if (seconds < 7 * 86400) return `${Math.floor(seconds / 86400)} d`;
  return new Date(time).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
}

function duration(ms) {
  if (ms === null || ms === undefined || ms < 0) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120000) return `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
  return ms < 7200000 ? `${Math.round(ms / 60000)} min` : `${Math.round(ms / 3600000)} h`;
}

const count = (number) => number.toLocaleString('en');

// randomUUID exists only where the page came by https or from this machine.
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Runs it now, and for calls within the next ms once more after them: for what follows each hint.
function paced(ms, run) {
  let timer = null;
  let again = false;
  const fire = () => {
    timer = setTimeout(() => { timer = null; if (again) { again = false; fire(); } }, ms);
    run();
  };
  return () => { if (timer === null) fire(); else again = true; };
}

// Makes a box's children those wanted, [key, make] each. One whose key stands already stays the same element: it keeps
// the focus and whatever is being clicked, a frame doesn't load again, and a screen reader isn't told twice.
function reconcile(box, wanted) {
  const drawn = new Map([...box.children].map((child) => [child.dataset.key, child]));
  const nodes = wanted.map(([name, make]) => {
    const node = drawn.get(name) ?? make();
    node.dataset.key = name;
    return node;
  });
  const kept = new Set(nodes);
  [...box.children].filter((child) => !kept.has(child)).forEach((child) => child.remove());
  nodes.forEach((node, index) => { if (box.children[index] !== node) box.insertBefore(node, box.children[index] ?? null); });
}

// ---- Trouble, said plainly

function notice(text) {
  for (const shown of byId('notices').children) if (shown.firstChild.textContent === text) return;
  const line = h('div', { class: 'notice' }, h('span', {}, text));
  line.append(h('button', { type: 'button', ariaLabel: 'Dismiss', onclick: () => line.remove() }, '×'));
  byId('notices').append(line);
  setTimeout(() => line.remove(), 12000);
}

class ApiError extends Error {
  constructor(status, body) {
    super(body?.message ?? `the service answered ${status}`);
    this.status = status;
    this.details = body?.details ?? null;
    this.retryAfter = null;
  }
  get shown() {
    return this.status === 0 ? 'The service can’t be reached.' : `${this.message} (${this.status})`;
  }
}

const say = (error) => notice(error instanceof ApiError ? error.shown : String(error));

// Whether the person who is asked says yes.
function confirmed(text, action, otherwise = 'Cancel') {
  const dialog = byId('confirm-dialog');
  byId('confirm-text').textContent = text;
  byId('confirm-yes').textContent = action;
  byId('confirm-no').textContent = otherwise;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => { dialog.onclose = () => resolve(dialog.returnValue === 'yes'); });
}

// ---- The API. A key lives in this variable and nowhere else.

let key = null;
let asking = null;

function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = byId('key-dialog');
    byId('key-input').value = '';
    dialog.oncancel = (event) => event.preventDefault();
    byId('key-form').onsubmit = () => {
      key = byId('key-input').value;
      byId('key-input').value = '';
      asking = null;
      resolve();
    };
    dialog.showModal();
  });
  return asking;
}

function headersWith(extra) {
  const headers = new Headers(extra);
  if (key !== null) headers.set('Authorization', `Bearer ${key}`);
  return headers;
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// What could not be sent is tried a second time: a read, a DELETE, and a POST under its Idempotency-Key, may be repeated.
async function request(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    await pause(500);
    return fetch(path, options).catch(() => { throw new ApiError(0); });
  }
}

async function api(method, path, body, extra = {}) {
  const used = key;
  const response = await request(path, {
    method,
    headers: headersWith(body === undefined ? extra : { 'Content-Type': 'application/json', ...extra }),
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: 'no-store',
  });
  if (response.status === 401) {
    if (used === key) await askForKey();
    return api(method, path, body, extra);
  }
  const json = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, json);
  return json;
}

// ---- Events, read by fetch, so that the key can be sent

const listeners = {}; // by event: functions of its data
const on = (event, listener) => (listeners[event] ??= []).push(listener);
const tell = (event, data) => (listeners[event] ?? []).forEach((listener) => listener(data));

let lastEventId = null;
let heard = 0; // when something last came
let stream = null; // an AbortController while events are being read

// A page that isn't seen lets go of its connection, of which a browser allows a host six; seen again, it resumes.
const untilSeen = () => new Promise((resolve) => {
  if (!document.hidden) resolve();
  else document.addEventListener('visibilitychange', () => resolve(untilSeen()), { once: true });
});
document.addEventListener('visibilitychange', () => { if (document.hidden) stream?.abort(); });
window.addEventListener('pagehide', () => stream?.abort());

function showLive(state, text) {
  byId('live').dataset.state = state;
  byId('live-text').textContent = text;
}

function dispatch(block) {
  let event = 'message';
  let data = '';
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) event = line.slice(7);
    else if (line.startsWith('data: ')) data = line.slice(6);
    else if (line.startsWith('id: ')) lastEventId = line.slice(4);
  }
  if (data === '') return;
  try {
    tell(event, JSON.parse(data));
  } catch (error) {
    console.error('an event could not be taken in', error);
  }
}

async function readEvents() {
  const used = key;
  const headers = headersWith({ Accept: 'text/event-stream' });
  if (lastEventId !== null) headers.set('Last-Event-ID', lastEventId);
  stream = new AbortController();
  const { signal } = stream;
  const watch = setInterval(() => { if (Date.now() - heard > 30000) stream.abort(); }, 5000);
  heard = Date.now();
  try {
    const response = await fetch('/api/events', { headers, cache: 'no-store', signal });
    if (response.status === 401) return used === key ? await askForKey() : undefined; // meanwhile there is another
    if (response.status === 400) lastEventId = null;
    if (!response.ok) throw new ApiError(response.status);
    showLive('on', 'Live');
    tell('live');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return undefined;
      heard = Date.now();
      text += value;
      const blocks = text.split('\n\n');
      text = blocks.pop();
      blocks.forEach(dispatch);
    }
  } finally {
    clearInterval(watch);
  }
}

async function followEvents() {
  for (let failures = 0; ; failures++) {
    await untilSeen();
    const begun = Date.now();
    try {
      await readEvents();
    } catch {
      // said by the lamp
    }
    if (Date.now() - begun > 10000) failures = 0;
    showLive('off', 'Reconnecting…');
    await pause(Math.min(1000 * 2 ** failures, 15000) * (0.5 + Math.random() / 2));
  }
}

// ---- Inbox: the list

const inbox = {
  items: [], // conversations, the latest first
  pages: 1,
  cursors: [null],
  seen: new Map(), // conversation id → how many messages were there when it was last open
  known: false,
  open: null, // id of the open conversation
};

const sides = new Map(); // conversation id → the addresses on our side and on theirs, as a message has told them
const previews = new Map(); // conversation id → its last message, and of how many

const initials = (address) => (address.includes('@') ? address[0].toUpperCase() : address.slice(-2));

const sidesOf = ({ direction, from, to }) => (direction === 'outbound' ? [from, to] : [to, from]).map(normalized);

// Until a message has told, we are the one who takes part in more of the conversations.
function ourSide({ id, participant_a: a, participant_b: b }) {
  const [ours, theirs] = sides.get(id) ?? [];
  if (ours === a || theirs === b) return a; // the other one may be spelled as no participant is
  if (ours === b || theirs === a) return b;
  const busy = (address) => inbox.items.filter((item) => item.participant_a === address || item.participant_b === address).length;
  return busy(b) > busy(a) ? b : a;
}

// An address as it is written to. In a participant both angles are encoded, in capitals that nothing else has there.
const plain = (participant) => participant.replaceAll('%3C', '<').replaceAll('%3E', '>');

// The other side first: that's who one writes to.
function partiesOf(conversation) {
  const { participant_a: a, participant_b: b } = conversation;
  return (ourSide(conversation) === a ? [b, a] : [a, b]).map(plain);
}

const MOST_PREVIEWS = 15; // of the conversations at the top of the list

// The last message of each conversation that has changed: a page of one, counted from the begin.
async function readPreviews() {
  for (const { id, message_count: last } of inbox.items.slice(0, MOST_PREVIEWS)) {
    if (previews.get(id)?.count === last || last > PAGE_SIZE * LAST_PAGE) continue;
    try {
      const { items: [message] } = await api('GET', `/api/conversations/${encodeURIComponent(id)}/messages?pageSize=1&page=${last}`);
      if (!message) continue;
      previews.set(id, { count: last, message });
      sides.set(id, sidesOf(message));
    } catch {
      return; // the list says it, where it matters
    }
  }
  drawList();
}

// What its item says; another text is another element.
function conversationKey(conversation) {
  const last = previews.get(conversation.id)?.message;
  return JSON.stringify([conversation.id, conversation.id === inbox.open, partiesOf(conversation)[0], ago(conversation.last_activity_at),
    conversation.message_count - (inbox.seen.get(conversation.id) ?? 0), last?.id, last?.direction]);
}

function conversationItem(conversation) {
  const [them] = partiesOf(conversation);
  const last = previews.get(conversation.id)?.message;
  const news = conversation.message_count - (inbox.seen.get(conversation.id) ?? 0);
  const unread = last?.direction === 'outbound' ? 0 : news; // what we wrote ourselves is no news
  const kind = conversation.channel === 'email' ? 'Email' : 'SMS';
  const button = h('button', {
    type: 'button',
    class: unread > 0 ? 'unread' : '',
    onclick: () => { location.hash = `#/c/${conversation.id}`; },
  },
  h('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(them)),
  h('span', { class: 'who' }, them),
  h('span', { class: 'when' }, ago(conversation.last_activity_at)),
  h('span', { class: 'sub' }, last ? `${last.direction === 'outbound' ? 'You: ' : ''}${last.snippet}` : kind),
  unread > 0 ? h('span', { class: 'badge', title: `${unread} new` }, String(unread), h('span', { class: 'skip' }, ' new')) : null);
  if (conversation.id === inbox.open) button.setAttribute('aria-current', 'true');
  return h('li', { data: { id: conversation.id } }, button);
}

function drawList() {
  const list = byId('conversations');
  const focused = document.activeElement?.closest('#conversations li')?.dataset.id;
  if (inbox.items.length === 0 && inbox.known) {
    reconcile(list, [['none', () => h('li', { class: 'empty' }, h('strong', {}, 'Nothing here yet'), 'Send the first message.')]]);
  } else {
    reconcile(list, inbox.items.map((item) => [conversationKey(item), () => conversationItem(item)]));
  }
  if (focused && !list.contains(document.activeElement)) list.querySelector(`li[data-id="${CSS.escape(focused)}"] button`)?.focus();
}

async function readList() {
  try {
    const items = [];
    let next = null;
    for (let page = 0; page < inbox.pages; page++) {
      const answer = await api('GET', `/api/conversations${next === null ? '' : `?cursor=${encodeURIComponent(next)}`}`);
      items.push(...answer.items);
      next = answer.meta.next_cursor;
      if (next === null) break;
    }
    byId('more-conversations').hidden = next === null;
    for (const item of items) { // what was there before the page was opened is not news
      if (!inbox.known || item.id === inbox.open) inbox.seen.set(item.id, item.message_count);
    }
    inbox.items = items;
    inbox.known = true;
    drawList();
    refreshPreviews();
  } catch (error) {
    say(error);
  }
}

const refreshPreviews = paced(2000, readPreviews);

byId('more-conversations').onclick = () => { inbox.pages++; readList(); };
byId('new-message').onclick = () => { location.hash = '#/new'; };
byId('conversations').onkeydown = (event) => {
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
  const item = step && event.target.closest('li')?.[step];
  if (item) {
    event.preventDefault();
    item.querySelector('button')?.focus();
  }
};

// ---- Inbox: a thread

const PAGE_SIZE = 50;
const LAST_PAGE = 200; // further the API counts pages no more

const thread = {
  id: null,
  messages: new Map(), // by id, as they were read
  pending: new Map(), // by id: accepted, and not read yet
  first: 1, // page that is shown first
  stuck: true, // at its end
  opened: new Set(), // ids of messages whose timeline is shown
  cancelled: new Set(), // ids of messages that were cancelled here, which reads may not know of yet
  optOut: null, // what holds of its pair: {state, since, by}; null: not known, or not to be known by this key
  optOutUntil: 0, // until when that is what a change was answered with, and reads may not know of it yet
  optOutRead: null, // the latest read of it, the one that counts
};

const ticks = {
  queued: '○', scheduled: '◷', held: '…', retrying: '↻', sent: '✓', delivered: '✓✓', undelivered: '!', failed: '✕', cancelled: '⊘', received: '↓',
};
const waits = ({ direction, status }) => direction === 'outbound' && ['scheduled', 'held', 'retrying'].includes(status);

// Its day, where that isn't today, and its time.
function shownTime(time) {
  const today = new Date(time).toDateString() === new Date().toDateString();
  return new Date(time).toLocaleString(undefined, today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' });
}

// "scheduled for 14:00"; anything else is the status itself.
const statusName = ({ status, send_at: at }) => (status === 'scheduled' && at ? `scheduled for ${shownTime(at)}` : status);

// With the provider's reason and code, where it gives them: "undelivered: …, code 30003".
function statusLabel(message) {
  const { status, receipt } = message;
  if (status === 'held') return 'held: an earlier message to the same recipient is not through';
  const why = [receipt?.reason, receipt?.code && `code ${receipt.code}`].filter(Boolean).join(', ');
  return why === '' ? statusName(message) : `${status}: ${why}`;
}

// Its whole label is where the mouse rests on it, and what a screen reader says.
function statusOf(message) {
  const name = statusName(message);
  return h('span', { class: 'status', title: statusLabel(message), data: { status: message.status } },
    h('span', { class: 'tick', 'aria-hidden': 'true' }, ticks[message.status] ?? '·'), name,
    h('span', { class: 'skip' }, statusLabel(message).slice(name.length)));
}

// ---- Inbox: a message that waits is cancelled

async function cancelMessage(message, button) {
  const { id } = thread;
  const what = message.status === 'scheduled' ? `, which is ${statusName(message)}` : '';
  if (!await confirmed(`Cancel this message to ${message.to}${what}? It is not sent then.`, 'Cancel the message', 'Keep it')) return;
  button.disabled = true;
  try {
    await api('DELETE', `/api/messages/${encodeURIComponent(message.id)}`);
  } catch (error) {
    button.disabled = false;
    if (error.status !== 409 || error.details?.status !== 'cancelled') {
      say(error);
      if (thread.id === id) readThread(); // it may have gone meanwhile
      return;
    }
  }
  if (thread.id !== id) return;
  thread.cancelled.add(message.id);
  drawMessages();
  document.querySelector(`#messages [data-id="${CSS.escape(message.id)}"] summary`)?.focus(); // the button has gone
}

function cancelButton(message) {
  if (!waits(message)) return null;
  const button = h('button', { type: 'button', class: 'quiet cancel', onclick: () => cancelMessage(message, button) }, 'Cancel');
  button.setAttribute('aria-label', `Cancel the message to ${message.to}`);
  return button;
}

// ---- Inbox: what happened to a message

const described = {
  accepted: () => 'accepted',
  attempt: (one) => `call ${one.attempt}: ${one.outcome.replaceAll('_', ' ')}${one.http_status ? ` (${one.http_status})` : ''}${one.error ? `, ${one.error}` : ''}`,
  replayed: () => 'sent again',
  failed: (one) => `failed${one.reason ? `: ${one.reason}` : ''}`,
  receipt: ({ status, code, reason }) => statusLabel({ status, receipt: { code, reason } }),
  persisted: () => 'recorded',
};

function timelineItem(one) {
  const at = new Date(one.at);
  return h('li', { data: { event: one.event, status: one.status } },
    h('time', { dateTime: one.at }, at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })),
    h('span', {}, (described[one.event] ?? (() => one.event))(one)));
}

async function readTimeline(id, list) {
  try {
    const message = await api('GET', `/api/messages/${encodeURIComponent(id)}`);
    list.replaceChildren(...message.timeline.map(timelineItem));
  } catch (error) {
    list.replaceChildren(h('li', {}, error.status === 404 ? 'It is not recorded yet.' : error instanceof ApiError ? error.shown : String(error)));
  }
}

// The status, which opens to the message's timeline.
function historyOf(message) {
  const list = h('ol', { class: 'timeline', ariaLabel: 'What happened to this message' });
  const details = h('details', { class: 'history' }, h('summary', {}, statusOf(message)), list);
  details.ontoggle = () => {
    if (details.open) thread.opened.add(message.id);
    else thread.opened.delete(message.id);
    if (details.open) readTimeline(message.id, list);
  };
  details.open = thread.opened.has(message.id); // it was before its status changed
  return details;
}

// An HTML message can neither run a script nor fetch anything: the sandbox allows nothing, the frame inherits this page's
// policy, and brings a stricter one of its own.
const frameHead = '<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="default-src \'none\'">' +
  '<meta name="color-scheme" content="light"><base target="_blank">';
// As the service judges for snippets (shared/message/html_detect.c): a doctype, or a tag of HTML that can hardly be
// anything else, by its kind, by an attribute, by its end tag, or before a word and not behind one.
function looksLikeHtml(text) {
  if (/<!doctype html\b/i.test(text)) return true;
  const opened = new Set();
  const tags = text.slice(0, text.lastIndexOf('>') + 1).matchAll(/<(\/?)([a-z][a-z0-9]*)((?:\s|\/)[^>]*)?>/gi);
  for (const { 0: tag, 1: end, 2: given, 3: attributes, index } of tags) {
    const name = given.toLowerCase();
    if (end) {
      if (opened.has(name)) return true;
      continue;
    }
    if (document.createElement(name) instanceof HTMLUnknownElement) continue;
    if (/^(?:html|head|body|p|br|hr)$/.test(name) || /\s[^\s=]+\s*=/.test(attributes ?? '')) return true;
    const behind = index + tag.length;
    const before = text.slice(Math.max(0, index - 2), index);
    if (/^[\p{L}\p{N}_&]/u.test(text.slice(behind, behind + 2)) && !/[\p{L}\p{N}_]$/u.test(before)) return true;
    opened.add(name);
  }
  return false;
}

function paperclip() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', 'M13.2 7.4 8 12.6a3.2 3.2 0 0 1-4.5-4.5l5.4-5.4a2.1 2.1 0 0 1 3 3L6.6 11a1 1 0 0 1-1.5-1.5l4.7-4.7');
  svg.append(path);
  return svg;
}

function htmlFrame(message) {
  const frame = h('iframe', { title: 'HTML message', loading: 'lazy', referrerPolicy: 'no-referrer' });
  frame.setAttribute('sandbox', '');
  frame.srcdoc = frameHead + message.body;
  return h('div', { class: 'bubble framed' }, frame);
}

// What the API takes in a send: http or https, and a host. Anything else came from outside, and is text.
function webAddress(text) {
  try {
    return /^https?:\/\/[^/?#]/i.test(text) && !/\s/.test(text) && new URL(text).host !== '' ? text : null;
  } catch {
    return null;
  }
}

function attachment(url) {
  const target = webAddress(url);
  const shown = target === null ? url : h('a', { href: target, target: '_blank', rel: 'noopener noreferrer' }, url);
  return h('li', { class: 'attachment', title: url }, paperclip(), shown);
}

// "2 segments, UCS-2" of an SMS that is more than one, or isn't in the plain alphabet: it is what it costs.
function segmentsOf({ segments, encoding }) {
  if (!segments || (segments === 1 && encoding === 'GSM-7')) return null;
  return h('span', { class: 'segments' }, `${segments} segment${segments === 1 ? '' : 's'}, ${encoding}`);
}

function bubble(message) {
  const asHtml = message.type === 'email' && looksLikeHtml(message.body);
  const body = asHtml ? htmlFrame(message) : h('p', { class: 'bubble' }, message.body);
  const attachments = (message.attachments ?? []).map(attachment);
  const time = new Date(message.timestamp);
  return h('div', { class: `message ${message.direction} ${message.status}`, data: { id: message.id } },
    message.subject ? h('p', { class: 'subject' }, h('span', { class: 'skip' }, 'Subject: '), message.subject) : null,
    body,
    attachments.length > 0 ? h('ul', { class: 'attachments', ariaLabel: 'Attachments' }, ...attachments) : null,
    h('div', { class: 'meta' },
      h('span', { class: 'skip' }, message.direction === 'outbound' ? 'sent by us' : 'received'),
      h('time', { dateTime: message.timestamp }, time.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })),
      h('span', {}, message.type.toUpperCase()), segmentsOf(message), historyOf(message), cancelButton(message)));
}

function drawMessages() {
  const box = byId('messages');
  if (!box) return;
  const all = [...thread.messages.values(), ...thread.pending.values()].map((message) => (
    waits(message) && thread.cancelled.has(message.id) ? { ...message, status: 'cancelled' } : message));
  const wanted = [];
  let day = null;
  for (const message of all) {
    const date = new Date(message.timestamp).toDateString();
    if (date !== day) {
      day = date;
      const label = new Date(message.timestamp).toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
      wanted.push([`day ${date}`, () => h('p', { class: 'day' }, label)]);
    }
    wanted.push([`${message.id} ${statusLabel(message)}`, () => bubble(message)]);
  }
  reconcile(box, wanted);
  if (thread.stuck) box.scrollTop = box.scrollHeight;
}

async function readThread() {
  const { id } = thread;
  if (id === null) return;
  try {
    const path = `/api/conversations/${encodeURIComponent(id)}/messages?pageSize=${PAGE_SIZE}`;
    const known = inbox.items.find((item) => item.id === id)?.message_count ?? 1;
    let page = Math.min(Math.max(1, Math.ceil(known / PAGE_SIZE)), LAST_PAGE);
    thread.first = Math.min(thread.first, page);
    if (thread.messages.size === 0) thread.first = Math.max(1, page - 1);
    const messages = new Map();
    for (let from = thread.first; from <= page; from++) {
      const answer = await api('GET', `${path}&page=${from}`);
      answer.items.forEach((message) => messages.set(message.id, message));
      page = Math.min(Math.max(page, Math.ceil(answer.meta.total / PAGE_SIZE)), LAST_PAGE);
      if (thread.id !== id) return; // another one was opened meanwhile
    }
    thread.messages = messages;
    messages.forEach((message) => {
      thread.pending.delete(message.id);
      sides.set(id, sidesOf(message));
    });
    byId('earlier').hidden = thread.first <= 1;
    drawMessages();
    drawHead();
    readOptOut();
  } catch (error) {
    if (error.status === 404 && thread.id === id) location.hash = '#/inbox';
    else say(error);
  }
}

// As far as it takes to tell the two sides of a conversation apart.
function normalized(address) {
  const bare = address.replace(/^.*<(.+)>$/, '$1').trim();
  return bare.includes('@') ? bare.toLowerCase().replace(/\+[^@]*@/, '@').replaceAll('<', '%3C').replaceAll('>', '%3E') : bare.replace(/[^\d+]/g, '');
}

function drawHead() {
  const conversation = inbox.items.find((item) => item.id === thread.id);
  if (!conversation || !byId('thread-title')) return;
  const [them, us] = partiesOf(conversation);
  byId('thread-title').textContent = them;
  byId('thread-sub').textContent = `${conversation.channel === 'email' ? 'Email' : 'SMS and MMS'} · from ${us} · ${count(conversation.message_count)} messages`;
  drawOptOut(them, us);
}

// ---- Inbox: who has opted out

const RECORDED_MS = 30000; // what was changed is recorded by then, or it isn't this page that knows better
const sayers = { recipient: 'the recipient', provider: 'the provider', operator: 'an operator' };
let closedTo; // the key that opt-outs are closed to: it isn't tried again

function pairOf(conversation) {
  const [theirs, ours] = partiesOf(conversation);
  return { channel: conversation.channel, our_address: ours, their_address: theirs };
}

const openPair = () => {
  const conversation = inbox.items.find((item) => item.id === thread.id);
  return conversation ? pairOf(conversation) : null;
};

function takeOptOut(read) {
  const { optOut } = thread;
  const agrees = !optOut || read.state === optOut.state || Date.parse(read.since) > Date.parse(optOut.since);
  if (!agrees && Date.now() < thread.optOutUntil) {
    setTimeout(readOptOut, 1000);
    return;
  }
  thread.optOut = read;
  thread.optOutUntil = 0;
  drawHead();
}

async function readOptOut() {
  const pair = openPair();
  const used = key;
  if (pair === null || closedTo === used) return;
  const read = thread.optOutRead = {};
  try {
    const { items: [out] } = await api('GET', `/api/opt-outs?pageSize=1&${new URLSearchParams(pair)}`);
    if (thread.optOutRead === read) takeOptOut(out ? { ...out, state: 'out' } : { state: 'in' });
  } catch (error) {
    if (error.status !== 403) {
      say(error);
      return;
    }
    closedTo = used; // a key without the scope admin: the rest of the page is none the worse
    if (thread.optOutRead !== read) return;
    thread.optOut = null;
    drawHead();
  }
}

// Its badge, whose whole label is where the mouse rests on it, what a screen reader says, and beside what is written.
function drawOptOut(them, us) {
  const { optOut } = thread;
  const isOut = optOut?.state === 'out';
  const label = isOut ? `since ${new Date(optOut.since).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}, by ${sayers[optOut.by] ?? optOut.by}` : '';
  reconcile(byId('opt-out'), isOut ? [[label, () => h('span', { class: 'opted-out', title: label }, 'opted out', h('span', { class: 'skip' }, ` ${label}`))]] : []);
  byId('opt-out-note').textContent = isOut ? `${them} has opted out of messages from ${us}, ${label}.` : '';
  byId('opt-out-change').hidden = optOut === null;
  byId('erase').hidden = optOut === null;
  byId('opt-out-change').textContent = isOut ? 'Lift opt-out' : 'Opt out';
}

async function changeOptOut() {
  const { id } = thread;
  const pair = openPair();
  const lifts = thread.optOut.state === 'out';
  const { our_address: us, their_address: them } = pair;
  if (!await confirmed(lifts ? `${them} has opted out of messages from ${us}. Send to them again? Only if they want it.`
    : `Send ${them} nothing more from ${us}? What waits fails as well.`, lifts ? 'Lift opt-out' : 'Opt out')) return;
  try {
    const answer = lifts ? await api('DELETE', `/api/opt-outs?${new URLSearchParams(pair)}`) : await api('PUT', '/api/opt-outs', pair);
    if (thread.id !== id) return;
    Object.assign(thread, { optOut: answer, optOutUntil: Date.now() + RECORDED_MS });
    drawHead();
    readOptOut();
  } catch (error) {
    say(error);
  }
}

// ---- Inbox: erasing

// For who may: the keys that see who has opted out.
async function eraseConversation() {
  const { id } = thread;
  if (!await confirmed('Erase this conversation for good? Its messages go, here and wherever they wait to be sent; nobody can bring them back.', 'Erase it', 'Keep it')) return;
  try {
    await api('DELETE', `/api/conversations/${encodeURIComponent(id)}`);
  } catch (error) {
    say(error);
    return;
  }
  notice('The conversation is being erased.');
  if (thread.id === id) location.hash = '#/inbox';
}

function takeErased(id) {
  if (thread.id === id) {
    notice('This conversation was erased.');
    location.hash = '#/inbox';
  }
  refresh();
}

// ---- Inbox: composing

function field(label, name, properties = {}) {
  return h('label', {}, label, h(properties.tag ?? 'input', { name, required: true, ...properties, tag: undefined }));
}

function typeField(types) {
  return h('label', { class: 'type' }, h('span', {}, 'Type'), h('select', { name: 'type' }, ...types.map((type) => h('option', { value: type }, { sms: 'SMS', mms: 'MMS', email: 'Email' }[type]))));
}

function payloadOf(form, from, to) {
  const urls = form.attachments.value.split(/\s+/).filter((url) => url !== '');
  const type = form.type.value;
  return {
    from, to, type, body: form.body.value,
    subject: type === 'email' ? byName(form, 'subject')?.value || undefined : undefined,
    attachments: urls.length > 0 ? urls : null,
    timestamp: new Date().toISOString(),
  };
}

// Sends, or, as the other side, simulates a reply. Returns the message as it will look until it is read.
async function post(payload, simulated) {
  const answer = simulated
    ? await api('POST', '/api/provider/mock/inbound', { ...payload, channel: payload.type }, { 'Idempotency-Key': randomId() })
    : await api('POST', `/api/messages/${payload.type === 'email' ? 'email' : 'sms'}`, payload, { 'Idempotency-Key': randomId() });
  return {
    ...payload, id: answer.id, direction: simulated ? 'inbound' : 'outbound', status: simulated ? 'received' : 'queued',
    attachments: payload.attachments ?? [],
  };
}

function readyForm(form, submit) {
  const attach = form.querySelector('.attach');
  const follow = () => {
    byName(form, 'attachments').closest('label').hidden = form.type.value !== 'mms';
    form.body.required = form.type.value !== 'mms';
    const subject = byName(form, 'subject');
    if (subject) subject.closest('label').hidden = form.type.value !== 'email';
    if (attach) attach.hidden = form.type.value !== 'email';
  };
  if (attach) attach.onclick = () => {
    byName(form, 'attachments').closest('label').hidden = false;
    attach.hidden = true;
    byName(form, 'attachments').focus();
  };
  form.type.onchange = follow;
  follow();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const buttons = [...form.querySelectorAll('button')];
    const error = form.querySelector('.error');
    error.textContent = '';
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await submit(event.submitter?.value === 'reply');
    } catch (trouble) {
      error.textContent = trouble instanceof ApiError ? trouble.shown : String(trouble);
    } finally {
      buttons.forEach((button) => { button.disabled = false; });
    }
  };
  form.body.onkeydown = (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector('button.primary'));
    }
  };
}

const byName = (form, name) => form.elements.namedItem(name);

function composeFor(conversation) {
  const types = conversation.channel === 'email' ? ['email'] : ['sms', 'mms'];
  const form = h('form', { class: 'compose', ariaLabel: 'Write a message' },
    h('textarea', { name: 'body', rows: 2, required: true, ariaLabel: 'Message', 'aria-describedby': 'opt-out-note', placeholder: 'Write a message…' }),
    field('Attachments, one address a line', 'attachments', { tag: 'textarea', rows: 1, required: false }),
    h('p', { class: 'note', id: 'opt-out-note' }),
    h('p', { class: 'error', role: 'alert' }),
    h('div', { class: 'actions' },
      typeField(types),
      h('button', { type: 'button', class: 'quiet attach' }, 'Attach'),
      h('button', { type: 'submit', value: 'reply', title: 'As if the other side had written this' }, 'Simulate a reply'),
      h('button', { type: 'submit', value: 'send', class: 'primary', title: 'Ctrl+Enter' }, 'Send')));
  readyForm(form, async (simulated) => {
    const [them, us] = partiesOf(conversation);
    const message = await post(payloadOf(form, simulated ? them : us, simulated ? us : them), simulated);
    thread.pending.set(message.id, message);
    thread.stuck = true;
    drawMessages();
    form.body.value = '';
    byName(form, 'attachments').value = '';
    form.body.focus();
  });
  return form;
}

function drawNew() {
  const form = h('form', { class: 'compose compose-new', ariaLabel: 'New message' },
    h('h2', { tabIndex: -1, id: 'thread-title' }, 'New message'),
    h('div', { class: 'fields' }, typeField(['sms', 'mms', 'email']),
      field('From', 'from', { placeholder: '+12016661234', autocomplete: 'off' }),
      field('To', 'to', { placeholder: '+18045551234', autocomplete: 'off' })),
    field('Subject', 'subject', { autocomplete: 'off', required: false }),
    field('Message', 'body', { tag: 'textarea', rows: 5 }),
    field('Attachments, one address a line', 'attachments', { tag: 'textarea', rows: 2, required: false }),
    h('p', { class: 'error', role: 'alert' }),
    h('div', { class: 'actions' },
      h('button', { type: 'button', class: 'back', onclick: () => { location.hash = '#/inbox'; } }, 'Back'),
      h('button', { type: 'button', class: 'quiet attach' }, 'Attach'),
      h('button', { type: 'submit', value: 'send', class: 'primary' }, 'Send')));
  readyForm(form, async () => {
    const from = byName(form, 'from').value;
    const to = byName(form, 'to').value;
    const message = await post(payloadOf(form, from, to), false);
    awaited = message.id;
    form.replaceWith(h('p', { class: 'empty', role: 'status' }, h('strong', {}, 'Accepted'), 'It is on disk, and on its way.'));
    setTimeout(openAwaited, 3000); // should the event be missed, or have come before this answer
  });
  byId('thread-pane').replaceChildren(form);
  form.querySelector('h2').focus();
}

let awaited = null; // id of a message whose conversation is opened as soon as it is known

async function openAwaited() {
  if (awaited === null) return;
  const id = awaited;
  try {
    const message = await api('GET', `/api/messages/${id}`);
    if (awaited !== id) return;
    awaited = null;
    sides.set(message.conversation_id, sidesOf(message));
    if (location.hash === '#/new') location.hash = `#/c/${message.conversation_id}`;
  } catch (error) {
    if (error.status === 404) setTimeout(openAwaited, 3000); // not recorded yet
    else say(error);
  }
}

function drawThread(conversation) {
  const messages = h('div', { class: 'messages', id: 'messages', role: 'log', ariaLabel: 'Messages', tabIndex: 0 });
  messages.onscroll = () => { thread.stuck = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 60; };
  byId('thread-pane').replaceChildren(
    h('header', { class: 'thread-head' },
      h('button', { type: 'button', class: 'back', ariaLabel: 'Back to the conversations', onclick: () => { location.hash = '#/inbox'; } }, '‹'),
      h('div', {}, h('h2', { id: 'thread-title', tabIndex: -1 }, ''), h('span', { class: 'sub', id: 'thread-sub' })),
      h('p', { id: 'opt-out', role: 'status' }),
      h('button', { type: 'button', class: 'quiet', id: 'opt-out-change', hidden: true, onclick: changeOptOut }),
      h('button', { type: 'button', class: 'quiet', id: 'erase', hidden: true, onclick: eraseConversation }, 'Erase'),
      h('button', { type: 'button', class: 'quiet', id: 'earlier', hidden: true, onclick: () => { thread.first = Math.max(1, thread.first - 1); thread.stuck = false; readThread(); } }, 'Earlier messages')),
    messages,
    composeFor(conversation));
  drawHead();
  byId('thread-title').focus();
}

async function openConversation(id) {
  Object.assign(thread, { id, messages: new Map(), pending: new Map(), first: 1, stuck: true, opened: new Set(), cancelled: new Set(), optOut: null, optOutUntil: 0, optOutRead: null });
  inbox.open = id;
  if (!inbox.items.some((item) => item.id === id)) await readList();
  const conversation = inbox.items.find((item) => item.id === id);
  if (!conversation) {
    notice('There is no such conversation among those shown.');
    location.hash = '#/inbox';
    return;
  }
  if (thread.id !== id) return;
  inbox.seen.set(id, conversation.message_count);
  drawList();
  drawThread(conversation);
  readThread();
}

function closeConversation() {
  thread.id = null;
  inbox.open = null;
  drawList();
  byId('thread-pane').replaceChildren(h('p', { class: 'empty' }, h('strong', {}, 'No conversation open'), 'Choose one on the left, or write a new message.'));
}

// ---- Pipeline

const PROVIDERS = { 'sms-mms': { title: 'SMS and MMS', counter: 'sms_mms', provider: 'Twilio (mock)' }, email: { title: 'Email', counter: 'email', provider: 'SendGrid (mock)' } };
const LATE_MS = 60000;
const SPARK_SECONDS = 60;

const pipeline = { last: null, previous: null, sparks: new Map() };

function rateOf(pick) {
  const { last, previous } = pipeline;
  if (!last || !previous) return 0;
  return Math.max(0, (pick(last) - pick(previous)) * 1000 / Math.max(1, last.ts_unix_ms - previous.ts_unix_ms));
}

const shownRate = (rate) => `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`;

function spark(name, value) {
  const values = pipeline.sparks.get(name) ?? [];
  const most = Math.max(1, ...values);
  const points = values.map((one, index) => `${(index + SPARK_SECONDS - values.length) * 100 / (SPARK_SECONDS - 1)},${19 - 17 * one / most}`);
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  svg.setAttribute('viewBox', '0 0 100 20');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('class', 'spark');
  svg.setAttribute('aria-hidden', 'true');
  line.setAttribute('points', points.join(' '));
  const base = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  base.setAttribute('points', '0,19.5 100,19.5');
  base.setAttribute('class', 'base');
  svg.append(base, line);
  return svg;
}

function remember(state) {
  for (const name of Object.keys(PROVIDERS)) {
    for (const stream of ['outbound', 'events']) {
      const id = `${stream} ${name}`;
      const values = pipeline.sparks.get(id) ?? [];
      values.push(rateOf((one) => one.providers[name][stream].added));
      pipeline.sparks.set(id, values.slice(-SPARK_SECONDS));
    }
  }
}

function stat(label, value, kind = '') {
  return h('div', {}, h('dt', {}, label), h('dd', { class: `number ${kind}` }, value));
}

// What waits beside the stream: for a retry, for an earlier message of its conversation, for its time. An ingest of the
// release before says nothing of the latter two.
function waitingStats(state) {
  const overdue = (state.overdue ?? 0) + (state.scheduled_overdue ?? 0);
  return [
    stat('parked', count(state.parked)),
    stat('held', count(state.held ?? 0), 'held'),
    stat('scheduled', count(state.scheduled ?? 0), 'scheduled'),
    overdue > 0 ? stat('overdue', count(overdue)) : null,
  ];
}

function streamNode(stream, name) {
  const state = pipeline.last.providers[name];
  const one = state[stream];
  const rate = rateOf((any) => any.providers[name][stream].added);
  const late = one.oldest_ms !== null && one.oldest_ms > LATE_MS;
  const stats = [stat('rate', shownRate(rate)), stat('lag', count(one.lag)), stat('oldest', duration(one.oldest_ms), 'age')];
  if (stream === 'outbound') stats.push(...waitingStats(state));
  return h('div', { class: `card node stream from ${rate > 0 ? 'moving' : ''} ${late ? 'late' : ''}` },
    h('div', { class: 'stream-head' },
      h('span', { class: 'name' }, `${stream === 'outbound' ? 'To send' : 'To record'}: ${PROVIDERS[name].title}`),
      h('span', { class: 'count number' }, count(one.length))),
    h('p', { class: 'detail code' }, `${stream}:{${name}:…}`),
    h('dl', { class: 'stats' }, ...stats.filter(Boolean)),
    spark(`${stream} ${name}`));
}

function processNode(program, title, detail, extra = '') {
  const alive = pipeline.last.processes[program] ?? 0;
  return h('div', { class: `card node process ${extra}` },
    h('p', { class: 'name' }, h('span', { class: 'lamp', data: { alive: alive > 0 }, 'aria-hidden': 'true' }), title),
    h('p', { class: 'detail' }, alive === 0 ? 'none alive' : alive === 1 ? '1 alive' : `${alive} alive`),
    h('p', { class: 'detail' }, detail));
}

function breakerText(breaker) {
  if (breaker.mode === 'open') return 'breaker opened by hand';
  if (breaker.paused_ms > 0) return `paused by a 429, ${duration(breaker.paused_ms)}`;
  if (breaker.state === 'open') return breaker.reopens_in_ms > 0 ? `breaker open, probes in ${duration(breaker.reopens_in_ms)}` : 'breaker open';
  return `breaker ${breaker.state}`;
}

function providerNode(name) {
  const { counter, provider } = PROVIDERS[name];
  const { breaker } = pipeline.last.providers[name];
  const sent = rateOf((one) => one[`${counter}_dispatch_success`]);
  const failed = rateOf((one) => one[`${counter}_dispatch_error`] + one[`${counter}_dispatch_rate_limited`]);
  const lamp = breaker.mode === 'open' ? 'open' : breaker.paused_ms > 0 && breaker.state === 'closed' ? 'half-open' : breaker.state;
  return h('div', { class: `card node from ${sent + failed > 0 ? 'moving' : ''}` },
    h('p', { class: 'name' }, h('span', { class: 'lamp', data: { alive: pipeline.last.processes['mock-provider'] > 0 }, 'aria-hidden': 'true' }), provider),
    h('p', { class: 'detail number' }, `${shownRate(sent)} sent · ${shownRate(failed)} refused`),
    h('p', { class: 'breaker', data: { state: lamp, provider: name } }, h('span', { class: 'lamp', 'aria-hidden': 'true' }), breakerText(breaker)),
    breaker.state === 'open' && breaker.reason ? h('p', { class: 'detail' }, breaker.reason.replaceAll('_', ' ')) : null);
}

function figure(label, value) {
  return h('div', { class: 'card figure' }, h('p', { class: 'value number' }, value), h('p', { class: 'label' }, label));
}

function drawPipeline() {
  const { last } = pipeline;
  if (!last || byId('view-pipeline').hidden) return;
  const store = rateOf((one) => one.worker_processed);
  const troubles = [...last.troubles ?? [], ...last.notes ?? []]; // an ingest of the release before has none
  byId('troubles').replaceChildren(...troubles.map((trouble) => h('li', {}, trouble.text)));
  byId('troubles').hidden = troubles.length === 0;
  byId('flow').replaceChildren(
    processNode('ingest', 'Ingest', 'takes sends and webhooks', 'span'),
    streamNode('outbound', 'sms-mms'),
    processNode('dispatcher', 'Dispatcher', `${shownRate(rateOf((one) => one.dispatch_attempts))} calls`, 'span2 from'),
    providerNode('sms-mms'), streamNode('outbound', 'email'), providerNode('email'),
    streamNode('events', 'sms-mms'),
    processNode('persister', 'Persister', `${shownRate(store)} recorded`, `span2 from ${store > 0 ? 'moving' : ''}`),
    h('div', { class: `card node span2 from ${store > 0 ? 'moving' : ''}` }, h('p', { class: 'name' }, 'Postgres'),
      h('p', { class: 'detail number' }, `${count(last.conversations_created)} conversations begun`),
      h('p', { class: 'detail number' }, `${duration(last.worker_latency_avg_us / 1000)} from stream to stored`)),
    streamNode('events', 'email'));
  const memory = last.redis.memory_max_bytes > 0 ? `${(100 * last.redis.memory_used_bytes / last.redis.memory_max_bytes).toFixed(1)}%` : `${Math.round(last.redis.memory_used_bytes / 1048576)} MiB`;
  byId('figures').replaceChildren(
    figure('sent', count(last.dispatch_success)), figure('calls that failed', count(last.dispatch_error)),
    figure('answered 429', count(last.dispatch_rate_limited)), figure('breaker transitions', count(last.breaker_transitions)),
    figure('dead letters', count(last.worker_dead_letter)), figure('requests limited', count(last.rate_limited)),
    figure('let go by the clock', count(last.order_released ?? 0)), figure('cancelled', count(last.cancelled ?? 0)),
    figure('of Redis’s memory', memory));
}

function takePipeline(state) {
  if (pipeline.last && state.ts_unix_ms <= pipeline.last.ts_unix_ms) return;
  pipeline.previous = pipeline.last;
  pipeline.last = state;
  remember(state);
  drawPipeline();
  showLive('on', 'Live');
}

// ---- Pipeline: injected faults

const SHARES = { timeout_pct: 'Time-outs', error_pct: 'Errors (5xx)', ratelimit_pct: 'Refusals (429)' };
const RECEIPTS = { receipts_pct: 'Receipts', undelivered_pct: 'Of them, undelivered' };
const PERCENTAGES = { ...SHARES, ...RECEIPTS };
const mock = { config: null, timer: null };

function drawMock() {
  const make = (name) => {
    const value = mock.config[name];
    const output = h('output', {}, `${value}%`);
    const input = h('input', { type: 'range', name, min: 0, max: 100, step: 1, value: String(value) });
    input.setAttribute('aria-label', `${PERCENTAGES[name]}, percent`);
    input.oninput = () => { takeShare(name, Number(input.value)); };
    return h('label', {}, PERCENTAGES[name], output, input);
  };
  byId('sliders').replaceChildren(...Object.keys(PERCENTAGES).map(make));
}

// The sum of the calls' shares stays within 100: the others give way.
function takeShare(name, value) {
  const config = mock.config;
  config[name] = value;
  for (const other of Object.keys(SHARES)) {
    const over = Object.keys(SHARES).reduce((sum, one) => sum + config[one], 0) - 100;
    if (over > 0 && other !== name && name in SHARES) config[other] = Math.max(0, config[other] - over);
  }
  for (const [share, element] of Object.keys(PERCENTAGES).map((one) => [one, byName(byId('mock'), one)])) {
    element.value = String(config[share]);
    element.previousSibling.textContent = `${config[share]}%`;
  }
  clearTimeout(mock.timer);
  mock.timer = setTimeout(putMock, 250);
}

async function putMock() {
  const { timeout_pct, error_pct, ratelimit_pct, receipts_pct, undelivered_pct } = mock.config;
  const { providers, ...alike } = mock.config;
  try {
    await api('PUT', '/api/provider/mock/config', alike);
    byId('mock-state').textContent = `Set: ${timeout_pct}% time out, ${error_pct}% fail, ${ratelimit_pct}% are refused;`
      + ` of ${receipts_pct}% of the rest it is told what became of them, ${undelivered_pct}% of those don’t arrive.`;
  } catch (error) {
    byId('mock-state').textContent = '';
    say(error);
  }
}

async function readMock() {
  try {
    mock.config = await api('GET', '/api/provider/mock/config');
    drawMock();
    const apart = Object.keys(mock.config.providers ?? {}).map((name) => PROVIDERS[name]?.title ?? name);
    byId('mock-state').textContent = apart.length > 0 ? `Set apart at the moment: ${apart.join(', ')}. A slider sets all alike.` : '';
  } catch (error) {
    byId('mock-state').textContent = error instanceof ApiError ? error.shown : String(error);
  }
}

byId('mock').onsubmit = (event) => event.preventDefault();

// ---- Dead letters

const letters = { cursor: null };

// Somebody, or a receipt, was quicker than the button.
async function closedAs(letter) {
  const now = await api('GET', `/api/dead-letters/${encodeURIComponent(letter.id)}`).catch(() => letter);
  return now.delivered ? 'Delivered after all' : 'Replayed';
}

async function replay(letter, button, line) {
  let closed = 'Replayed';
  button.disabled = true;
  try {
    await api('POST', `/api/dead-letters/${encodeURIComponent(letter.id)}/replay`, {}, { 'Idempotency-Key': randomId() });
  } catch (error) {
    if (error.status !== 409 || error.details?.reason) { // a webhook that still can't be read stays as it is
      button.disabled = false;
      say(error);
      return;
    }
    closed = await closedAs(letter);
  }
  line.querySelector('.act').replaceChildren(h('p', { class: 'done', role: 'status' }, closed));
}

// The body of a webhook that can't become a message, as text where it is UTF-8. It is only ever put in as text.
function rawBody(raw) {
  const bytes = Uint8Array.from(atob(raw), (one) => one.charCodeAt(0));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return `${bytes.length} bytes that are no UTF-8; in base64: ${raw}`;
  }
}

function letterBody(letter) {
  if (letter.stage === 'webhook') return h('pre', { class: 'body raw' }, rawBody(letter.raw));
  return h('p', { class: 'body' }, letter.payload?.body ? letter.payload.body : JSON.stringify(letter.payload));
}

function letterItem(letter) {
  const { payload } = letter;
  const isWebhook = letter.stage === 'webhook';
  const line = h('li', { class: 'card letter', data: { id: letter.id } });
  const button = h('button', { type: 'button', onclick: () => replay(letter, button, line) }, 'Replay');
  const way = payload?.from ? `${payload.from} → ${payload.to}` : letter.message_id ?? (isWebhook ? 'A webhook that is no message' : 'not a message');
  const replayable = (letter.message_id !== null || isWebhook) && letter.replayed_at === null;
  line.append(
    h('p', {}, h('strong', {}, way), ` · ${PROVIDERS[letter.provider]?.title ?? letter.provider}`),
    h('p', { class: 'reason' }, letter.field ? `${letter.field}: ${letter.reason}` : letter.reason),
    letterBody(letter),
    h('p', { class: 'sub' }, `${ago(letter.failed_at)}${ago(letter.failed_at) === 'now' ? '' : ' ago'} · ${isWebhook ? `from ${letter.client_ip}` : `${letter.attempts} attempts`}`),
    h('div', { class: 'act' }, replayable ? button : h('p', { class: 'done' }, letter.delivered ? 'Delivered after all' : letter.replayed_at ? 'Replayed' : 'For inspection')));
  button.setAttribute('aria-label', `Replay the message ${way}`);
  return line;
}

async function readLetters(more = false) {
  try {
    const answer = await api('GET', `/api/dead-letters${more ? `?cursor=${encodeURIComponent(letters.cursor)}` : ''}`);
    letters.cursor = answer.meta.next_cursor;
    const items = answer.items.map(letterItem);
    const list = more ? byId('letter-list') : h('ul', { id: 'letter-list' });
    list.append(...items);
    const next = h('button', { type: 'button', class: 'quiet more', hidden: letters.cursor === null, onclick: () => readLetters(true) }, 'Show more');
    byId('letters').replaceChildren(list.children.length > 0 ? list : h('p', { class: 'empty' }, h('strong', {}, 'None'), 'Everything that was accepted was delivered, or still may be.'), next);
  } catch (error) {
    if (error.status === 404) byId('letters').replaceChildren(h('p', { class: 'empty' }, h('strong', {}, 'Not offered here'), 'This release of the service has no list of dead letters.'));
    else say(error);
  }
}

// ---- Which view

const views = ['inbox', 'pipeline', 'dead-letters'];

function show(view) {
  for (const name of views) {
    byId(`view-${name}`).hidden = name !== view;
    const link = document.querySelector(`nav a[data-view="${name}"]`);
    if (name === view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function route() {
  const conversation = /^#\/c\/(\d+)$/.exec(location.hash);
  const view = conversation || location.hash === '#/new' ? 'inbox' : views.find((name) => location.hash === `#/${name}`) ?? 'inbox';
  show(view);
  byId('view-inbox').dataset.open = String(Boolean(conversation) || location.hash === '#/new');
  if (conversation) {
    openConversation(conversation[1]);
  } else if (view === 'inbox') {
    closeConversation();
    if (location.hash === '#/new') drawNew();
  } else if (view === 'pipeline') {
    drawPipeline();
    readMock();
  } else {
    readLetters();
  }
}

const refresh = paced(400, () => readList().then(readThread));

on('messages', ({ messages }) => {
  refresh();
  if (messages.some((one) => one.id === awaited)) openAwaited();
  if (!byId('view-dead-letters').hidden && messages.some((one) => one.what === 'failed')) readLetters();
});
on('conversation_erased', ({ id }) => takeErased(id));
on('reset', refresh);
on('live', refresh);
on('pipeline', takePipeline);
on('trouble', ({ message }) => showLive('trouble', message));
on('breaker', ({ provider, to }) => {
  if (to === 'open' && byId('view-pipeline').hidden) notice(`The breaker of ${PROVIDERS[provider]?.title ?? provider} has opened.`);
});

window.addEventListener('hashchange', route);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !document.querySelector('dialog[open]') && (thread.id !== null || location.hash === '#/new')) location.hash = '#/inbox';
});
setInterval(drawList, 30000); // how long ago

await readList();
route();
followEvents();
