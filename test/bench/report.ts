import type { AtOnceTimes } from './at-once.ts';
import { cellsOf, grouped, ms } from './format.ts';
import type { Results } from './results.ts';
import { renderTable } from './table.ts';

const SPREAD = ['n', 'min', 'median', 'p95'];

/** What a round costs the agent, by the number of units. */
export function renderRounds({ sizes }: Results): string {
  const rows = [...sizes].flatMap(([units, { changed, unchanged }]) =>
    [
      { what: 'one unit new: request to file renamed, ms', summary: changed.requestToFileMs },
      { what: 'one unit new: answer to file renamed, ms', summary: changed.answerToFileMs },
      { what: 'one unit new: whole poll, ms', summary: changed.pollMs },
      { what: 'one unit new: CPU a round, ms', summary: changed.cpuMs },
      { what: 'nothing new: whole poll, ms', summary: unchanged.pollMs },
      { what: 'nothing new: CPU a round, ms', summary: unchanged.cpuMs },
    ].map(({ what, summary }) => [`${grouped(units)} units, ${what}`, String(summary.n), ...cellsOf(summary)]),
  );
  return renderTable(['a round of the agent', ...SPREAD], rows);
}

/** What it asks of Tsuru, and the memory it takes. */
export function renderSizes({ sizes }: Results): string {
  const rows = [...sizes].map(([units, { changed, unchanged }]) => [
    grouped(units),
    String(unchanged.requestsPerPoll),
    String(changed.requestsPerPoll),
    grouped(unchanged.bytesPerPoll / 1000),
    ms(unchanged.memoryMb.steady),
    ms(unchanged.memoryMb.peak),
  ]);
  return renderTable(
    ['units', 'requests, nothing new', 'requests, one unit new', 'kB a poll', 'RSS steady, MB', 'RSS peak, MB'],
    rows,
  );
}

/** How long changes take until they are in Prometheus. */
export function renderTimes({ change, rulesMs }: Results): string {
  const rows = [
    { what: 'change in Tsuru to active target, ms', summary: change.totalMs },
    { what: '  of it: wait for the poll and its answer', summary: change.waitMs },
    { what: '  of it: the agent, answer to file renamed', summary: change.agentMs },
    { what: '  of it: Prometheus, file renamed to active', summary: change.prometheusMs },
    { what: 'rule file written to rule loaded, ms', summary: rulesMs },
  ].map(({ what, summary }) => [what, String(summary.n), ...cellsOf(summary)]);
  return renderTable(['until Prometheus has it', ...SPREAD], rows);
}

/** What the gateway costs those who ask through it. */
export function renderGateway({ gateway }: Results): string {
  const rows = gateway.flatMap(({ bytes, direct, guarded }) =>
    [
      { what: 'direct', way: direct },
      { what: 'through the gateway', way: guarded },
    ].map(({ what, way: { latencyMs, perSecond } }) => [
      `${grouped(bytes)} bytes, ${what}`,
      String(latencyMs.n),
      ...cellsOf(latencyMs),
      grouped(perSecond),
    ]),
  );
  return renderTable(['an answer, ms', ...SPREAD, 'a second, 8 at once'], rows);
}

/** How soon changes in Tsuru are in Prometheus. */
export function renderAtOnce(all: readonly AtOnceTimes[]): string {
  const rows = all.flatMap((times) =>
    [
      { what: 'bind to active target', summary: times.bindToActiveMs },
      { what: 'bind to first sample', summary: times.bindToSampleMs },
      { what: 'unit-add to active target', summary: times.addToActiveMs },
      { what: 'unit-remove to target gone', summary: times.removeToGoneMs },
      { what: 'deploy to active targets', summary: times.deployToActiveMs },
      { what: 'deploy to old targets gone', summary: times.deployToGoneMs },
    ].map(({ what, summary }) => [
      `${times.webhook ? 'webhook' : 'polls alone'}: ${what}`,
      String(summary.n),
      ...cellsOf(summary),
    ]),
  );
  return renderTable(["from the end of Tsuru's event, ms", ...SPREAD], rows);
}

/** What operations on instances take, and how much of Tsuru. */
export function renderService({ service }: Results): string {
  const { bindToScrapedMs, infoMs, statusMs, instances, requests } = service;
  const rows = [
    { what: 'bind to scraped, the whole chain', summary: bindToScrapedMs },
    { what: `info, ${grouped(instances)} instances`, summary: infoMs },
    { what: `status, ${grouped(instances)} instances`, summary: statusMs },
  ].map(({ what, summary }) => [what, String(summary.n), ...cellsOf(summary)]);
  const costs = renderTable([...requests.keys()], [[...requests.values()].map(String)]);
  return `${renderTable(['the service, ms', ...SPREAD], rows)}\n\nRequests to Tsuru for an operation:\n${costs}`;
}

/** What an instance takes as a whole, as its container would. */
export function renderInstance({ instance }: Results): string {
  const { units, series, startMs, agent, prometheus, restartMs, restartScrapes } = instance;
  const share = (value: number): string => `${(value * 100).toFixed(1)} %`;
  return renderTable(
    [`an instance with ${grouped(units)} targets, ${grouped(series)} series`, 'agent', 'Prometheus'],
    [
      ['resident memory, MB', ms(agent.memoryMb), ms(prometheus.memoryMb)],
      ['CPU of one core', share(agent.cpuShare), share(prometheus.cpuShare)],
      ['start to ready, ms', ms(startMs), ''],
      [`restart to ready after ${grouped(restartScrapes)} scrapes, ms`, ms(restartMs), ''],
    ],
  );
}
