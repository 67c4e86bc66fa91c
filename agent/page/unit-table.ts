import type { UnitStatus } from '../shared/status.ts';
import { html, type Content, type Html } from './html.ts';
import { selector, type Links } from './links.ts';
import { STATE_WORDS, type Row } from './units.ts';
import { numberText, sentence, spanText } from './words.ts';

/** Units as a table; on a phone each is a card. The roles keep it a table for screen readers then. */
export function unitTable(rows: readonly Row[], nowMs: number, links: Links, withApp = false): Html {
  const columns = ['Unit', 'Process', 'State', 'Last scrape', 'Samples'];
  return html`<table role="table" class="units">
    <caption class="hidden">
      Units${!withApp && ` of ${rows[0]?.app.name ?? ''}`}
    </caption>
    <thead role="rowgroup">
      <tr role="row">
        ${columns.map((column) => html`<th role="columnheader" scope="col">${column}</th>`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows.map((row) => unitRow(row, nowMs, links, withApp))}
    </tbody>
  </table>`;
}

function unitRow({ app, unit, state, isProblem }: Row, nowMs: number, links: Links, withApp: boolean): Html {
  const tone = isProblem ? 'bad' : state === 'up' ? 'good' : state === 'waiting' ? 'waiting' : 'quiet';
  return html`<tr role="row">
    <td role="cell">${withApp && html`<span class="sub">${app.name}</span> `}${nameOf(app.name, unit, links)}</td>
    <td role="cell">${unit.process}${unit.version !== '' && html` <span class="sub">v${unit.version}</span>`}</td>
    <td role="cell"><span class="state ${tone}">${STATE_WORDS[state]}</span>${reasonOf(unit)}</td>
    ${scrapeOf(unit, nowMs)}
  </tr> `;
}

function nameOf(app: string, unit: UnitStatus, links: Links): Content {
  if (!('address' in unit)) return html`<span class="unit">${unit.unit}</span>`;
  const expression = selector('up', { tsuru_app: app, instance: unit.unit });
  return html`<a class="unit" href="${links.query(expression)}">${unit.unit}</a>
    <span class="sub">${unit.address}</span>`;
}

/** Why it is down or left out, and what changes that. */
function reasonOf(unit: UnitStatus): Content {
  if ('leftOut' in unit)
    return html` <span class="why"
      >${sentence(unit.leftOut)}${unit.remedy !== undefined && [': ', sentence(unit.remedy)]}</span
    >`;
  return unit.health === 'down' && unit.lastError !== undefined && html` <span class="why">${unit.lastError}</span>`;
}

function scrapeOf(unit: UnitStatus, nowMs: number): Content {
  if (!('address' in unit))
    return html`<td role="cell"></td>
      <td role="cell"></td>`;
  const { lastScrape, scrapeSeconds, samples } = unit;
  const atMs = lastScrape === undefined ? NaN : Date.parse(lastScrape);
  const ago = Number.isNaN(atMs) ? undefined : `${spanText(Math.max(0, nowMs - atMs))} ago`;
  const took = scrapeSeconds === undefined ? undefined : `took ${durationText(scrapeSeconds)}`;
  return html`<td role="cell">${ago}${took !== undefined && html` <span class="sub">${took}</span>`}</td>
    <td role="cell" class="number">${samples !== undefined && numberText(samples)}</td>`;
}

function durationText(seconds: number): string {
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(1)} s`;
}
