import type { Settings } from '../shared/settings/schema.ts';
import type { FiringAlert, PageFacts, SenderState, Told } from './facts.ts';
import { html, type Content, type Html } from './html.ts';
import type { Links } from './links.ts';
import { counted, numberText, sentence, sinceText, spanText, timeOf } from './words.ts';

/** So far behind is usual: samples are sent in batches. */
const USUAL_BEHIND_MS = 30_000;
const MOST_ALERTS = 20;
/** What a chosen value of an alert's label says that its name and text do not. */
const LABELS_LEFT_OUT = ['alertname', 'severity'];

export function alertsCard({ alerts, nowMs }: PageFacts, links: Links): Html {
  return card('alerts', 'Firing alerts', alerts, (firing) =>
    firing.length === 0
      ? html`<p class="empty">No alert fires. <a href="${links.page('alerts')}">All alerts</a></p>`
      : html`<ul class="list">
            ${firing.slice(0, MOST_ALERTS).map((alert) => alertLine(alert, nowMs))}
          </ul>
          ${firing.length > MOST_ALERTS && html`<p class="sub">${counted(firing.length - MOST_ALERTS, 'more alert')}</p>`}
          <p><a href="${links.page('alerts')}">All alerts</a></p>`,
  );
}

function alertLine({ name, severity, text, labels, activeMs }: FiringAlert, nowMs: number): Html {
  const others = Object.entries(labels).filter(([label]) => !LABELS_LEFT_OUT.includes(label));
  return html`<li>
    <span class="state ${severity === 'critical' ? 'bad' : 'waiting'}">${severity === '' ? 'firing' : severity}</span>
    <strong>${name}</strong> <span class="sub">${activeMs !== undefined && sinceText(activeMs, nowMs)}</span
    ><br />${text}${others.length > 0 && html` <span class="sub labels">${others.map(([label, value]) => `${label}=${value}`).join(' ')}</span>`}
  </li>`;
}

/** What is sent to stores and Alertmanagers, and whether it arrives. */
export function sendersCard({ senders, settings, troubles }: PageFacts): Html {
  const failing = troubles.filter(({ key }) => /alertmanager/i.test(key));
  return html`<section class="card" aria-labelledby="sent-title">
    <h2 id="sent-title">What is sent</h2>
    <h3>remote_write</h3>
    ${
      !senders.known
        ? notKnown(senders.reason)
        : senders.value.length === 0
          ? html`<p class="empty">Nothing is sent: no remote_write is set.</p>`
          : html`<ul class="list">
              ${senders.value.map(senderLine)}
            </ul>`
    }
    <h3>Alerts</h3>
    ${alertmanagers(settings, failing.length)}
  </section>`;
}

function senderLine({ name, behindMs, pending, hasSent, failed }: SenderState): Html {
  const isLate = behindMs > USUAL_BEHIND_MS && pending > 0;
  const [tone, word] =
    !hasSent && pending > 0
      ? ['bad', 'nothing sent yet']
      : isLate
        ? ['bad', `${spanText(behindMs)} behind`]
        : hasSent
          ? ['good', 'arrives']
          : ['quiet', 'nothing to send'];
  return html`<li>
    <span class="state ${tone}">${word}</span> <strong>${name}</strong>
    <span class="sub">${counted(pending, 'sample')} waiting${failed > 0 && `, ${numberText(failed)} given up`}</span>
  </li>`;
}

function alertmanagers({ alertmanagers: receivers }: Settings, failing: number): Html {
  if (receivers.length === 0)
    return html`<p class="empty">Alerts are evaluated and sent nowhere: no alertmanagers are set.</p>`;
  const hosts = receivers.map(({ url }) => URL.parse(url)?.host ?? '').join(', ');
  return html`<p>
    <span class="state ${failing > 0 ? 'bad' : 'good'}">${failing > 0 ? 'failing' : 'no failure'}</span>
    <strong>${hosts}</strong>
  </p>`;
}

export function changesCard({ changes, nowMs }: PageFacts): Html {
  return html`<section class="card" aria-labelledby="changes-title">
    <h2 id="changes-title">Recent changes</h2>
    ${
      changes.length === 0
        ? html`<p class="empty">Nothing has changed since the agent started.</p>`
        : html`<ol class="list changes">
            ${changes.map(({ atMs, text }) => html`<li>${timeOf(atMs, nowMs)} <span>${sentence(text)}</span></li>`)}
          </ol>`
    }
  </section>`;
}

export function card<T>(id: string, title: string, told: Told<T>, show: (value: T) => Content): Html {
  return html`<section class="card" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${told.known ? show(told.value) : notKnown(told.reason)}
  </section>`;
}

function notKnown(reason: string): Html {
  return html`<p class="empty">Not known: ${reason}</p>`;
}
