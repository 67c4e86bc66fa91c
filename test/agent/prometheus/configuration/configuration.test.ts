import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock, type Clock } from '../../../../agent/shared/clock.ts';
import { ReloadRefused, type PrometheusClient } from '../../../../agent/prometheus/api/client.ts';
import {
  createConfiguration,
  type Configuration,
  type ConfigurationStatus,
} from '../../../../agent/prometheus/configuration/configuration.ts';
import { createCredentials } from '../../../../agent/prometheus/configuration/secret-files.ts';
import { featuresOf } from '../../../../agent/prometheus/api/features.ts';
import type { Check } from '../../../../agent/shared/promtool.ts';
import { readSettings } from '../../../../agent/shared/settings/settings.ts';
import type { Settings } from '../../../../agent/shared/settings/schema.ts';
import { temporaryFolder } from '../../../support/folder.ts';
import { until } from '../../../support/until.ts';

const BASE = fileURLToPath(new URL('../../../../image/prometheus.yml', import.meta.url));
const INSTANCE_RULES = fileURLToPath(new URL('../../../../image/rules/instance.yml', import.meta.url));

/** Settings that send samples with the secret of each of these variables. */
function sending(...variables: readonly string[]): Settings {
  const result = readSettings({
    remote_write: variables.map((name) => ({
      url: `https://${name.toLowerCase().replace('_', '-')}.example.com/`,
      authorization: { credentials_env: name },
    })),
  });
  assert.ok(result.ok, JSON.stringify(result));
  return result.settings;
}

/** What a Prometheus does with a configuration that it is told to load. */
type Load = 'loads' | 'refuses' | 'hangs up';
/** What keeps a configuration back. */
interface Obstacles {
  readonly ready?: () => Promise<void>;
  readonly promtool?: () => Promise<Check>;
}

interface Scene extends AsyncDisposable {
  readonly configuration: Configuration;
  readonly status: () => ConfigurationStatus;
  /** Has these settings in force, with a Prometheus that does this at reloads. */
  use(settings: Settings, load: (config: string) => Load): void;
  /** Has it made for this version, after so many revivals of its file discovery. */
  runs(version: string, revivals: number): void;
  readonly configFile: string;
  /** The files with secrets that are there. */
  secrets(): Promise<string>;
  /** Looks at settings without taking them. */
  look(settings: Settings): Promise<void>;
}

