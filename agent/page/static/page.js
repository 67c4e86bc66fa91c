// Refreshes the status page in place, shows its times in the reader's time zone, and copies commands. The page is whole without it.
const EVERY_MS = 10_000;
const main = document.querySelector('main');
const note = document.querySelector('#refreshed');
const announcement = document.querySelector('#announced');
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const clockWithDay = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** Times are in UTC in the page as the server sends it. */
function localise(root) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.valueOf())) continue;
    const isToday = date.toDateString() === new Date().toDateString();
    time.textContent = (isToday ? clock : clockWithDay).format(date);
    time.title = date.toISOString();
  }
}

/** A button beside each command, where the browser lets a page write to the clipboard: over HTTPS, and on this machine. */
function addCopyButtons(root) {
  if (navigator.clipboard === undefined) return;
  for (const command of root.querySelectorAll('code.command')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', `Copy the command ${command.textContent}`);
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(command.textContent);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Select and copy by hand';
      }
    });
    command.after(button);
  }
}

/** Whether the reader is in the middle of something that a new page would undo. */
function isBusy() {
  const selection = document.getSelection();
  const isSelecting = selection !== null && !selection.isCollapsed && main.contains(selection.anchorNode);
  return document.hidden || isSelecting || document.activeElement?.closest('main form') != null;
}

/** What has the focus in the page, as it can be found in a new one: by the same words of a link, a button or a field. */
function focusedPlace() {
  const focused = document.activeElement;
  if (!main.contains(focused)) return () => undefined;
  const nameOf = (element) => ['id', 'href', 'aria-label'].map((name) => element.getAttribute(name)).join(' ');
  const name = nameOf(focused);
  return () => [...main.querySelectorAll(focused.localName)].find((element) => nameOf(element) === name);
}

async function refresh() {
  if (isBusy()) return;
  try {
    const response = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
    if (!response.ok) throw new Error(`the instance answered ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const fresh = page.querySelector('main');
    if (fresh === null || isBusy()) return;
    localise(fresh);
    addCopyButtons(fresh);
    const focused = focusedPlace();
    main.replaceChildren(...fresh.childNodes);
    focused()?.focus({ preventScroll: true });
    document.title = page.title;
    announce();
    say(`Updated ${clock.format(new Date())}`, false);
  } catch (error) {
    say(`Not updated since ${lastText}: ${error.message}`, true);
  }
}

/** To a screen reader: what is new in the headline, and not each refresh. */
function announce() {
  const text = main.querySelector('h1')?.textContent.trim() ?? '';
  if (announced !== text) announcement.textContent = text;
  announced = text;
}

let lastText = clock.format(new Date());
function say(text, isStale) {
  if (!isStale) lastText = clock.format(new Date());
  document.documentElement.classList.toggle('stale', isStale);
  if (note.textContent !== text) note.textContent = text;
  note.role = isStale ? 'alert' : null;
}

let announced = main.querySelector('h1')?.textContent.trim() ?? '';
localise(document);
addCopyButtons(main);
say(`Updated ${lastText}`, false);
setInterval(refresh, EVERY_MS);
document.addEventListener('visibilitychange', refresh);
