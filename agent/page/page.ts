import { appsSection } from './apps.ts';
import { alertsCard, changesCard, sendersCard } from './beside.ts';
import type { PageFacts } from './facts.ts';
import { html, textOf, type Html } from './html.ts';
import { linksFor, type Links } from './links.ts';
import { metricsCard } from './metrics.ts';
import { headline, problemsSection, refusedSection, syncText, tiles } from './overview.ts';
import type { Selection } from './selection.ts';

/** The pages of Prometheus' UI, which all its versions have. */
const UI_PAGES = [
  ['targets', 'Targets'],
  ['alerts', 'Alerts'],
  ['rules', 'Rules'],
  ['config', 'Configuration'],
] as const;

/** What a Grafana is set up with, as the guarded port has it. */
const GRAFANA_FILES = [
  ['datasource.yaml', 'data source'],
  ['dashboards.yaml', 'provider of dashboards'],
  ['app.json', 'dashboard of an app'],
  ['instance.json', 'dashboard of the instance'],
] as const;

/** The status page: the same facts and selection give the same text. */
export function statusPage(facts: PageFacts, selection: Selection): string {
  const { status, names } = facts;
  const links = linksFor(facts.home);
  const { tone, text } = headline(facts);
  const name = names?.instance ?? status.instance ?? 'Prometheus';
  return `<!doctype html>\n${textOf(
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${name}: ${text}</title>
        <link rel="icon" href="/tsuru/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/tsuru/page.css" />
        <script src="/tsuru/page.js" defer></script>
      </head>
      <body>
        ${top(name, links)}
        <main>
          <div class="hero ${tone}">
            <h1><span class="dot ${tone}"></span> ${text}</h1>
            <p>${syncText(facts)}</p>
          </div>
          ${refusedSection(facts)} ${problemsSection(facts)} ${tiles(facts)} ${appsSection(facts, selection, links)}
          <div class="beside">
            <div>${alertsCard(facts, links)} ${metricsCard(facts, links)}</div>
            <div>${sendersCard(facts)} ${changesCard(facts)}</div>
          </div>
        </main>
        ${bottom(status, name)}
      </body>
    </html>`,
  )}\n`;
}

function top(name: string, links: Links): Html {
  return html`<header class="top">
    <p class="brand"><a href="/">${name}</a></p>
    <nav aria-label="Prometheus">
      <ul>
        <li><a href="${links.query('up', 'table')}">Query</a></li>
        ${UI_PAGES.map(([page, word]) => html`<li><a href="${links.page(page)}">${word}</a></li>`)}
      </ul>
    </nav>
    <p id="refreshed"></p>
    <p id="announced" class="hidden" role="status"></p>
  </header>`;
}

function bottom({ versions, instance }: PageFacts['status'], name: string): Html {
  return html`<footer>
    <p>
      ${instance ?? name} · Prometheus ${versions.prometheus ?? 'not ready'} · agent ${versions.agent} ·
      <a href="/metrics">metrics of the agent</a>
    </p>
    <p>
      For Grafana:
      ${GRAFANA_FILES.map(([file, word], index) => [index > 0 && ' · ', html`<a href="/tsuru/grafana/${file}">${word}</a>`])}
    </p>
    <noscript><p>Without JavaScript this page does not refresh itself, and its times are in UTC.</p></noscript>
  </footer>`;
}
