import { randomUUID } from 'node:crypto';
import type { Addresses } from './addresses.ts';
import { delayed, type Delays } from './delays.ts';
import { DEFAULT_PORT } from './images.ts';
import { refusedLabel } from './labels.ts';
import type { Logs } from './log.ts';
import { internalAddresses, portsOf } from './ports.ts';
import type { App, State, Version } from './state.ts';
import type { Storage } from './storage.ts';
import { appEnv } from './unit-env.ts';
import { startUnit, unitName, type LivingUnit } from './units.ts';
import { volumesOf } from './volumes.ts';

/** Does with units what Tsuru asks of Kubernetes. Where a process can be named, none means all of them. */
export interface Provisioner {
  /** Starts units of a version, and when all are ready ends those of the versions that it replaces. */
  rollOut(app: App, version: Version, replaces: readonly Version[]): Promise<void>;
  /** Replaces units by new ones of the same versions. */
  restart(app: App, process?: string): Promise<void>;
  /** Starts or ends units of a process until there are as many as wanted. */
  scale(app: App, process: string, wanted: number): Promise<void>;
  start(app: App, process?: string): Promise<void>;
  /** Ends units; their counts are kept. */
  stop(app: App, process?: string): void;
  /** Ends a unit, and starts another one in its place. */
  replace(app: App, living: LivingUnit): void;
  /** As a node that runs out of disk: one whose process ends with exit code 0 stays in the list as stopped, with its address. */
  evict(app: App, living: LivingUnit): Promise<void>;
  /** A one-off unit, as `tsuru app run` starts. */
  runIsolated(app: App): LivingUnit;
  /** Ends all units, also one-off ones, for good. */
  destroy(app: App): void;
  /** Ends every unit of every app, and waits for the last. */
  close(): Promise<void>;
}

export interface ProvisionerOptions {
  readonly state: State;
  readonly addresses: Addresses;
  readonly delays: Delays;
  readonly logs: Logs;
  /** Given to every unit: PATH, TSURU_HOST. */
  readonly env: () => Readonly<Record<string, string>>;
  readonly storage: Storage;
  /** Aborted when the local Tsuru ends: no more waiting. */
  readonly closing: AbortSignal;
}

