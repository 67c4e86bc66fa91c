import { HEAP_BYTES_PER_SERIES } from '../shared/budget.ts';
import { card } from './beside.ts';
import type { PageFacts, TopMetrics } from './facts.ts';
import { html, type Content, type Html } from './html.ts';
import { selector, type Links } from './links.ts';
import { updateCommand } from './overview.ts';
import { bytesText, numberText, percentText } from './words.ts';

/** What Prometheus makes itself, and what it and the agent expose: the setting is for metrics of apps. */
const NOT_OF_APPS = /^(?:up$|scrape_|ALERTS|prometheus_|tsuru_agent_)/;

const COLUMNS = ['Metric', 'Series', 'Share', 'Memory'];

/** The metrics with the most series, what they cost, and what ends that. */
export function metricsCard(facts: PageFacts, links: Links): Html {
  return card('metrics', 'Metrics with the most series', facts.metrics, (metrics) =>
    metrics.top.length === 0
      ? html`<p class="empty">There are no series yet.</p>`
      : [table(metrics, links), hint(metrics, facts)],
  );
}

function table({ series, top }: TopMetrics, links: Links): Html {
  return html`<table role="table" class="metrics">
    <caption class="hidden">
      Metrics with the most series
    </caption>
    <thead role="rowgroup">
      <tr role="row">
        ${COLUMNS.map((column) => html`<th role="columnheader" scope="col">${column}</th>`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${top.map(
        ({ name, series: part }) =>
          html`<tr role="row">
            <td role="cell"><a href="${links.query(`count by (job) (${selector(name, {})})`, 'table')}">${name}</a></td>
            <td role="cell" class="number">${numberText(part)}</td>
            <td role="cell" class="number">${percentText(series === 0 ? 0 : part / series)}</td>
            <td role="cell" class="number">${bytesText(part * HEAP_BYTES_PER_SERIES)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

/** What is dropped is scraped and not stored. */
function hint({ series, top }: TopMetrics, facts: PageFacts): Content {
  const { dropMetrics } = facts.settings;
  const largest = top.find(({ name }) => isDroppable(name))?.name ?? 'NAME';
  const names = [...dropMetrics, largest].join(',');
  return html`<p class="sub">
    Of ${numberText(series)} series in memory, at about ${bytesText(HEAP_BYTES_PER_SERIES)} each. To store a metric no
    longer, name it in the setting <code>drop_metrics</code>: ${updateCommand(facts, `drop_metrics=${names}`)}
  </p>`;
}

function isDroppable(name: string): boolean {
  return /^[a-zA-Z_:][a-zA-Z0-9_:.]*$/.test(name) && !NOT_OF_APPS.test(name);
}
