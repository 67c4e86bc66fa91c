import type { FreeOutcome } from '../storage/free.ts';
import type { Discovery } from '../discovery/discover.ts';
import type { Metrics } from './metrics.ts';
import type { PollEvent, PollOutcome } from '../tsuru/poller.ts';
import type { ConfigurationEvent, ConfigurationStatus } from '../prometheus/configuration/configuration.ts';
import type { ListedApp } from '../tsuru/answers.ts';
import type { SettingsOutcome } from '../tsuru/instance-settings.ts';
import type { SyncEvent } from '../prometheus/sync/sync.ts';
import { lineText } from '../prometheus/process/child.ts';
import type { LogLine } from '../prometheus/api/logfmt.ts';
import { unfinishedQueries } from '../prometheus/process/unfinished-queries.ts';
import type { SupervisorEvent } from '../prometheus/process/supervisor.ts';
import type { Log } from '../shared/log.ts';
import { namesInTag, OWNER_ANNOTATION, PLAN_ANNOTATION } from '../shared/own-annotations.ts';
import { createRecentChanges, type RecentChanges } from './recent-changes.ts';
import { listNames } from '../shared/text.ts';
import type { PublisherEvent } from '../targets/publisher.ts';
import type { Troubles } from '../system/troubles.ts';

/** What happened last, for the status. Times are in milliseconds since 1970. */
export interface Progress {
  readonly lastPoll?: { readonly atMs: number; readonly ok: boolean };
  readonly lastPollSuccessMs?: number;
  readonly nextPollMs?: number;
  readonly lastWrite?: { readonly atMs: number; readonly ok: boolean };
  /** How many targets are in the target file. */
  readonly writtenTargets: number;
  readonly configuration: ConfigurationStatus;
  readonly settingsAcceptedMs?: number;
  /** What the service has noted on this instance's own app; undefined until Tsuru lists that. */
  readonly noted?: { readonly plan: string | undefined; readonly names: ReturnType<typeof namesInTag> };
  /** Of the agent's own Prometheus. */
  readonly supervised: {
    readonly startedAtMs?: number;
    readonly crashes: number;
    readonly lastCrash?: { readonly atMs: number; readonly text: string; readonly lines: readonly string[] };
    /** The queries that ran when it ended. */
    readonly unfinished?: { readonly atMs: number; readonly text: string };
    /** What was lost to bring it up again. */
    readonly losses: readonly { readonly atMs: number; readonly text: string }[];
  };
}

/** How many losses of data are kept for the status: the first ones show the cause. */
const KEPT_LOSSES = 10;

/** What of the settings cannot be fetched, or is tight; undefined or none without a problem. */
export interface DesiredProblems {
  /** The sum, where memory or volume are too small. */
  readonly memory: string | undefined;
  /** Variables that the settings name for secrets, and that are not set. */
  readonly missingVariables: readonly string[];
  /** Which headers this version cannot send. */
  readonly headers: string | undefined;
  /** Why the proxy of the environment is not used. */
  readonly proxy: string | undefined;
}

/** Something that happened in a part of the agent. */
export type Event =
  | PublisherEvent
  | PollEvent
  | SyncEvent
  | ConfigurationEvent
  | { readonly kind: 'settings'; readonly outcome: SettingsOutcome }
  | { readonly kind: 'problems'; readonly problems: DesiredProblems }
  /** What is wrong with private CAs that are used anyway. */
  | { readonly kind: 'authorities'; readonly problems: readonly string[] }
  | { readonly kind: 'address'; readonly problem: string | undefined }
  /** This instance's own app as Tsuru lists it; undefined if it is not in the list. */
  | { readonly kind: 'own_app'; readonly app: ListedApp | undefined }
  | { readonly kind: 'process'; readonly event: SupervisorEvent }
  /** A line of Prometheus' own log. */
  | { readonly kind: 'line'; readonly line: LogLine }
  /** Room was made, or tried to be, on the volume of the data. */
  | { readonly kind: 'freed'; readonly outcome: FreeOutcome }
  /** Data were deleted from a full volume. */
  | { readonly kind: 'lost'; readonly text: string };

export type Report = (event: Event) => void;

/** Turns what happens in the agent's parts into log lines, metrics and the present problems. */
export interface Reporter {
  readonly progress: () => Progress;
  /** What happened of late, the newest first. */
  readonly changes: RecentChanges['list'];
  readonly report: Report;
}

export interface ReporterOptions {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly troubles: Troubles;
  readonly wallMs: () => number;
}

