import { formatDuration } from '../shared/duration.ts';
import type { PageFacts } from './facts.ts';
import { html, type Content, type Html } from './html.ts';
import { storageTile } from './storage.ts';
import { countsOf, rowsOf } from './units.ts';
import { bytesText, commandOf, counted, numberText, percentText, sentence, sinceText, timeOf } from './words.ts';

type Tone = 'good' | 'waiting' | 'bad' | 'quiet';

/** Problems of settings have a section of their own. */
const REFUSED_KEYS: readonly string[] = ['settings', 'configuration'];

/** The state of the instance in one sentence. */
export function headline(facts: PageFacts): { readonly tone: Tone; readonly text: string } {
  const { status } = facts;
  const counts = countsOf(rowsOf(status));
  if (!status.prometheus.ready) return { tone: 'bad', text: 'Prometheus is not ready' };
  if (status.lastPoll.lastSuccess === null && !status.restored)
    return { tone: 'waiting', text: 'Waiting for the first answer of Tsuru' };
  if (status.apps.length === 0 && status.problems.length === 0)
    return { tone: 'quiet', text: 'Ready, but no app is bound yet' };
  const problems = status.problems.length + status.apps.reduce((sum, app) => sum + app.problems.length, 0);
  if (counts.down > 0)
    return {
      tone: 'bad',
      text: `${numberText(counts.down)} of ${counted(counts.all, 'unit')} ${counts.down === 1 ? 'is' : 'are'} down`,
    };
  if (counts.problems > 0)
    return {
      tone: 'bad',
      text: `${counted(counts.problems, 'unit')} ${counts.problems === 1 ? 'is' : 'are'} not scraped`,
    };
  if (problems > 0) return { tone: 'bad', text: `The instance is up, with ${counted(problems, 'problem')}` };
  if (!status.sync.inSync) return { tone: 'waiting', text: 'Prometheus is loading the latest targets' };
  if (counts.waiting > 0)
    return { tone: 'waiting', text: `Waiting for the first scrape of ${counted(counts.waiting, 'unit')}` };
  return {
    tone: 'good',
    text:
      counts.up === 0
        ? 'All is well'
        : `${counts.up === 1 ? 'The one unit' : `All ${numberText(counts.up)} units`} that should be scraped ${counts.up === 1 ? 'is' : 'are'} up`,
  };
}

export function syncText({ status: { sync, lastPoll }, nowMs }: PageFacts): Content {
  const since = sync.since === null ? '' : sinceText(Date.parse(sync.since), nowMs);
  const polled =
    lastPoll.lastSuccess === null
      ? 'Tsuru has not answered yet'
      : html`Tsuru last answered at ${timeOf(Date.parse(lastPoll.lastSuccess), nowMs)}`;
  return html`${sync.inSync ? 'In sync' : 'Not in sync'} ${since} · ${polled}`;
}

/** The command that sets one setting. */
export function updateCommand({ names }: Pick<PageFacts, 'names'>, setting: string): Html {
  const { service, instance } = names ?? { service: 'prometheus', instance: 'INSTANCE' };
  return commandOf(`tsuru service-instance-update ${service} ${instance} --plan-param ${setting}`);
}

/** What is wrong with the instance as a whole. */
export function problemsSection({ status, troubles, nowMs }: PageFacts): Content {
  const told = troubles.filter(({ key }) => !REFUSED_KEYS.includes(key));
  const others = status.problems.filter((problem) => !troubles.some(({ text }) => problem.startsWith(text)));
  const lines = [
    ...told.map(({ text, sinceMs }) => html`${sentence(text)} <span class="sub">${sinceText(sinceMs, nowMs)}</span>`),
    ...others.map(sentence),
  ];
  return (
    lines.length > 0 &&
    html`<section aria-labelledby="problems-title">
      <h2 id="problems-title">Problems</h2>
      <ul class="card problems">
        ${lines.map((line) => html`<li>${line}</li>`)}
      </ul>
    </section>`
  );
}

/** Settings that are not in force, with the message of promtool or of Prometheus. */
export function refusedSection(facts: PageFacts): Content {
  const { troubles, nowMs } = facts;
  const refused = troubles.filter(({ key }) => REFUSED_KEYS.includes(key));
  return (
    refused.length > 0 &&
    html`<section aria-labelledby="refused-title">
      <h2 id="refused-title">Refused settings</h2>
      ${refused.map(({ text, sinceMs }) => {
        const colon = text.indexOf(': ');
        return html`<div class="card refused">
          <p>
            <strong>${capital(text.slice(0, colon === -1 ? undefined : colon))}</strong> ${sinceText(sinceMs, nowMs)}
          </p>
          ${colon !== -1 && html`<pre>${text.slice(colon + 2).replaceAll('; ', '\n')}</pre>`}
          <p class="sub">Correct it with ${updateCommand(facts, 'NAME=VALUE')}</p>
        </div>`;
      })}
    </section>`
  );
}

/** Sentences of the status begin small, as they stand behind a name in the log. */
function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** The instance in figures. */
export function tiles(facts: PageFacts): Html {
  const { status, settings, plan } = facts;
  const { capacity } = status;
  const counts = countsOf(rowsOf(status));
  return html`<section aria-labelledby="instance-title">
    <h2 id="instance-title" class="hidden">The instance</h2>
    <div class="tiles">
      <div class="tile">
        <h3>Units up</h3>
        <p class="big">${numberText(counts.up)} <span class="of">of ${numberText(counts.all)}</span></p>
        <p class="sub">
          ${counted(status.apps.length, 'app')} bound${counts.out > 0 && `, ${counted(counts.out, 'unit')} not scraped`}
        </p>
      </div>
      ${storageTile(facts)}
      ${
        capacity !== undefined &&
        html`<div class="tile">
          <h3>Capacity</h3>
          <p class="big">${percentText(capacity.load)} <span class="of">used</span></p>
          <p class="sub">
            ${numberText(capacity.series)} series
            held${capacity.memoryLimitBytes !== undefined && ` in ${bytesText(capacity.memoryLimitBytes)} of memory`}${capacity.steps > 0 && `. The storage is almost full: intervals are ${2 ** capacity.steps} times as long`}
          </p>
        </div>`
      }
      <div class="tile">
        <h3>In force</h3>
        <p class="big">${plan ?? 'no plan told'}</p>
        <p class="sub">
          keeps ${formatDuration(settings.retentionMs)}, scrapes every ${formatDuration(settings.scrapeIntervalMs)}
        </p>
      </div>
    </div>
  </section>`;
}
