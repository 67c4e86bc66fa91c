import type { AppStatus } from '../shared/status.ts';
import { html, type Content, type Html } from './html.ts';
import { selector, type Links } from './links.ts';
import { linkTo, type Selection } from './selection.ts';
import { unitTable } from './unit-table.ts';
import {
  countsOf,
  problemsFirst,
  rowsOf,
  STATE_WORDS,
  UNIT_STATES,
  type Counts,
  type Row,
  type UnitState,
} from './units.ts';
import { counted, numberText, sentence, sinceText } from './words.ts';
import type { PageFacts } from './facts.ts';

/** With more units than this, apps are one line each until one is chosen. */
const MOST_WITHOUT_CHOICE = 100;
/** Units, or apps in lines, on one page: 300 KB hold twice as many. */
const PER_PAGE = 250;
/** Apps to choose from in a list; with more there is a field for the name. */
const MOST_OPTIONS = 200;
/** Problems that are shown of an app that is chosen, and of each of several. */
const MOST_PROBLEMS = 20;
const FEW_PROBLEMS = 3;
/** Units of more apps than this are one list, and no list for each. */
const MOST_BLOCKS = 30;

/** The apps with their units: of a selection those that it means, else all, and of very many a line for each app. */
export function appsSection(facts: PageFacts, selection: Selection, links: Links): Html {
  const all = rowsOf(facts.status);
  const { apps } = facts.status;
  return html`<section aria-labelledby="apps-title">
    <h2 id="apps-title">Apps and units</h2>
    ${apps.length === 0 ? noApps(facts) : [filter(apps, all, selection), content(facts, all, selection, links)]}
  </section>`;
}

function content(facts: PageFacts, all: readonly Row[], selection: Selection, links: Links): Content {
  const { app, state } = selection;
  const isChosen = app !== undefined || state !== undefined;
  if (!isChosen && all.length > MOST_WITHOUT_CHOICE) return appLines(facts, all, selection, links);
  const chosen = all.filter((row) => (app ?? row.app.name) === row.app.name && (state ?? row.state) === row.state);
  const apps = facts.status.apps.filter(({ name }) => app === undefined || name === app);
  if (app !== undefined && apps.length === 0)
    return html`<p class="empty">No app ${app} is bound to this instance. <a href="?">Show all apps</a></p>`;
  if (chosen.length === 0 && state !== undefined)
    return html`<p class="empty">No unit is ${STATE_WORDS[state]}${app === undefined ? '' : ` in ${app}`}.</p>`;
  const { shown, pager } = pageOf(state === undefined && app !== undefined ? problemsFirst(chosen) : chosen, selection);
  const byApp = Map.groupBy(shown, ({ app: of }) => of.name);
  if (app === undefined && byApp.size > MOST_BLOCKS)
    return [html`<div class="card">${unitTable(shown, facts.nowMs, links, true)}</div>`, pager];
  const blocks = apps.filter(({ name }) => byApp.has(name) || state === undefined);
  // The blocks of apps without a row on this page are on the page where their rows are.
  const isHere = (block: AppStatus): boolean => byApp.has(block.name) || block.units.length === 0;
  return [
    blocks.filter(isHere).map((block) => appBlock(block, byApp.get(block.name) ?? [], facts, links, app !== undefined)),
    pager,
  ];
}

function noApps({ names }: PageFacts): Html {
  const { service, instance } = names ?? { service: 'prometheus', instance: 'INSTANCE' };
  return html`<div class="card empty">
    <p>No app is bound yet. Bind one, and each of its units is scraped within seconds:</p>
    <p><code class="command">tsuru service-instance-bind ${service} ${instance} -a my-app</code></p>
  </div>`;
}

function filter(apps: readonly AppStatus[], all: readonly Row[], selection: Selection): Html {
  const { app, state } = selection;
  const counts = countsOf(app === undefined ? all : all.filter((row) => row.app.name === app));
  const entries: readonly (readonly [UnitState | undefined, string, number])[] = [
    [undefined, 'all', counts.all],
    ...UNIT_STATES.map((one) => [one, STATE_WORDS[one], counts[one]] as const),
  ];
  return html`<div class="filter">
    <nav aria-label="State of units">
      <ul>
        ${entries.map(
          ([one, word, number]) =>
            html`<li>
              <a href="${linkTo({ app, state: one, page: 1 })}" ${state === one && html` aria-current="true"`}
                >${word} <span class="number">${numberText(number)}</span></a
              >
            </li>`,
        )}
      </ul>
    </nav>
    <form method="get">
      <label for="app">App</label>
      ${
        apps.length > MOST_OPTIONS
          ? html`<input id="app" name="app" value="${app ?? ''}" autocomplete="off" spellcheck="false" />`
          : html`<select id="app" name="app">
              <option value="">all</option>
              ${apps.map(({ name }) => html`<option${name === app && html` selected`}>${name}</option>`)}
            </select>`
      }
      ${state !== undefined && html`<input type="hidden" name="state" value="${state}" />`}
      <button>Show</button>
    </form>
  </div>`;
}