export function createProvisioner(options: ProvisionerOptions): Provisioner {
  const { state, addresses, delays, logs, env, storage, closing } = options;
  const ending = new Set<Promise<void>>();
  /** What the name of a unit tells of its rollout: the same until the next deploy or restart. */
  const rollouts = new Map<string, string>();

  function start(app: App, { number: version, image }: Version, process: string): LivingUnit {
    closing.throwIfAborted();
    const number = (state.unitNumbers.get(app.name) ?? 0) + 1;
    state.unitNumbers.set(app.name, number);
    const name = unitName(app.name, process === '' ? 'isolated-run' : process, rollouts.get(app.name) ?? '', number);
    const runner = image.processes[process] ?? 'nothing';
    const volumes = volumesOf(state, app.name);
    const living = startUnit({
      name,
      app: app.name,
      process,
      version,
      port: portsOf(image, process).find(({ protocol }) => protocol === 'TCP')?.port ?? DEFAULT_PORT,
      ...(image.address === undefined ? {} : { host: image.address }),
      routable: app.versions.length === 0 || app.versions[0]?.number === version,
      runner,
      healthcheck: process === 'web' ? image.healthcheck : undefined,
      closing,
      env: { ...env(), ...appEnv(app) },
      openStorage: () =>
        storage.open(name, volumes, { memory: app.plan.memory, isCommand: typeof runner === 'object' }),
      addresses,
      delays,
      log: (message) => {
        logs(app.name).add({ message, source: process, unit: name });
      },
    });
    app.units.add(living);
    return living;
  }

  function startAnother(app: App, { unit }: LivingUnit): void {
    const version = app.versions.find(({ number }) => number === unit.version);
    if (version !== undefined && unit.process !== '') start(app, version, unit.process);
  }

  /** Units that end are not listed any more; nobody waits for them but close(). */
  function end(app: App, units: readonly LivingUnit[]): void {
    for (const living of units) {
      app.units.delete(living);
      const ended = living.stop().finally(() => ending.delete(ended));
      ending.add(ended);
    }
  }

  async function startAll(app: App, version: Version, counts: Iterable<readonly [string, number]>): Promise<void> {
    const started = [...counts].flatMap(([process, count]) =>
      Array.from({ length: count }, () => start(app, version, process)),
    );
    try {
      await allReady(started, () => delays.deployTimeoutMs, closing);
    } catch (error) {
      end(app, started);
      throw error;
    }
  }

  return {
    async rollOut(app, version, replaces) {
      const refused = refusedLabel(app);
      if (refused !== undefined) throw new Error(refused);
      rollouts.set(app.name, randomUUID());
      const counts = countsOf(app, version);
      const old = unitsOf(app).filter(({ unit }) => replaces.some(({ number }) => number === unit.version));
      await startAll(app, version, counts);
      end(app, old);
      app.versions = [...app.versions.filter((other) => !replaces.includes(other)), version];
      for (const [process, count] of counts) app.unitCounts.set(process, count);
      for (const { unit } of app.units) unit.routable = unit.version === app.versions[0]?.number;
      await delayed(() => delays.portsMs, closing);
      app.internalAddresses = internalAddresses(app);
    },

    async restart(app, process) {
      rollouts.set(app.name, randomUUID());
      for (const version of app.versions) {
        const old = unitsOf(app, process).filter(({ unit }) => unit.version === version.number);
        if (old.length === 0) continue;
        await startAll(app, version, countsOf(app, version, process));
        end(app, old);
      }
    },

    async scale(app, process, wanted) {
      const [version] = app.versions;
      if (version === undefined) return;
      const units = unitsOf(app, process).filter(({ unit }) => unit.version === version.number);
      if (wanted > units.length) await startAll(app, version, [[process, wanted - units.length]]);
      // Kubernetes takes units that are not ready first, then the newest.
      const surplus = units.toReversed().sort((a, b) => Number(a.unit.ready) - Number(b.unit.ready));
      end(app, surplus.slice(0, Math.max(0, units.length - wanted)));
    },

    async start(app, process) {
      for (const version of app.versions) {
        const stopped = countsOf(app, version, process).filter(([name]) => unitsOf(app, name).length === 0);
        await startAll(app, version, stopped);
      }
    },

    stop(app, process) {
      end(app, unitsOf(app, process));
    },

    replace(app, living) {
      startAnother(app, living);
      end(app, [living]);
    },

    async evict(app, living) {
      startAnother(app, living);
      const isListed = await living.evict();
      if (isListed) await delayed(() => delays.evictedMs, closing);
      app.units.delete(living);
    },

    runIsolated(app) {
      return start(app, app.versions[0] ?? { number: 0, image: { processes: {} } }, '');
    },

    destroy(app) {
      end(app, [...app.units]);
    },

    async close() {
      for (const app of state.apps.values()) end(app, [...app.units]);
      while (ending.size > 0) await Promise.all(ending);
    },
  };
}

/** The units that Tsuru manages: not those of `tsuru app run`, nor evicted ones. */
function unitsOf(app: App, process?: string): LivingUnit[] {
  return [...app.units].filter(
    ({ unit }) => unit.process !== '' && unit.status !== 'stopped' && (process ?? unit.process) === unit.process,
  );
}

/** How many units of each process there should be; one of a process that is new. */
function countsOf(app: App, { image }: Version, process?: string): (readonly [string, number])[] {
  return Object.keys(image.processes)
    .filter((name) => (process ?? name) === name)
    .map((name) => [name, app.unitCounts.get(name) ?? 1]);
}

async function allReady(units: readonly LivingUnit[], timeoutMs: () => number, closing: AbortSignal): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, closing]);
  const late = delayed(timeoutMs, signal).then(() => (signal.aborted ? 'closing' : 'late'));
  const outcome = await Promise.race([Promise.all(units.map(({ ready }) => ready)), late]);
  done.abort();
  if (Array.isArray(outcome)) return;
  if (outcome === 'closing') throw new Error('the local Tsuru is ending');
  const waiting = units
    .filter(({ unit }) => !unit.ready)
    .map(({ unit }) => `Pod "${unit.name}" is ${unit.status}${unit.reason === '' ? '' : ` (${unit.reason})`}`);
  throw new Error(`timeout waiting full rollout after ${timeoutMs() / 1000}s waiting for units: ${waiting.join(', ')}`);
}