/** A configuration in a folder, of a Prometheus that runs nothing yet. */
function startScene(dataFolder: string, clock: Clock = systemClock, obstacles: Obstacles = {}): Scene {
  const stop = new AbortController();
  let settings = sending();
  let load: (config: string) => Load = () => 'loads';
  let status: ConfigurationStatus = {};
  let loads = 0;
  const client: PrometheusClient = {
    ready: obstacles.ready ?? (() => Promise.resolve()),
    version: () => Promise.resolve('2.42.0'),
    targets: () => Promise.resolve([]),
    rules: () => Promise.resolve([]),
    alertmanagers: () => Promise.resolve([]),
    query: () => Promise.resolve([]),
    flags: () => Promise.resolve({}),
    metrics: () =>
      Promise.resolve(
        `prometheus_config_last_reload_successful 1\nprometheus_config_last_reload_success_timestamp_seconds ${loads}\n`,
      ),
    async reload() {
      const answer = load(await readFile(join(dataFolder, 'config', 'prometheus.yml'), 'utf8'));
      if (answer === 'refuses') throw new ReloadRefused('refused by the test');
      if (answer === 'hangs up') throw new Error('hung up');
      loads++;
    },
    close: () => Promise.resolve(),
  };
  const environment = { A_TOKEN: 'secret-a', A_TOKEN_TOO: 'secret-a2', B_TOKEN: 'secret-b', C_TOKEN: 'secret-c' };
  const configuration = createConfiguration({
    baseFile: BASE,
    rulesFolder: join(dataFolder, 'rules'),
    instanceRules: { file: INSTANCE_RULES, instance: undefined },
    dataFolder,
    credentials: createCredentials(dataFolder, environment),
    fixed: {
      targetsFile: '/targets/apps.json',
      replica: 'unit',
      instance: 'prometheus-shop',
      addresses: { prometheus: '127.0.0.1:1', agent: '127.0.0.1:2' },
      access: undefined,
      hasProxy: false,
    },
    promtool: obstacles.promtool ?? (() => Promise.resolve({ kind: 'valid' })),
    client,
    clock,
    report(event) {
      if (event.kind === 'configuration') status = event.status;
    },
  });
  let [version, revivals] = ['2.42.0', 0];
  const want = (): void => {
    configuration.want({
      settings,
      features: featuresOf(version),
      revivals,
      retentionSizeBytes: undefined,
      blockRangeMs: undefined,
      mostSamples: undefined,
    });
  };
  want();
  const running = configuration.run(stop.signal);
  return {
    configuration,
    status: () => status,
    use(next, answer) {
      settings = next;
      load = answer;
      want();
    },
    secrets: async () => (await readdir(join(dataFolder, 'credentials'))).sort().join(),
    runs(next, times) {
      [version, revivals] = [next, times];
      want();
    },
    configFile: configuration.configFile,
    async look(candidate) {
      assert.equal(await configuration.check(candidate, stop.signal), undefined);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

describe('the interval at which Prometheus reads the target file by itself', () => {
  it('is 30 s, or 5 minutes where a read makes changes wait, and differs after each revival', async () => {
    await using folder = await temporaryFolder();
    await using scene = startScene(folder.path);
    for (const [version, revivals, interval] of [
      ['3.11.0', 0, '30s'],
      ['3.11.0', 1, '31s'],
      ['3.12.0', 1, '301s'],
      ['3.14.0', 2, '300s'],
    ] as const) {
      scene.runs(version, revivals);
      await until(`${version}: ${interval}`, async () =>
        (await readFile(scene.configFile, 'utf8')).includes(`refresh_interval: ${interval}\n`),
      );
    }
  });
});

describe('files of secrets', { concurrency: 4 }, () => {
  it('are removed once no configuration that Prometheus may run names them', async () => {
    await using folder = await temporaryFolder();
    await using scene = startScene(folder.path);
    scene.use(sending('A_TOKEN_TOO', 'B_TOKEN'), () => 'loads');
    await until('both', async () => (await scene.secrets()) === 'A_TOKEN_TOO,B_TOKEN');
    scene.use(sending('A_TOKEN_TOO'), () => 'loads');
    await until('one', async () => (await scene.secrets()) === 'A_TOKEN_TOO');
    scene.use(sending('A_TOKEN'), () => 'loads');
    await until('the other', async () => (await scene.secrets()) === 'A_TOKEN');
    await scene.look(sending('C_TOKEN'));
    assert.equal(await scene.secrets(), 'A_TOKEN');
    scene.use(sending(), () => 'loads');
    await until('none', async () => (await scene.secrets()) === '');
  });

  it('stay while Prometheus runs old settings, as it refused the new ones, and others are looked at', async () => {
    await using folder = await temporaryFolder();
    await using scene = startScene(folder.path);
    scene.use(sending('A_TOKEN'), () => 'loads');
    await until('the first', () => scene.status().loadedAtMs !== undefined);
    scene.use(sending('B_TOKEN'), (config) => (config.includes('B_TOKEN') ? 'refuses' : 'loads'));
    await until('the refusal', () => scene.status().refused !== undefined);
    await until('the new one to be removed', async () => (await scene.secrets()) === 'A_TOKEN');
    await scene.look(sending('C_TOKEN'));
    assert.equal(await scene.secrets(), 'A_TOKEN');
    assert.match(await readFile(scene.configuration.configFile, 'utf8'), /A_TOKEN/);
  });

  it('stay while it is unknown which of the last settings Prometheus runs', async () => {
    await using folder = await temporaryFolder();
    await using scene = startScene(folder.path);
    scene.use(sending('A_TOKEN'), () => 'loads');
    await until('the first', () => scene.status().loadedAtMs !== undefined);
    for (const variable of ['B_TOKEN', 'C_TOKEN']) {
      const asked = Promise.withResolvers<undefined>();
      scene.use(sending(variable), (config) => {
        if (config.includes(variable)) asked.resolve(undefined);
        return 'hangs up';
      });
      await asked.promise;
    }
    await scene.look(sending('A_TOKEN_TOO'));
    assert.equal(await scene.secrets(), 'A_TOKEN,B_TOKEN,C_TOKEN');
    scene.use(sending('C_TOKEN'), () => 'loads');
    await until('the last only', async () => (await scene.secrets()) === 'C_TOKEN');
  });

  it('stay after a restart of the agent until Prometheus proves what it runs', async () => {
    await using folder = await temporaryFolder();
    {
      await using before = startScene(folder.path);
      before.use(sending('A_TOKEN'), () => 'loads');
      await until('the first', () => before.status().loadedAtMs !== undefined);
      before.use(sending('B_TOKEN'), () => 'hangs up');
      await until('the second', async () => (await before.secrets()) === 'A_TOKEN,B_TOKEN');
    }
    await using after = startScene(folder.path);
    after.use(sending('B_TOKEN'), () => 'hangs up');
    await after.look(sending('C_TOKEN'));
    assert.match(await after.secrets(), /^A_TOKEN,B_TOKEN/);
    after.use(sending('B_TOKEN'), () => 'loads');
    await until('the last only', async () => (await after.secrets()) === 'B_TOKEN');
  });
});

describe('a reload that failed', () => {
  it('is tried again as soon as the first time, once a configuration was loaded', async () => {
    await using folder = await temporaryFolder();
    const waits: number[] = [];
    // Waits for a next try are cut short; the wait for a change, which takes days, is not.
    const impatient: Clock = {
      ...systemClock,
      sleep(durationMs, signal) {
        if (durationMs > 60_000) return systemClock.sleep(durationMs, signal);
        waits.push(durationMs);
        return systemClock.sleep(1, signal);
      },
    };
    await using scene = startScene(folder.path, impatient);
    let failures = 0;
    const failing = (): Load => (failures-- > 0 ? 'hangs up' : 'loads');
    for (const variable of ['A_TOKEN', 'B_TOKEN']) {
      waits.length = 0;
      failures = 3;
      scene.use(sending(variable), failing);
      await until('it to be loaded', async () => failures < 0 && (await scene.secrets()) === variable);
      assert.deepEqual(waits, [1_000, 2_000, 4_000], variable);
    }
  });

  it('has waits of its own for each cause: one that Prometheus refuses is tried again after 30 s, however long it was not ready', async () => {
    await using folder = await temporaryFolder();
    const [unready, waits]: [{ left: number }, number[]] = [{ left: 9 }, []];
    const impatient: Clock = {
      ...systemClock,
      sleep(durationMs, signal) {
        waits.push(durationMs);
        // The last of these waits is looked at, and no more.
        return systemClock.sleep(waits.length < 12 ? 1 : durationMs, signal);
      },
    };
    const ready = (): Promise<void> =>
      unready.left-- > 0 ? Promise.reject(new Error('not ready')) : Promise.resolve();
    await using scene = startScene(folder.path, impatient, { ready });
    scene.use(sending('A_TOKEN'), () => 'refuses');
    await until('the refusal', () => scene.status().refused !== undefined && waits.some((ms) => ms >= 29_000));
    const refusal = waits.findIndex((ms, index) => index >= 9 && ms >= 29_000);
    assert.ok((waits[refusal] ?? 0) <= 30_000, waits.join());
    assert.deepEqual(
      waits.slice(0, 9),
      [1, 2, 4, 8, 16, 30, 30, 30, 30].map((seconds) => seconds * 1_000),
    );
  });

  it('starts again with another configuration, even if promtool did not check the one before', async () => {
    await using folder = await temporaryFolder();
    const waits: number[] = [];
    const impatient: Clock = {
      ...systemClock,
      sleep(durationMs, signal) {
        if (durationMs <= 60_000) waits.push(durationMs);
        return systemClock.sleep(durationMs > 60_000 ? durationMs : Math.min(durationMs, 5), signal);
      },
      // Time flies, so that each wait is over.
      nowMs: () => performance.now() * 1_000,
    };
    const promtool = (): Promise<Check> => Promise.resolve({ kind: 'failed', text: 'killed' });
    await using scene = startScene(folder.path, impatient, { promtool });
    for (const variable of ['A_TOKEN', 'B_TOKEN']) {
      waits.length = 0;
      scene.use(sending(variable), () => 'loads');
      await until('some tries', () => waits.length > 8);
      assert.ok(
        waits.some((ms) => ms > 500 && ms <= 1_000),
        `${variable}: ${waits.join()}`,
      );
    }
  });
});
