import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../shared/clock.ts';
import type { Check, Promtool } from '../../shared/promtool.ts';
import { errorText } from '../../shared/text.ts';
import type { Settings } from '../../shared/settings/schema.ts';
import { renderInstanceRules } from './instance-rules.ts';
import { createBackoff } from './backoff.ts';
import { renderConfig, type RenderOptions } from './render.ts';
import type { PrometheusClient } from '../api/client.ts';
import { reload, type ReloadOutcome } from './reload.ts';
import type { Credentials } from './secret-files.ts';
import { createStaging, readRules, type RuleFile } from './files.ts';
import { watchSources } from './watch.ts';

/** Waits before a reload of which nothing is known is tried again: doubled from the first to the last. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** The same for a configuration that Prometheus refused: each try has it load two. */
const FIRST_REFUSED_RETRY_MS = 30_000;
const LAST_REFUSED_RETRY_MS = 10 * 60_000;
/** This many failures in a row, which take 7 s, are what a start of Prometheus may take; one more is worth telling. */
const PATIENCE = 4;
/** The longest a timer can wait, about: 24 days. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;
/** The rules of the settings, named as the setting is. Files of the rules' folder end in .yml or .yaml. */
const SETTINGS_RULES = 'rules';
/** The alerts about the instance itself; a group of a user's rules may have the same name, as that is another file. */
const INSTANCE_RULES = 'instance';
/**
 * How often Prometheus reads the target file though nothing told it to: a net below inotify. Each has two values, as a dead file discovery
 * starts again only when its configuration changes.
 */
const REFRESH_SECONDS = [30, 31] as const;
/** Where such a read makes changes after it wait: with 30 s, 8 of 40 changes took 0.7 to 7 s instead of 0.1 (3.14). */
const SELDOM_REFRESH_SECONDS = [300, 301] as const;

/** The state of the configuration; each problem is there as long as it lasts. */
export interface ConfigurationStatus {
  /** When Prometheus last loaded one from this agent, in milliseconds since 1970. */
  readonly loadedAtMs?: number;
  /** Why the newest base and rules are not what Prometheus runs: keeping the last valid configuration. */
  readonly refused?: string;
  /** There is no good one yet that could stay. */
  readonly isFirst?: true;
  /** Why it is not known to run the newest. */
  readonly waiting?: string;
}

export interface ConfigurationOptions {
  /** The base configuration, which is only read. */
  readonly baseFile: string;
  readonly rulesFolder: string;
  /** The file of the alerts about the instance itself, and the instance's name if it is known. */
  readonly instanceRules: { readonly file: string; readonly instance: string | undefined };
  readonly dataFolder: string;
  readonly credentials: Credentials;
  /** What never changes. */
  readonly fixed: Pick<RenderOptions, 'targetsFile' | 'replica' | 'instance' | 'addresses' | 'access' | 'hasProxy'>;
  readonly promtool: Promtool;
  readonly client: PrometheusClient;
  readonly clock: Clock;
  readonly report: (event: ConfigurationEvent) => void;
}

/** Where its events go. */
export type ConfigurationEvent =
  | { readonly kind: 'configuration'; readonly status: ConfigurationStatus }
  /** promtool was asked. */
  | { readonly kind: 'check'; readonly succeeded: boolean }
  | { readonly kind: 'reload'; readonly outcome: ReloadOutcome }
  /** The kernel has no watches left, so folders are looked at from time to time instead. */
  | { readonly kind: 'polling'; readonly reason: string };

/** The input of a configuration besides base and rules. */
export interface RenderInput extends Pick<
  RenderOptions,
  'settings' | 'features' | 'retentionSizeBytes' | 'blockRangeMs' | 'mostSamples'
> {
  /** How often the file discovery was found dead. */
  readonly revivals: number;
}

/** Keeps what Prometheus runs at what the base configuration and the rules say, as long as that is valid. */
export interface Configuration {
  /** What Prometheus is to be started with. */
  readonly configFile: string;
  /** Sets the input of the configuration. It never blocks, and only a change has an effect. */
  readonly want: (input: RenderInput) => void;
  /** Makes the file of a first start, if base and rules are valid, so that Prometheus can be started with it. */
  prepare(signal: AbortSignal): Promise<void>;
  run(signal: AbortSignal): Promise<void>;
  /** Why a configuration with these settings, base and rules being what they are now, would not be loaded; undefined if it would. Rejects when the signal aborts. */
  check(settings: Settings, signal: AbortSignal): Promise<string | undefined>;
}

/** The sources of a configuration, as read. */
interface Source {
  readonly input: RenderInput;
  readonly base: string;
  readonly rules: readonly RuleFile[];
}

/** A configuration that was refused, by whom, and when it is retried. */
interface Refusal {
  readonly text: string;
  readonly retryAtMs: number;
}