function appBlock(app: AppStatus, rows: readonly Row[], { nowMs }: PageFacts, links: Links, isChosen: boolean): Html {
  const counts = countsOf(rowsOf({ apps: [app] }));
  return html`<article class="card app">
    <header>
      <h3><a href="${linkTo({ app: app.name, state: undefined, page: 1 })}">${app.name}</a></h3>
      <p class="counts">${countsText(counts)}</p>
      <p class="links">
        team ${app.team} · pool ${app.pool} ·
        <a href="${links.query(upOf(app.name))}">Graph<span class="hidden"> of ${app.name}</span></a>
      </p>
    </header>
    ${problemsOf(app, nowMs, isChosen ? MOST_PROBLEMS : FEW_PROBLEMS)}
    ${rows.length > 0 && unitTable(rows, nowMs, links)}
    ${app.units.length === 0 && html`<p class="empty">${noUnits(app)}</p>`}
  </article>`;
}

function noUnits({ name, unknown }: AppStatus): Content {
  if (unknown !== undefined) return 'Its units are not known yet.';
  return sentence(`It has no units. See "tsuru app-info -a ${name}".`);
}

function problemsOf({ unknown, problems }: AppStatus, nowMs: number, most: number): Content {
  const shown = problems.slice(0, most);
  const more = problems.length - shown.length;
  const lines: readonly Content[] = [
    ...(unknown === undefined
      ? []
      : [
          html`Its units are unknown ${sinceText(Date.parse(unknown.since), nowMs)}, and the last ones are kept:
          ${unknown.reason}`,
        ]),
    ...shown.map(sentence),
    ...(more > 0 ? [`and ${counted(more, 'more problem')}`] : []),
  ];
  return (
    lines.length > 0 &&
    html`<ul class="problems">
      ${lines.map((line) => html`<li>${line}</li>`)}
    </ul>`
  );
}

/** A line for each app, those with problems first. */
function appLines(
  { status: { apps }, nowMs }: PageFacts,
  all: readonly Row[],
  selection: Selection,
  links: Links,
): Content {
  const byApp = Map.groupBy(all, ({ app }) => app.name);
  const lines = apps.map((app) => ({ app, counts: countsOf(byApp.get(app.name) ?? []) }));
  const isProblem = ({ app, counts }: (typeof lines)[number]): boolean =>
    counts.problems > 0 || app.problems.length > 0 || app.unknown !== undefined;
  const { shown, pager } = pageOf([...lines.filter(isProblem), ...lines.filter((line) => !isProblem(line))], selection);
  const problems = all.filter((row) => row.isProblem);
  return [
    html`<div class="card">
      <table role="table" class="rows lines">
        <caption class="hidden">
          Apps
        </caption>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">App</th>
            <th role="columnheader" scope="col">Units</th>
            <th role="columnheader" scope="col">Problem</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${shown.map(
            ({ app, counts }) =>
              html`<tr role="row">
                <td role="cell"><a href="${linkTo({ app: app.name, state: undefined, page: 1 })}">${app.name}</a></td>
                <td role="cell">${countsText(counts)}</td>
                <td role="cell">
                  ${sentence(app.problems[0] ?? '')}${app.problems.length > 1 && ` (and ${counted(app.problems.length - 1, 'more')})`}
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`,
    pager,
    problems.length > 0 &&
      html`<article class="card app">
        <header>
          <h3>Units with a problem</h3>
          <p class="counts">
            ${problems.length > MOST_WITHOUT_CHOICE && `${MOST_WITHOUT_CHOICE} of `}${counted(problems.length, 'unit')}
          </p>
        </header>
        ${unitTable(problems.slice(0, MOST_WITHOUT_CHOICE), nowMs, links, true)}
      </article>`,
  ];
}

/** `3 of 4 up`, and what the others are. */
function countsText(counts: Counts): Content {
  const others = UNIT_STATES.filter((state) => state !== 'up' && counts[state] > 0);
  const tone = counts.problems > 0 ? 'bad' : counts.waiting > 0 ? 'waiting' : counts.up > 0 ? 'good' : 'quiet';
  return html`<span class="dot ${tone}"></span> ${numberText(counts.up)} of ${numberText(counts.all)}
    up${others.map((state) => `, ${numberText(counts[state])} ${STATE_WORDS[state]}`)}`;
}

function pageOf<T>(all: readonly T[], selection: Selection): { readonly shown: readonly T[]; readonly pager: Content } {
  const pages = Math.max(1, Math.ceil(all.length / PER_PAGE));
  const page = Math.min(selection.page, pages);
  const start = (page - 1) * PER_PAGE;
  const shown = all.slice(start, start + PER_PAGE);
  const to = (number: number, word: string): Html =>
    html`<a href="${linkTo({ ...selection, page: number })}">${word}</a>`;
  const pager =
    pages > 1 &&
    html`<nav class="pager" aria-label="Pages">
      ${page > 1 && to(page - 1, 'Previous')}
      <span>${numberText(start + 1)} to ${numberText(start + shown.length)} of ${numberText(all.length)}</span>
      ${page < pages && to(page + 1, 'Next')}
    </nav>`;
  return { shown, pager };
}

function upOf(app: string): string {
  return selector('up', { tsuru_app: app });
}