export function createReporter({ log, metrics, troubles, wallMs }: ReporterOptions): Reporter {
  const recent = createRecentChanges(wallMs);
  let progress: Progress = { configuration: {}, writtenTargets: 0, supervised: { crashes: 0, losses: [] } };

  /** Begins or ends a problem. */
  function trouble(
    key: string,
    problem: string | undefined,
    mended: string,
    fields?: Readonly<Record<string, unknown>>,
  ): void {
    if (problem === undefined) troubles.end(key, mended);
    else troubles.begin(key, problem, fields);
  }

  function lose(text: string): void {
    const { supervised } = progress;
    const losses = [...supervised.losses, { atMs: wallMs(), text }].slice(0, KEPT_LOSSES);
    progress = { ...progress, supervised: { ...supervised, losses } };
    log.warn(text);
    recent.add(text);
  }

  function happened(text: string): void {
    log.info(text);
    recent.add(text);
  }

  function loseOnFull(text: string): void {
    metrics.dataLost('full');
    lose(text);
  }

  function unknownUnits(discovery: Discovery): string | undefined {
    const unknown = discovery.apps.filter(({ known }) => known.unknown !== undefined);
    const names = listNames(unknown.map(({ known }) => known.app.name));
    const reason = unknown[0]?.known.unknown?.reason;
    return reason === undefined
      ? undefined
      : `the units of ${names} are unknown, keeping their last targets: ${reason}`;
  }

  const told: { readonly [Kind in Event['kind']]: (event: Extract<Event, { readonly kind: Kind }>) => void } = {
    targets({ discovery, changes }) {
      metrics.discovered(discovery);
      for (const { app, level, text } of changes) {
        log[level]({ app }, text);
        recent.add(text);
      }
      trouble('unknown', unknownUnits(discovery), "Tsuru tells every app's units again");
    },
    write({ outcome }) {
      metrics.wrote(outcome, wallMs());
      if (outcome.kind !== 'unchanged') {
        progress = { ...progress, lastWrite: { atMs: wallMs(), ok: outcome.kind === 'written' } };
      }
      if (outcome.kind !== 'failed') progress = { ...progress, writtenTargets: outcome.discovery.groups.length };
      const problem =
        outcome.kind === 'failed'
          ? `failed to write the target file, keeping the old one: ${outcome.reason}`
          : undefined;
      trouble('write', problem, 'the target file is written again');
    },
    state({ problem }) {
      if (problem !== undefined) metrics.stateNotSaved();
      const lost = 'so a restart while Tsuru is down would lose what changed since';
      trouble(
        'state',
        problem === undefined ? undefined : `the state cannot be saved, ${lost}: ${problem}`,
        'the state is saved again',
      );
    },
    poll({ outcome, durationMs }) {
      const atMs = wallMs();
      metrics.polled(outcome, durationMs, atMs);
      progress = { ...progress, lastPoll: { atMs, ok: outcome.kind === 'answered' } };
      if (outcome.kind === 'failed') {
        const { reason, requestId } = outcome;
        troubles.begin('poll', `failed to poll Tsuru, keeping every target: ${reason}${hint(outcome)}`, { requestId });
        return;
      }
      progress = { ...progress, lastPollSuccessMs: atMs };
      troubles.end('poll', 'Tsuru is polled again');
      const problems = outcome.problems.length === 0 ? undefined : listNames(outcome.problems, undefined, '; ');
      trouble('list', problems, "Tsuru's list of apps is whole again");
    },
    wait({ waitMs }) {
      progress = { ...progress, nextPollMs: wallMs() + waitMs };
    },
    details({ failures }) {
      const names = listNames(failures.map(({ name }) => name));
      const [first] = failures;
      const problem = first && `failed to fetch the ports of ${names}, keeping the last known ones: ${first.reason}`;
      trouble('details', problem, "every app's ports are told again");
    },
    sync({ status: { inSync, problem } }) {
      metrics.inSync(inSync);
      // Out of sync for a moment is what every change is.
      if (inSync || problem !== undefined) trouble('sync', problem, 'Prometheus has loaded the last targets');
    },
    loaded({ durationMs }) {
      metrics.loaded(durationMs);
    },
    dead({ reason }) {
      metrics.revived();
      log.warn(`Prometheus' file discovery is dead: ${reason}; a changed refresh_interval and a reload restart it`);
    },
    configuration({ status }) {
      const { configuration } = progress;
      progress = { ...progress, configuration: status };
      const stays =
        status.isFirst === true
          ? 'there is no configuration to run Prometheus with yet'
          : 'keeping the last valid configuration';
      const refused = status.refused && `${stays}: ${status.refused}`;
      trouble('configuration', refused, 'the configuration is accepted');
      trouble(
        'reload',
        status.waiting && `Prometheus does not run the newest configuration yet: ${status.waiting}`,
        'Prometheus runs the newest configuration',
      );
      if (status.loadedAtMs !== undefined && status.loadedAtMs !== configuration.loadedAtMs)
        happened('Prometheus has loaded the configuration');
    },
    check({ succeeded }) {
      metrics.checked(succeeded);
    },
    reload({ outcome }) {
      metrics.reloaded(outcome, wallMs());
    },
    polling({ reason }) {
      log.warn(
        `the kernel has no watches left (${reason}): changes of configuration and rules are looked for each second instead`,
      );
    },
    settings({ outcome }) {
      metrics.settled(outcome, wallMs());
      if (outcome.kind === 'not_saved') {
        trouble(
          'settings-saved',
          `the settings cannot be saved, so a restart while Tsuru is down would lose them: ${outcome.reason}`,
          '',
        );
        return;
      }
      if (outcome.kind === 'accepted') {
        progress = { ...progress, settingsAcceptedMs: wallMs() };
        happened('new settings are in force');
        troubles.end('settings-saved', 'the settings are saved again');
      }
      const problems = outcome.kind === 'refused' ? outcome.problems.join(' ') : undefined;
      trouble(
        'settings',
        problems && `the new settings are refused, keeping the old ones: ${problems}`,
        'the settings are accepted',
      );
    },
    problems({ problems: { memory, missingVariables: names, headers, proxy } }) {
      const set = names.map((name) => `"tsuru env-set -p ${name}=..."`).join(' and ');
      trouble('memory', memory, 'the memory suffices');
      trouble(
        'credentials',
        names.length === 0
          ? undefined
          : `nothing is sent to where ${listNames(names, 10)} is needed, as it is not set: set it on this instance's app with ${set}`,
        'every secret that the settings name is set',
      );
      trouble('headers', headers, 'Prometheus can send all headers');
      trouble('proxy', proxy, 'remote_write and alertmanagers use the proxy');
    },
    authorities({ problems }) {
      trouble(
        'authorities',
        problems.length === 0 ? undefined : problems.join(' '),
        'the private CAs are as they should be',
      );
    },
    address({ problem }) {
      trouble('address', problem, 'the address of this instance is one');
    },
    own_app({ app }) {
      if (app !== undefined) {
        const { [PLAN_ANNOTATION]: plan, [OWNER_ANNOTATION]: owner = '' } = app.app.annotations;
        progress = { ...progress, noted: { plan, names: namesInTag(owner) } };
      }
      const lost =
        'failed to follow its settings, keeping those in force: the service gives its token the role prometheus-reader for it again within a minute, ' +
        'or at once with "tsuru service-instance-update"';
      trouble(
        'own-app',
        app === undefined ? `this instance's own app is not in Tsuru's list, so ${lost}` : undefined,
        "this instance's own app is in Tsuru's list",
      );
    },
    process({ event }) {
      const { supervised } = progress;
      metrics.supervised(event);
      switch (event.kind) {
        case 'started':
          progress = { ...progress, supervised: { ...supervised, startedAtMs: wallMs() } };
          log.info({ pid: event.pid, args: event.args }, 'Prometheus is started');
          recent.add('Prometheus is started');
          break;
        case 'ready':
          log.info({ tookMs: Math.round(event.tookMs) }, 'Prometheus is ready');
          troubles.end('crash', 'Prometheus runs again');
          break;
        case 'restarting':
          happened(`Prometheus is restarted: ${event.why}`);
          break;
        case 'stopped':
          log[event.clean ? 'info' : 'warn'](event.text);
          break;
        case 'crashed': {
          const lastCrash = { atMs: wallMs(), text: event.text, lines: event.lines.map(lineText) };
          progress = { ...progress, supervised: { ...supervised, crashes: supervised.crashes + 1, lastCrash } };
          // The trouble is reported once; each crash is a line of its own.
          troubles.begin('crash', event.text);
          log.warn({ retryMs: event.retryMs }, `${event.text}; it is started again`);
          recent.add(event.text);
          break;
        }
        case 'wal_lost':
        case 'damaged':
          lose(event.text);
      }
    },
    freed({ outcome: { lost, short } }) {
      lost.forEach(loseOnFull);
      trouble('no-room', short.length === 0 ? undefined : short.join('; '), "the data's volume has room for a start");
    },
    lost({ text }) {
      loseOnFull(text);
    },
    line({ line }) {
      const {
        level,
        message,
        fields: { component: part, ...fields },
      } = line;
      const text = unfinishedQueries(line);
      if (text !== undefined) {
        progress = { ...progress, supervised: { ...progress.supervised, unfinished: { atMs: wallMs(), text } } };
        log.warn(text);
      }
      // Tsuru shows the last ten lines: what Prometheus reports of its every step would push out the agent's own.
      log[level === 'info' ? 'debug' : level](
        { component: 'prometheus', ...(part === undefined ? {} : { part }), ...fields },
        message,
      );
    },
  };
  return {
    progress: () => progress,
    changes: recent.list,
    report(event) {
      // Each kind has the function for its own events.
      (told[event.kind] as (told: Event) => void)(event);
    },
  };
}

function hint(outcome: PollOutcome): string {
  if (outcome.kind !== 'failed' || outcome.failure !== 'unauthorized') return '';
  return '; if this lasts, the token in TSURU_TOKEN was removed or replaced (Tsuru also answers 401 while its database fails)';
}