export function createConfiguration(options: ConfigurationOptions): Configuration {
  const { client, clock, report } = options;
  const staging = createStaging(options.dataFolder);
  let status: ConfigurationStatus = {};
  let wanted: RenderInput | undefined;
  const unready = createBackoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  const unchecked = createBackoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  const unwritable = createBackoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  const refusedByPrometheus = createBackoff(FIRST_REFUSED_RETRY_MS, LAST_REFUSED_RETRY_MS);
  let wakeUp = new AbortController();
  /** What Prometheus surely runs; undefined as soon as another configuration is in place, which it may have read. */
  let running: string | undefined;
  /** What it ran last, or had in place before the first change. */
  let lastGood: string | undefined;
  /** What Prometheus may run: all that was in place since it last proved what it runs. */
  let possible: ReadonlySet<string> = new Set();
  let refusal: Refusal | undefined;
  let working: Promise<unknown> = Promise.resolve();

  function say(next: ConfigurationStatus): void {
    status = next;
    report({ kind: 'configuration', status: next });
  }

  function refuse(refused: string, isFirst = false): void {
    const { loadedAtMs } = status;
    say({
      ...(loadedAtMs === undefined ? {} : { loadedAtMs }),
      refused,
      ...(isFirst ? { isFirst: true as const } : {}),
    });
  }

  /** Reads the sources of the configuration. Rejects when base or rules cannot be used. */
  async function read(input = wanted): Promise<Source> {
    if (input === undefined) throw new Error('it is not known yet what it is made of');
    const base = await readFile(options.baseFile, 'utf8');
    const { rules, instanceAlerts } = input.settings;
    const ofSettings: RuleFile[] = rules === undefined ? [] : [{ name: SETTINGS_RULES, text: rules }];
    const ofInstance = instanceAlerts === 'on' ? [await readInstanceRules()] : [];
    const ofFolder = await readRules(options.rulesFolder);
    return { input, base, rules: [...ofFolder, ...ofSettings, ...ofInstance] };
  }

  /** Writes copies of rules and secrets, and says where they are. Rejects when they cannot be written, which may pass. */
  async function stage({ input, rules }: Source): Promise<RenderOptions> {
    const { revivals, ...inForce } = input;
    const ruleFiles = [await staging.stageRules(rules)];
    const credentials = await options.credentials.place(inForce.settings);
    const seconds = inForce.features.promptUpdates ? SELDOM_REFRESH_SECONDS : REFRESH_SECONDS;
    const refreshSeconds = seconds[revivals % 2 === 0 ? 0 : 1];
    return { ...options.fixed, ...inForce, credentials, refreshSeconds, ruleFiles };
  }

  async function readInstanceRules(): Promise<RuleFile> {
    const { file, instance } = options.instanceRules;
    return { name: INSTANCE_RULES, text: renderInstanceRules(await readFile(file, 'utf8'), instance) };
  }

  /** What was only looked at, or is replaced, takes room and holds secrets. */
  async function removeUnused(): Promise<void> {
    const kept = [await staging.current(), lastGood, running].filter((text) => text !== undefined);
    await staging.removeUnused(kept);
    // Secrets are read again for each request. Before the first proof, it may be a configuration of an earlier agent that names them.
    if (status.loadedAtMs !== undefined) await options.credentials.removeUnused([...kept, ...possible]);
  }

  /** One at a time: they share the folder with copies of rules. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const result = working.then(work);
    working = result.catch(() => undefined);
    return result;
  }

  /** Puts what base and rules say now in place, once promtool has found it valid; returns it, or undefined if it is not. */
  async function place(signal: AbortSignal): Promise<string | undefined> {
    const cannotBeMade = (error: unknown): void => {
      refusal = undefined;
      refuse(`the configuration cannot be made: ${errorText(error)}`, !existsSync(staging.configFile));
    };
    let source: Source;
    try {
      source = await read();
    } catch (error) {
      cannotBeMade(error);
      return undefined;
    }
    const staged = await stage(source);
    let text: string;
    try {
      text = renderConfig(source.base, staged);
    } catch (error) {
      cannotBeMade(error);
      return undefined;
    }
    if (text !== refusal?.text) forgetRefusals();
    else if (clock.nowMs() < refusal.retryAtMs) return undefined;
    const current = await staging.current();
    if (text === current) {
      unwritable.reset();
      return text;
    }
    const check = await options.promtool('config', await staging.stageConfig(text), signal);
    report({ kind: 'check', succeeded: check.kind === 'valid' });
    if (check.kind === 'valid') {
      lastGood ??= current;
      running = undefined;
      possible = new Set([...possible, ...(current === undefined ? [] : [current]), text]);
      await staging.replace(text);
      unchecked.reset();
      unwritable.reset();
      return text;
    }
    // It may be a file beside it that is wrong. Without promtool's message, and with nothing to start Prometheus with, it is tried again soon.
    const isUrgent = check.kind === 'failed' || current === undefined;
    refusal = { text, retryAtMs: clock.nowMs() + (isUrgent ? unchecked.failed() : LAST_REFUSED_RETRY_MS) };
    refuse(wordsOf(check), current === undefined);
    return undefined;
  }

  /** Brings Prometheus to what base and rules say now; returns after how long to try again if nothing changes. */
  async function round(signal: AbortSignal): Promise<number> {
    const text = await place(signal);
    if (text === undefined) return refusal === undefined ? Infinity : Math.max(0, refusal.retryAtMs - clock.nowMs());
    if (text === running) {
      refusal = undefined;
      forgetFailures();
      if (status.refused !== undefined || status.waiting !== undefined)
        say({ loadedAtMs: status.loadedAtMs ?? clock.wallMs() });
      return Infinity;
    }
    const outcome = await reload(client, clock, signal);
    if (signal.aborted) return 0;
    if (outcome.kind !== 'not_ready') report({ kind: 'reload', outcome });
    if (outcome.kind === 'loaded') {
      running = text;
      lastGood = text;
      possible = new Set([text]);
      refusal = undefined;
      forgetFailures();
      say({ loadedAtMs: clock.wallMs() });
      return Infinity;
    }
    if (outcome.kind !== 'refused') {
      const retryMs = unready.failed();
      if (unready.failures() >= PATIENCE) say({ ...status, waiting: outcome.reason });
      return retryMs;
    }
    unready.reset();
    const retryMs = refusedByPrometheus.failed();
    refusal = { text, retryAtMs: clock.nowMs() + retryMs };
    refuse(outcome.reason);
    await fallBack(text, signal);
    return retryMs;
  }

  /** The last good one again, so that a restart of Prometheus finds it, and nothing of the refused one stays in force. */
  async function fallBack(refused: string, signal: AbortSignal): Promise<void> {
    if (lastGood === undefined || lastGood === refused) return;
    await staging.replace(lastGood);
    const outcome = await reload(client, clock, signal);
    if (outcome.kind !== 'loaded') return;
    running = lastGood;
    possible = new Set([lastGood]);
  }

  /** Each cause has waits of its own: what kept one back says nothing of another. */
  function forgetFailures(): void {
    for (const backoff of [unready, unwritable]) backoff.reset();
    forgetRefusals();
  }

  /** Another configuration was not refused yet. */
  function forgetRefusals(): void {
    for (const backoff of [unchecked, refusedByPrometheus]) backoff.reset();
  }

  /** A disk that is full or read-only, and the like; but a stop, which aborts what is under way, is no problem. */
  function failedRound(error: unknown, signal: AbortSignal): number {
    if (signal.aborted) return 0;
    say({ ...status, waiting: `the configuration cannot be written: ${errorText(error)}` });
    return unwritable.failed();
  }

  return {
    configFile: staging.configFile,
    want(input) {
      if (isDeepStrictEqual(input, wanted)) return;
      wanted = input;
      wakeUp.abort();
    },
    async prepare(signal) {
      await alone(() => place(signal)).catch((error: unknown) => failedRound(error, signal));
    },
    async run(signal) {
      const changed = (): void => {
        wakeUp.abort();
      };
      const { baseFile: file, rulesFolder: folder } = options;
      const onPolling = (reason: string): void => {
        report({ kind: 'polling', reason });
      };
      const watching = watchSources({ file, folder, onChange: changed, onPolling });
      const isStopped = (): boolean => signal.aborted;
      while (!isStopped()) {
        wakeUp = new AbortController();
        const waitMs = await alone(async () => {
          const retryMs = await round(signal);
          await removeUnused();
          return retryMs;
        }).catch((error: unknown) => failedRound(error, signal));
        await clock.sleep(Math.min(waitMs, LONGEST_SLEEP_MS), AbortSignal.any([signal, wakeUp.signal]));
      }
      await watching.close();
    },
    check: (settings, signal) =>
      alone(async () => {
        try {
          const source = await read(wanted && { ...wanted, settings });
          const text = renderConfig(source.base, await stage(source));
          const check = await options.promtool('config', await staging.stageConfig(text), signal);
          return check.kind === 'valid' ? undefined : wordsOf(check);
        } catch (error) {
          signal.throwIfAborted();
          return `the configuration cannot be made: ${errorText(error)}`;
        } finally {
          await removeUnused().catch(() => undefined);
        }
      }),
  };
}

function wordsOf(check: Exclude<Check, { readonly kind: 'valid' }>): string {
  return check.kind === 'refused' ? `promtool refuses the new configuration: ${check.text}` : check.text;
}
